// One fused read of a block of dense rows, whose elements lie near to one another: z, loss, gradient, Hessian or its product, moments.
// Compiled once per instruction set.
//
// Eight rows make a tile. Their dot products with w are made in registers, their z become one vector for the loss, and the
// tile, still in the first cache, is added to the gradient. Nothing from the standard library's templates is used here: a
// function compiled for one instruction set must not be shared with another's.
#include "job.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace chainrule {
namespace CHAINRULE_ISA {

#include "lanes.hpp"
#include "losses.hpp"
#include "panel.hpp"

namespace {

#include "ahead.hpp"

#if defined(__AVX512F__)
constexpr int kRowsAtOnce = 8;  // dot products that share a load of w
#else
constexpr int kRowsAtOnce = 4;
#endif
constexpr std::int64_t kColumnsForTwo = 128;

// x.w of the tile's eight rows.
template <bool Shift, typename T>
inline Lanes dot_rows(const Tile& tile, std::int64_t n, const double* w, const Scratch& scratch, Ahead ahead) {
  const std::int64_t chunks = chunks_of(n);
  const T* const* row = rows_of<T>(tile);
  Lanes sums[8];
  for (int first = 0; first < 8; first += kRowsAtOnce) {
    Lanes a[kRowsAtOnce] = {};
    for (std::int64_t c = 0; c < chunks; ++c) {
      const std::int64_t offset = offset_of(c, n);
      const Lanes wc = load(w + 8 * c);
      if (first == 0) fetch(ahead);
      ahead.at += ahead.chunk;
#pragma GCC unroll 8
      for (int k = 0; k < kRowsAtOnce; ++k) a[k] += element<Shift>(row[first + k], offset, scratch) * wc;
    }
    for (int k = 0; k < kRowsAtOnce; ++k) sums[first + k] = a[k];
  }
  return sum_lanes(sums);
}

template <bool Shift>
inline Lanes dot(const Tile& tile, std::int64_t n, const double* w, const Scratch& scratch, const Ahead& ahead) {
  return tile.narrow ? dot_rows<Shift, float>(tile, n, w, scratch, ahead) : dot_rows<Shift, double>(tile, n, w, scratch, ahead);
}

// gradient += sum over the tile of r x; and, with Squares, squares += sum of s x^2.
template <bool Shift, bool Squares, typename T>
inline void add_rows(const Tile& tile, std::int64_t n, Lanes r, const Scratch& scratch, Ahead ahead) {
  const std::int64_t chunks = chunks_of(n);
  const T* const* row = rows_of<T>(tile);
  Lanes rk[8];
#pragma GCC unroll 8
  for (int k = 0; k < 8; ++k) rk[k] = splat(r[k]);
  for (std::int64_t c = 0; c < chunks; ++c, ahead.at += ahead.chunk) {
    const std::int64_t offset = offset_of(c, n);
    fetch(ahead);
    Lanes a = {}, b = {}, square = {};  // zeros, so that a compiler has no choice which products to fuse
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const Lanes x = element<Shift>(row[k], offset, scratch), y = element<Shift>(row[k + 4], offset, scratch);
      a += rk[k] * x;
      b += rk[k + 4] * y;
      if (Squares) square += splat(tile.s[k]) * x * x;
      if (Squares) square += splat(tile.s[k + 4]) * y * y;
    }
    store(scratch.gradient + 8 * c, load(scratch.gradient + 8 * c) + (a + b));
    if (Squares) store(scratch.squares + 8 * c, load(scratch.squares + 8 * c) + square);
  }
}

// Largest sum_j q_j x_j^2 of the tile's rows of positive weight, at least `least`.
template <bool Shift>
inline double largest_norm(const Tile& tile, std::int64_t n, const double* q, double bias, double least, const Scratch& scratch) {
  Lanes sums[8];
  for (int k = 0; k < 8; ++k) {
    sums[k] = Lanes{};
    for (std::int64_t c = 0; c < chunks_of(n); ++c) {
      const Lanes x = element<Shift>(tile.row[k], offset_of(c, n), scratch);
      sums[k] += load(q + 8 * c) * x * x;
    }
  }
  const Lanes norms = sum_lanes(sums) + splat(bias);
  for (std::int64_t k = 0; k < tile.rows; ++k)
    if (tile.s[k] > 0.0 && !(norms[k] <= least)) least = norms[k];
  return least;
}

// Rows of the panel: sqrt(h) x~.
template <typename T, bool Shift>
inline void pack_rows(const Tile& tile, const MatrixLayout& layout, const double* root, std::int64_t at, const Scratch& scratch) {
  constexpr std::int64_t lanes = kLanes<T>;
  const std::int64_t n = layout.n, bias = lanes - layout.in_short;
  T* const panel = reinterpret_cast<T*>(scratch.panel);
  for (int k = 0; k < 8; ++k) {
    const double* row = tile.row[k];
    T* out = panel + lanes * (at + k);
    if (n >= lanes) {
      for (std::int64_t h = 0; h < lanes; h += 8) {
        const Lanes x = element<Shift>(row, n - lanes + h, scratch);
        const Ints place = Ints{0, 1, 2, 3, 4, 5, 6, 7} + (h - bias);
        const Lanes one = place == 0 ? splat(1.0) : splat(0.0);
        store(out + h, splat(root[k]) * (place > 0 ? x : one));
      }
    } else {
      for (std::int64_t h = 0; h < bias; ++h) out[h] = 0;
      out[bias] = static_cast<T>(root[k]);
      for (std::int64_t j = 0; j < n; ++j)
        out[bias + 1 + j] = static_cast<T>(root[k] * (Shift ? row[j] * scratch.p[j] - scratch.cp[j] : row[j]));
    }
    for (std::int64_t strip = 1; strip < layout.strips; ++strip)
      for (std::int64_t h = 0; h < lanes; h += 8)
        store(out + kStripStep<T> * strip + h, splat(root[k]) * element<Shift>(row, lanes * (strip - 1) + h, scratch));
  }
}

// Smallest and largest element of each column, as -min and max, in chunks.
template <bool Shift>
inline void add_extremes(const Tile& tile, std::int64_t n, double* extremes, const Scratch& scratch) {
  (void)scratch;
  for (std::int64_t k = 0; k < tile.rows; ++k) {
    if (tile.s[k] == 0.0) continue;
    for (std::int64_t j = 0; j < n; ++j) {
      const double x = tile.row[k][j];
      extremes[j] = -x > extremes[j] ? -x : extremes[j];
      extremes[n + j] = x > extremes[n + j] ? x : extremes[n + j];
    }
  }
}

// sum s x and, with Squares, sum s x^2 of the view's columns: the last row and the diagonal of the matrix of moments.
template <bool Shift, bool Squares>
inline void add_sums(const Job& job, const Tile& tile, double* squares, double* sums, const Scratch& scratch) {
  for (int k = 0; k < 8; ++k) {
    if (tile.s[k] == 0.0) continue;
    for (std::int64_t j = 0; j < job.n; ++j) {
      const double x = Shift ? tile.row[k][j] * scratch.p[j] - scratch.cp[j] : tile.row[k][j];
      if (Squares) squares[j] += tile.s[k] * x * x;
      sums[j] += tile.s[k] * x;
    }
  }
}

template <bool Shift>
void run_block(const Job& job, std::int64_t first, std::int64_t end, double* sums, double* matrix, bool fresh, double* memory) {
  const Source source(job);
  const Scratch scratch(job, source, memory);
  const Layout layout(job);
  const MatrixLayout matrix_layout(job);
  const std::int64_t n = job.n, chunked = 8 * chunks_of(n);
  if (n < 8)
    for (std::int64_t j = 0; j < kCopiedRows * source.step; ++j) scratch.copies[j] = 0.0;  // the padding of short rows
  for (std::int64_t j = 0; j < chunked; ++j) {
    const bool in = j < n;
    scratch.p[j] = (in && Shift) ? job.p[j] : 1.0;
    scratch.cp[j] = (in && Shift) ? job.cp[j] : 0.0;
    scratch.zero_row[j] = (in && Shift) ? job.center[j] : 0.0;
    scratch.gradient[j] = scratch.squares[j] = 0.0;
  }
  if (job.w) to_chunks(job.w, n, scratch.w);
  if (job.what & kProduct) to_chunks(job.v, n, scratch.v);
  if (job.what & kNorms) to_chunks(job.q, n, scratch.q);
  for (std::int64_t j = 0; j < layout.size; ++j) sums[j] = 0.0;
  for (std::int64_t j = 0; fresh && j < matrix_layout.size; ++j) matrix[j] = 0.0;
  for (std::int64_t j = layout.extremes; j < layout.size; ++j) sums[j] = -__builtin_inf();

  Lanes loss = {}, correct = {}, weight = {}, bias = {};
  const Outlook outlook(job, source);
  // Two tiles at a time, where both stay in the first cache: one's loss is computed while the other's waits for its own.
  const std::int64_t together = n <= kColumnsForTwo ? 2 : 1;
  std::int64_t in_panel = 0;
  Tile tiles[2];
  Lanes z[2];
  Pointwise at[2];
  for (std::int64_t start = first; start < end; start += 8 * together) {
    const std::int64_t count = together == 2 && start + 8 < end ? 2 : 1;
    for (std::int64_t t = 0; t < count; ++t)
      fill_tile(job, source, scratch, start + 8 * t, end, scratch.copies + 8 * t * source.step, tiles[t]);
    if (job.what & kLoss)
      for (std::int64_t t = 0; t < count; ++t)
        z[t] = dot<Shift>(tiles[t], n, scratch.w, scratch, outlook.first(job, start + 8 * t)) + splat(job.b);
    if ((job.what & kLoss) && job.y) {
      at[0] = Logistic::at(z[0], tiles[0].sign);
      if (count == 2) at[1] = Logistic::at(z[1], tiles[1].sign);
    }
    for (std::int64_t t = 0; t < count; ++t) {
      const Tile& tile = tiles[t];
      const std::int64_t i = start + 8 * t;
      weight += tile.s;
      Lanes curvature = tile.s;  // moments: every row counts with its weight
      if (job.what & kLoss) {
        if (job.z)
          for (std::int64_t k = 0; k < tile.rows; ++k) job.z[i + k] = z[t][k];
        if (job.y && job.h)
          for (std::int64_t k = 0; k < tile.rows; ++k) job.h[i + k] = at[t].curvature[k];
        if (job.y) {
          const auto right = (tile.sign < splat(0.0)) ? z[t] > splat(0.0) : z[t] <= splat(0.0);
          loss += tile.s * at[t].loss;
          correct += right ? tile.s : splat(0.0);
          curvature = tile.s * at[t].curvature;
          const Lanes r = tile.s * at[t].residual;
          if (job.what & kGradient) {
            bias += r;
            const Ahead ahead = outlook.second(job, i);
            if (tile.narrow)
              add_rows<Shift, false, float>(tile, n, r, scratch, ahead);
            else if (job.what & kSquares)
              add_rows<Shift, true, double>(tile, n, r, scratch, ahead);
            else
              add_rows<Shift, false, double>(tile, n, r, scratch, ahead);
          }
        }
      }
      if (job.what & kProduct) {
        Lanes h = {};
        for (std::int64_t k = 0; k < tile.rows; ++k) h[k] = job.h[i + k];
        const Lanes along = dot<Shift>(tile, n, scratch.v, scratch, outlook.first(job, i)) + splat(job.v[n]);
        const Lanes r = tile.s * h * along;
        if (job.z)
          for (std::int64_t k = 0; k < tile.rows; ++k) job.z[i + k] = along[k];
        bias += r;
        if (tile.narrow)
          add_rows<Shift, false, float>(tile, n, r, scratch, outlook.second(job, i));
        else
          add_rows<Shift, false, double>(tile, n, r, scratch, outlook.second(job, i));
      }
      if (job.what & kHessian) {
        double root[8];
        for (int k = 0; k < 8; ++k) root[k] = __builtin_sqrt(curvature[k]);
        if (job.what & kHessian32)
          pack_rows<float, Shift>(tile, matrix_layout, root, in_panel, scratch);
        else
          pack_rows<double, Shift>(tile, matrix_layout, root, in_panel, scratch);
        in_panel += 8;
        if (in_panel == kPanelRows || i + 8 >= end) {
          if (job.what & kHessian32)
            add_panel(reinterpret_cast<const float*>(scratch.panel), in_panel, matrix_layout, matrix);
          else
            add_panel(scratch.panel, in_panel, matrix_layout, matrix);
          in_panel = 0;
        }
      }
      if ((job.what & kMoments) && (job.what & kSquares))
        add_sums<Shift, false>(job, tile, sums + layout.squares, sums + layout.sums, scratch);
      else if ((job.what & kMoments) && !(job.what & kHessian))
        add_sums<Shift, true>(job, tile, sums + layout.squares, sums + layout.sums, scratch);
      if (job.what & kNorms) sums[layout.norm] = largest_norm<Shift>(tile, n, scratch.q, job.q[n], sums[layout.norm], scratch);
      if (job.what & kMoments) add_extremes<Shift>(tile, n, sums + layout.extremes, scratch);
    }
  }
  sums[layout.loss] = sum(loss);
  sums[layout.correct] = sum(correct);
  sums[layout.weight] = sum(weight);
  sums[layout.bias] = sum(bias);
  from_chunks(scratch.gradient, n, sums + layout.gradient);
  if (job.what & kSquares) from_chunks(scratch.squares, n, sums + layout.squares);
}

void block(const Job& job, std::int64_t first, std::int64_t end, double* sums, double* matrix, bool fresh, double* memory) {
  if (job.p)
    run_block<true>(job, first, end, sums, matrix, fresh, memory);
  else
    run_block<false>(job, first, end, sums, matrix, fresh, memory);
}

// V: as many elements of y as eight bytes of codes.
template <typename T, typename V, typename Mask>
bool encode_as(const void* given, std::int64_t m, const void* low, const void* high, std::uint8_t* codes) {
  typedef signed char Signs __attribute__((vector_size(8)));
  const T* y = static_cast<const T*>(given);
  const T lower = *static_cast<const T*>(low), upper = *static_cast<const T*>(high);
  V lowers, uppers;
  for (int k = 0; k < 8; ++k) lowers[k] = lower, uppers[k] = upper;
  Mask known = ~Mask{};
  std::int64_t i = 0;
  for (; i + 8 <= m; i += 8) {
    V x;
    __builtin_memcpy(&x, y + i, sizeof(V));
    const Mask is_upper = x == uppers;
    known &= is_upper | (x == lowers);
    const Signs code = -__builtin_convertvector(is_upper, Signs);
    __builtin_memcpy(codes + i, &code, 8);
  }
  bool all = true;
  for (int k = 0; k < 8; ++k) all = all && known[k] != 0;
  for (; i < m; ++i) {
    codes[i] = y[i] == upper;
    all = all && (y[i] == upper || y[i] == lower);
  }
  return all;
}

bool encode(Number number, const void* y, std::int64_t m, const void* low, const void* high, std::uint8_t* codes) {
  typedef float Floats __attribute__((vector_size(32)));
  typedef std::int32_t Ints32 __attribute__((vector_size(32)));
  typedef signed char Ints8 __attribute__((vector_size(8)));
  switch (number) {
    case Number::kDouble:
      return encode_as<double, Lanes, Ints>(y, m, low, high, codes);
    case Number::kFloat:
      return encode_as<float, Floats, Ints32>(y, m, low, high, codes);
    case Number::kInt64:
      return encode_as<long long, Ints, Ints>(y, m, low, high, codes);
    case Number::kInt32:
      return encode_as<std::int32_t, Ints32, Ints32>(y, m, low, high, codes);
    case Number::kInt8:
      return encode_as<signed char, Ints8, Ints8>(y, m, low, high, codes);
    case Number::kUint8:
      return encode_as<unsigned char, Bytes, Ints8>(y, m, low, high, codes);
  }
  return false;
}

void pointwise(std::int64_t m, const double* z, const std::uint8_t* y, double* loss, double* residual, double* curvature) {
  for (std::int64_t i = 0; i < m; i += 8) {
    const std::int64_t rows = m - i < 8 ? m - i : 8;
    double zs[8] = {}, sign[8];
    for (std::int64_t k = 0; k < 8; ++k) {
      if (k < rows) zs[k] = z[i + k];
      sign[k] = (k < rows && y[i + k]) ? -1.0 : 1.0;
    }
    const Pointwise at = Logistic::at(load(zs), load(sign));
    for (std::int64_t k = 0; k < rows; ++k) {
      loss[i + k] = at.loss[k];
      residual[i + k] = at.residual[k];
      curvature[i + k] = at.curvature[k];
    }
  }
}

#include "updates.hpp"

#define CHAINRULE_TEXT(x) #x
#define CHAINRULE_NAME(x) CHAINRULE_TEXT(x)

}  // namespace

extern const Kernels kernels;
const Kernels kernels = {CHAINRULE_NAME(CHAINRULE_ISA), scratch_doubles, block, encode, pointwise, descend};

}  // namespace CHAINRULE_ISA
}  // namespace chainrule
