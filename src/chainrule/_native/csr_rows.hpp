// Groups of eight sparse rows, and what is summed over them. Included by what is compiled once per instruction set, inside its
// namespace.
#pragma once
#include "lanes.hpp"
#include "losses.hpp"

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

  Totals(const CsrLayout& layout, const double* sums)
      : loss(load(sums + layout.loss)),
        correct(load(sums + layout.correct)),
        weight(load(sums + layout.weight)),
        bias(load(sums + layout.bias)) {}

  void add(const Pointwise& at, Lanes sign, Lanes s, Lanes z) {
    const auto right = (sign < splat(0.0)) ? z > splat(0.0) : z <= splat(0.0);
    loss += s * at.loss;
    correct += right ? s : splat(0.0);
  }
  void keep(const CsrLayout& layout, double* sums) const {
    store(sums + layout.loss, loss);
    store(sums + layout.correct, correct);
    store(sums + layout.weight, weight);
    store(sums + layout.bias, bias);
  }
};

// run(x, column), with one of the type of an element and one of that of a column.
template <typename Run>
inline void by_type(const Csr& csr, const Run& run) {
  if (csr.is_float32)
    csr.wide_indices ? run(0.0F, std::int64_t{0}) : run(0.0F, std::int32_t{0});
  else
    csr.wide_indices ? run(0.0, std::int64_t{0}) : run(0.0, std::int32_t{0});
}
