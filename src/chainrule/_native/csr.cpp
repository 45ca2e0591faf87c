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

#include "csr_rows.hpp"

namespace {

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

// The group's loss and its derivatives; the residuals times the weights.
inline Lanes add_loss(const CsrJob& job, std::int64_t first, std::int64_t rows, Lanes s, Lanes z, Totals& totals) {
  const Lanes sign = signs_of(job.y + first, rows);
  const Pointwise at = Logistic::at(z, sign);
  if (job.curvature) put(job.curvature + first, at.curvature, rows);
  totals.add(at, sign, s, z);
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
  Totals totals(layout, sums);
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
  totals.keep(layout, sums);
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

void read(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums) {
  by_type(job.rows, [&](auto x, auto column) {
    if (job.p && !job.folded)
      run_read<true, decltype(x), decltype(column)>(job, first, end, sums);
    else
      run_read<false, decltype(x), decltype(column)>(job, first, end, sums);
  });
}

void moments(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums) {
  by_type(job.rows, [&](auto x, auto column) { run_moments<decltype(x), decltype(column)>(job, first, end, sums); });
}

}  // namespace

extern const CsrKernels csr_kernels;
const CsrKernels csr_kernels = {read, moments, csr_secant};

}  // namespace CHAINRULE_ISA
}  // namespace chainrule
