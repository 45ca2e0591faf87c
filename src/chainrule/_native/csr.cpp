// One fused read of sparse rows: z, loss, gradient or a product with the Hessian, squares, norms, moments. Compiled once per
// instruction set.
//
// Eight rows make a group. Eight elements of a row at a time are multiplied by what is gathered from w, the z of the group become one
// vector for the loss, and the group, still in the first cache, is scattered into the gradient, row after row. Nothing from the standard
// library's templates is used here, as in kernels.cpp.
#include "csr.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace chainrule {
namespace CHAINRULE_ISA {

#include "lanes.hpp"
#include "losses.hpp"

namespace {

template <typename T, typename I>
struct Row {
  const T* x;
  const I* column;
  std::int64_t size;
};

inline Lanes eight(const double* values, std::int64_t count) {
  if (count == 8) return load(values);
  double first[8] = {};
  for (std::int64_t k = 0; k < count; ++k) first[k] = values[k];
  return load(first);
}

inline void put(double* to, Lanes values, std::int64_t count) {
  if (count == 8) return store(to, values);
  for (std::int64_t k = 0; k < count; ++k) to[k] = values[k];
}

// Up to eight rows, and their weights; a row of weight 0 has no elements.
template <typename T, typename I>
struct Group {
  Row<T, I> row[8] = {};
  Lanes s = {};
  std::int64_t rows = 0;

