// The Hessian's panel: rows times sqrt(h), packed in strips of 64 bytes and multiplied in register tiles. Included by leaf.cpp alone.
//
// Strip 0 is the short one: its last lanes hold the bias and the columns that fill no whole strip. As rows of a tile it costs only what
// it holds; as columns it would cost a whole vector.
#pragma once
#include "simd.hpp"

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kTileRows = 8, kTileStrips = 3;  // 24 of 32 registers hold sums
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kTileRows = 4, kTileStrips = 1;  // 8 of 16: more would spill
#elif defined(__aarch64__)
constexpr int kVectorBytes = 16;
constexpr int kTileRows = 4, kTileStrips = 1;
#else
constexpr int kVectorBytes = 16;
constexpr int kTileRows = 2, kTileStrips = 1;
#endif
constexpr std::int64_t kPanelRows = 128;

template <typename T>
struct Vectors;
template <>
struct Vectors<double> {
  typedef double Type __attribute__((vector_size(kVectorBytes)));
};
template <>
struct Vectors<float> {
  typedef float Type __attribute__((vector_size(kVectorBytes)));
};
template <typename T>
constexpr std::int64_t kLanes = 64 / static_cast<std::int64_t>(sizeof(T));
// Distance from one strip of the panel to the next: one row more than a strip holds, so that a row's strips don't share a cache set.
template <typename T>
constexpr std::int64_t kStripStep = kLanes<T> * (kPanelRows + 1);
// Rows that are multiplied in T before they are added in double.
template <typename T>
constexpr std::int64_t kDepth = sizeof(T) == 4 ? kFloat32Block : kPanelRows;

// to += value, in double.
template <typename Vector>
inline void add_to(double* to, Vector value) {
#if defined(__AVX512F__)
  if constexpr (sizeof(value[0]) == 4) {
    const V low = widen(__builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7));
    const V high = widen(__builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15));
    store(to, load(to) + low);
    store(to + 8, load(to + 8) + high);
    return;
  }
#endif
  typedef double Sum __attribute__((vector_size(8 * sizeof(Vector) / sizeof(value[0]))));
  Sum sum;
  __builtin_memcpy(&sum, to, sizeof sum);
  sum += __builtin_convertvector(value, Sum);
  __builtin_memcpy(to, &sum, sizeof sum);
}