  void look_at(const CsrJob& job, std::int64_t first, std::int64_t end) {
    const Csr& csr = job.rows;
    rows = end - first < 8 ? end - first : 8;
    s = job.s ? eight(job.s + first, rows) : splat(1.0);
    for (std::int64_t k = 0; k < 8; ++k) {
      row[k].size = 0;
      if (k >= rows || (job.s && job.s[first + k] == 0.0)) continue;
      const std::int64_t at = place_of(csr, first + k), from = row_start(csr, at);
      row[k] = {static_cast<const T*>(csr.data) + from, static_cast<const I*>(csr.indices) + from, row_start(csr, at + 1) - from};
    }
    if (rows < 8 && !job.s)
      for (std::int64_t k = rows; k < 8; ++k) s[k] = 0.0;
  }
};

// The first `count` of eight elements, and zeros.
#if defined(__AVX512F__)
inline __mmask8 mask_of(std::int64_t count) { return static_cast<__mmask8>(0xff >> (8 - count)); }
inline Lanes take(const double* x, std::int64_t count) { return reinterpret_cast<Lanes>(_mm512_maskz_loadu_pd(mask_of(count), x)); }
inline Lanes take(const float* x, std::int64_t count) {
  return reinterpret_cast<Lanes>(_mm512_maskz_cvtps_pd(mask_of(count), _mm256_maskz_loadu_ps(mask_of(count), x)));
}
inline Lanes gather(const double* from, const std::int32_t* column, std::int64_t count) {
  const __m256i places = _mm256_maskz_loadu_epi32(mask_of(count), column);
  return reinterpret_cast<Lanes>(_mm512_mask_i32gather_pd(_mm512_setzero_pd(), mask_of(count), places, from, 8));
}
inline Lanes gather(const double* from, const std::int64_t* column, std::int64_t count) {
  const __m512i places = _mm512_maskz_loadu_epi64(mask_of(count), column);
  return reinterpret_cast<Lanes>(_mm512_mask_i64gather_pd(_mm512_setzero_pd(), mask_of(count), places, from, 8));
}
#else
template <typename T>
inline Lanes take(const T* x, std::int64_t count) {
  if (count == 8) return load(x);
  T first[8] = {};
  for (std::int64_t k = 0; k < count; ++k) first[k] = x[k];
  return load(first);
}
template <typename I>
inline Lanes gather(const double* from, const I* column, std::int64_t count) {
  if (count == 8)
    return Lanes{from[column[0]], from[column[1]], from[column[2]], from[column[3]],
                 from[column[4]], from[column[5]], from[column[6]], from[column[7]]};
  double first[8] = {};
  for (std::int64_t k = 0; k < count; ++k) first[k] = from[column[k]];
  return load(first);
}
#endif

// Eight elements of a row from the k-th, as the view has them.
template <bool Viewed, typename T, typename I>
inline Lanes elements(const Row<T, I>& row, std::int64_t k, std::int64_t count, const double* p) {
  const Lanes x = take(row.x + k, count);
  return Viewed ? x * gather(p, row.column + k, count) : x;
}

inline std::int64_t eight_of(std::int64_t left) { return left < 8 ? left : 8; }

// Elements that are asked for before their turn, by the first that goes over a group: the processor's own look ahead falls behind.
constexpr std::int64_t kAhead = 256;

template <typename T, typename I>
inline void fetch(const Row<T, I>& row, std::int64_t k) {
  __builtin_prefetch(row.x + k + kAhead);
  __builtin_prefetch(row.column + k + kAhead);
}

// x.w, its products in eight lanes.
template <bool Viewed, typename T, typename I>
inline Lanes dot(const Row<T, I>& row, const double* w, const double* p) {
  Lanes a = {};
  for (std::int64_t k = 0; k < row.size; k += 8) {
    fetch(row, k);
    const std::int64_t count = eight_of(row.size - k);
    a += elements<Viewed>(row, k, count, p) * gather(w, row.column + k, count);
  }
  return a;
}

// sum_j q_j x_j^2 of a group's rows.
template <bool Viewed, typename T, typename I>
inline Lanes norms(const Group<T, I>& group, const double* q, const double* p) {
  Lanes sums[8];
  for (std::int64_t i = 0; i < 8; ++i) {
    const Row<T, I>& row = group.row[i];
    Lanes a = {};
    for (std::int64_t k = 0; k < row.size; k += 8) {
      const std::int64_t count = eight_of(row.size - k);
      const Lanes x = elements<Viewed>(row, k, count, p);
      a += gather(q, row.column + k, count) * x * x;
    }
    sums[i] = a;
  }
  return sum_lanes(sums);
}

// to += r x, or r x^2 with Square.
template <bool Viewed, bool Square, typename T, typename I>
inline void scatter(const Row<T, I>& row, double r, const double* p, double* to) {
  for (std::int64_t k = 0; k < row.size; k += 8) {
    if (Square) fetch(row, k);
    const std::int64_t end = row.size < k + 8 ? row.size : k + 8;
    for (std::int64_t l = k; l < end; ++l) {
      const double x = Viewed ? static_cast<double>(row.x[l]) * p[row.column[l]] : static_cast<double>(row.x[l]);
      to[row.column[l]] += Square ? r * x * x : r * x;
    }
  }
}

// 1 - 2y of up to eight rows.
inline Lanes signs_of(const std::uint8_t* y, std::int64_t rows) {
  Bytes codes = {};
  if (rows == 8)
    __builtin_memcpy(&codes, y, 8);
  else
    for (std::int64_t k = 0; k < rows; ++k) codes[k] = y[k];
  return splat(1.0) - splat(2.0) * __builtin_convertvector(codes, Lanes);
}

// What a read sums beside the columns, in lanes, while it goes over a leaf's rows.
struct Totals {
  Lanes loss, correct, weight, bias;
};

// The group's loss and its derivatives; the residuals times the weights.
inline Lanes add_loss(const CsrJob& job, std::int64_t first, std::int64_t rows, Lanes s, Lanes z, Totals& totals) {
  const Lanes sign = signs_of(job.y + first, rows);
  const Pointwise at = Logistic::at(z, sign);
  if (job.curvature) put(job.curvature + first, at.curvature, rows);
  const auto right = (sign < splat(0.0)) ? z > splat(0.0) : z <= splat(0.0);
  totals.loss += s * at.loss;
  totals.correct += right ? s : splat(0.0);
  return s * at.residual;
}

// The largest norm of the group's rows of positive weight, at least `least`.
template <typename T, typename I>
inline double largest_norm(const CsrJob& job, const Group<T, I>& group, double least) {
  const Lanes found = (job.p ? norms<true>(group, job.q, job.p) : norms<false>(group, job.q, job.p)) + splat(job.q[job.rows.n]);
  for (std::int64_t k = 0; k < group.rows; ++k)
    if (group.s[k] > 0.0 && !(found[k] <= least)) least = found[k];
  return least;
}

// The rows of one group are scattered between the dot products of the next: one waits for the second cache where the other computes.
template <bool Viewed, typename T, typename I>
void run_read(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums) {
  const CsrLayout layout(job);
  double* const gradient = sums + layout.columns;
  double* const squares = sums + layout.squares;
  Totals totals = {load(sums + layout.loss), load(sums + layout.correct), load(sums + layout.weight), load(sums + layout.bias)};
  Group<T, I> groups[2];
  Lanes r = {};
  std::int64_t turn = 0;
  for (std::int64_t i = first; i < end; i += 8, turn = 1 - turn) {
    Group<T, I>& group = groups[turn];
    const Group<T, I>& before = groups[1 - turn];
    group.look_at(job, i, end);
    const Lanes weight = job.h ? group.s * eight(job.h + i, group.rows) : group.s;
    totals.weight += weight;
    if (job.what & kLoss) {
      Lanes products[8];
      for (std::int64_t k = 0; k < 8; ++k) {
        products[k] = dot<Viewed>(group.row[k], job.w, job.p);
        if (job.what & kGradient) scatter<Viewed, false>(before.row[k], r[k], job.p, gradient);
      }
      const Lanes z = sum_lanes(products) + splat(job.b);
      if (job.z) put(job.z + i, z, group.rows);
      r = job.y ? add_loss(job, i, group.rows, group.s, z, totals) : weight * z;
      totals.bias += r;
    }
    if (job.what & kSquares)
      for (std::int64_t k = 0; k < 8; ++k) {
        if (job.p)
          scatter<true, true>(group.row[k], weight[k], job.p, squares);
        else
          scatter<false, true>(group.row[k], weight[k], job.p, squares);
      }
    if (job.what & kNorms) sums[layout.norm] = largest_norm(job, group, sums[layout.norm]);
  }
  for (std::int64_t k = 0; (job.what & kGradient) && k < 8; ++k) scatter<Viewed, false>(groups[1 - turn].row[k], r[k], job.p, gradient);
  store(sums + layout.loss, totals.loss);
  store(sums + layout.correct, totals.correct);
  store(sums + layout.weight, totals.weight);
  store(sums + layout.bias, totals.bias);
}

template <typename T, typename I>
void run_moments(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums) {
  const CsrLayout layout(job);
  for (std::int64_t i = first; i < end; i += 8) {
    Group<T, I> group;
    group.look_at(job, i, end);
    store(sums + layout.weight, load(sums + layout.weight) + group.s);
    for (std::int64_t k = 0; k < group.rows; ++k) {
      const Row<T, I>& row = group.row[k];
      const double s = group.s[k];
      sums[layout.norm] += s != 0.0 ? 1.0 : 0.0;
      for (std::int64_t l = 0; l < row.size; ++l) {
        const double x = static_cast<double>(row.x[l]);
        double* const of = sums + layout.columns + CsrLayout::kColumnMoments * row.column[l];
        of[0] += s * x;
        of[1] += s * x * x;
        of[2] = x < of[2] ? x : of[2];
        of[3] = x > of[3] ? x : of[3];
        of[4] += 1.0;
      }
    }
  }
}

template <typename T, typename I>
void read_as(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums) {
  if (job.p && !job.folded)
    run_read<true, T, I>(job, first, end, sums);
  else
    run_read<false, T, I>(job, first, end, sums);
}

void read(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums) {
  const Csr& csr = job.rows;
  if (csr.is_float32)
    csr.wide_indices ? read_as<float, std::int64_t>(job, first, end, sums) : read_as<float, std::int32_t>(job, first, end, sums);
  else
    csr.wide_indices ? read_as<double, std::int64_t>(job, first, end, sums) : read_as<double, std::int32_t>(job, first, end, sums);
}

void moments(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums) {
  const Csr& csr = job.rows;
  if (csr.is_float32)
    csr.wide_indices ? run_moments<float, std::int64_t>(job, first, end, sums) : run_moments<float, std::int32_t>(job, first, end, sums);
  else
    csr.wide_indices ? run_moments<double, std::int64_t>(job, first, end, sums) : run_moments<double, std::int32_t>(job, first, end, sums);
}

}  // namespace

extern const CsrKernels csr_kernels;
const CsrKernels csr_kernels = {read, moments};

}  // namespace CHAINRULE_ISA
}  // namespace chainrule