// a b + c in one rounding, for float32 too.
inline Vectors<float>::Type multiply_add(Vectors<float>::Type a, Vectors<float>::Type b, Vectors<float>::Type c) {
#if defined(__AVX512F__)
  return reinterpret_cast<Vectors<float>::Type>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#elif defined(__FMA__)
  return reinterpret_cast<Vectors<float>::Type>(
      _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#elif defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

// Data to prefetch, since memory is idle while the panel is multiplied: one cache line for each row of a tile.
struct Ahead {
  const char* at;
  std::int64_t lines;
};

// out[q] += a' b of `Rows` columns of one strip and all of `Strips` strips, over `rows` rows of the panel.
template <typename T, int Rows, int Strips>
inline void outer_tile(const T* a, const T* b, std::int64_t rows, Ahead& ahead, double* const* out) {
  using Vector = typename Vectors<T>::Type;
  constexpr int kEach = 64 / kVectorBytes, kAll = Strips * kEach;
  constexpr std::int64_t lanes = kLanes<T>, in_vector = kVectorBytes / static_cast<std::int64_t>(sizeof(T));
  Vector acc[Rows][kAll] = {};
  const char* const next = ahead.at;
  const std::int64_t line = ahead.lines >= rows ? 64 : 0;
  ahead.at += line * rows;
  ahead.lines -= line ? rows : 0;
  for (std::int64_t k = 0; k < rows; ++k) {
    __builtin_prefetch(next + line * k, 0, 2);
    Vector bk[kAll];
#pragma GCC unroll 4
    for (int q = 0; q < kAll; ++q)
      __builtin_memcpy(&bk[q], b + kStripStep<T> * (q / kEach) + lanes * k + in_vector * (q % kEach), kVectorBytes);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const Vector ak = a[lanes * k + i] - Vector{};
#pragma GCC unroll 4
      for (int q = 0; q < kAll; ++q) acc[i][q] = multiply_add(ak, bk[q], acc[i][q]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int q = 0; q < kAll; ++q) add_to(out[q / kEach] + lanes * i + in_vector * (q % kEach), acc[i][q]);
}

// The tile's strips are counted at run time; so are its rows, in the short strip alone.
template <typename T, int Rows>
inline void outer_rows(std::int64_t strips, const T* a, const T* b, std::int64_t rows, Ahead& ahead, double* const* out) {
  for (std::int64_t first = 0; first < rows; first += kDepth<T>) {
    const std::int64_t count = rows - first < kDepth<T> ? rows - first : kDepth<T>;
    const T *ak = a + kLanes<T> * first, *bk = b + kLanes<T> * first;
    if constexpr (kTileStrips == 3) {
      if (strips == 3) outer_tile<T, Rows, 3>(ak, bk, count, ahead, out);
      if (strips == 2) outer_tile<T, Rows, 2>(ak, bk, count, ahead, out);
    }
    if (strips == 1) outer_tile<T, Rows, 1>(ak, bk, count, ahead, out);
  }
}

template <typename T>
void outer_short(int tile_rows, std::int64_t strips, const T* a, const T* b, std::int64_t rows, Ahead& ahead, double* const* out) {
  switch (tile_rows) {
    case 1:
      return outer_rows<T, 1>(strips, a, b, rows, ahead, out);
    case 2:
      return outer_rows<T, 2>(strips, a, b, rows, ahead, out);
#if defined(__AVX2__) || defined(__aarch64__)
    case 3:
      return outer_rows<T, 3>(strips, a, b, rows, ahead, out);
    case 4:
      return outer_rows<T, 4>(strips, a, b, rows, ahead, out);
#endif
#if defined(__AVX512F__)
    case 5:
      return outer_rows<T, 5>(strips, a, b, rows, ahead, out);
    case 6:
      return outer_rows<T, 6>(strips, a, b, rows, ahead, out);
    case 7:
      return outer_rows<T, 7>(strips, a, b, rows, ahead, out);
    case 8:
      return outer_rows<T, 8>(strips, a, b, rows, ahead, out);
#endif
  }
}

// matrix += panel' panel: the blocks of its upper triangle.
template <typename T>
void add_panel(const T* panel, std::int64_t rows, const MatrixLayout& layout, Ahead ahead, double* matrix) {
  constexpr std::int64_t lanes = kLanes<T>;
  for (std::int64_t j = 0; j < layout.strips; j += kTileStrips) {
    const std::int64_t end = j + kTileStrips < layout.strips ? j + kTileStrips : layout.strips;
    for (std::int64_t i = 0; i < end; ++i) {
      const std::int64_t left = i > j ? i : j;  // blocks below the diagonal are not needed
      const T *a = panel + kStripStep<T> * i, *b = panel + kStripStep<T> * left;
      double* out[kTileStrips] = {};
      for (std::int64_t q = 0; q < end - left; ++q) out[q] = matrix + layout.block(i, left + q);
      std::int64_t row = 0;
      if (i == 0) {
        row = lanes - layout.in_short;
        const std::int64_t some = layout.in_short % kTileRows;
        for (std::int64_t q = 0; q < end - left; ++q) out[q] += lanes * row;
        if (some) outer_short<T>(static_cast<int>(some), end - left, a + row, b, rows, ahead, out);
        for (std::int64_t q = 0; q < end - left; ++q) out[q] += lanes * some;
        row += some;
      }
      for (; row < lanes; row += kTileRows) {
        outer_rows<T, kTileRows>(end - left, a + row, b, rows, ahead, out);
        for (std::int64_t q = 0; q < end - left; ++q) out[q] += lanes * kTileRows;
      }
    }
  }
}
