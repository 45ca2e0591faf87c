// One fused read of a block of dense rows: z, loss, gradient, Hessian or its product, moments. Compiled once per instruction set.
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

#if defined(__AVX512F__)
constexpr int kRowsAtOnce = 8;  // dot products that share a load of w
#else
constexpr int kRowsAtOnce = 4;
#endif
constexpr std::ptrdiff_t kAheadBytes = 16384;
constexpr std::int64_t kColumnsForTwo = 128;

inline std::int64_t chunks_of(std::int64_t n) { return (n + 7) / 8; }
inline std::int64_t padded(std::int64_t n) { return n < 8 ? 8 : n; }
// The last chunk of eight columns overlaps the one before it, so that no load leaves a row.
inline std::int64_t offset_of(std::int64_t chunk, std::int64_t n) {
  const std::int64_t offset = 8 * chunk;
  return (n >= 8 && offset + 8 > n) ? n - 8 : offset;
}

// A vector over columns in chunks of eight, zero where the last chunk repeats a column.
void to_chunks(const double* x, std::int64_t n, double* chunks) {
  for (std::int64_t c = 0; c < chunks_of(n); ++c)
    for (std::int64_t k = 0; k < 8; ++k) {
      const std::int64_t j = offset_of(c, n) + k;
      chunks[8 * c + k] = (j < n && j >= 8 * c) ? x[j] : 0.0;
    }
}

// A block's scratch memory, carved from one allocation.
struct Scratch {
  double *zero_row, *tile, *w, *v, *p, *cp, *gradient, *squares, *q, *panel;

  Scratch(const Job& job, double* memory) {
    const std::int64_t chunked = 8 * chunks_of(job.n);
    zero_row = memory;
    tile = zero_row + chunked;
    w = tile + 16 * chunked;
    v = w + chunked;
    p = v + chunked;
    cp = p + chunked;
    gradient = cp + chunked;
    squares = gradient + chunked;
    q = squares + chunked;
    panel = q + chunked;
  }
};

std::int64_t scratch_doubles(const Job& job) {
  const std::int64_t panel = (job.what & kHessian) ? MatrixLayout(job).strips * kStripStep<double> : 0;  // in bytes the same in float
  return 24 * 8 * chunks_of(job.n) + panel;
}

template <bool Shift>
inline Lanes element(const double* row, std::int64_t offset, const Scratch& scratch) {
  const Lanes x = load(row + offset);
  return Shift ? x * load(scratch.p + offset) - load(scratch.cp + offset) : x;
}

// Eight rows as pointers to doubles: where they lie, or in the scratch tile. Rows past the end and rows of weight 0 become
// a row of zeros, so that what stands in them does no harm.
struct Tile {
  const double* row[8];
  Lanes sign;  // 1 - 2y
  Lanes s;
  std::int64_t rows;
};

template <typename T>
inline void gather(const Job& job, std::int64_t i, double* out) {
  const char* x = job.data + i * job.row_stride;
  if (job.col_stride == sizeof(T)) {
    const T* row = reinterpret_cast<const T*>(x);
    for (std::int64_t j = 0; j < job.n; ++j) out[j] = static_cast<double>(row[j]);
  } else {
    for (std::int64_t j = 0; j < job.n; ++j, x += job.col_stride) out[j] = static_cast<double>(*reinterpret_cast<const T*>(x));
  }
}

// Signs 1 - 2y of eight labels that lie one after the other.
inline Lanes signs_of(const std::uint8_t* y) {
  Bytes bytes;
  __builtin_memcpy(&bytes, y, 8);
  return splat(1.0) - splat(2.0) * __builtin_convertvector(bytes, Lanes);
}

inline void fill_tile(const Job& job, const Scratch& scratch, bool direct, std::int64_t first, std::int64_t end, double* gathered,
                      Tile& tile) {
  tile.rows = end - first < 8 ? end - first : 8;
  if (direct && !job.index && !job.s && tile.rows == 8) {
    const char* row = job.data + first * job.row_stride;
    for (int k = 0; k < 8; ++k, row += job.row_stride) tile.row[k] = reinterpret_cast<const double*>(row);
    tile.s = splat(1.0);
    tile.sign = job.y ? signs_of(job.y + first) : splat(1.0);
    return;
  }
  const std::int64_t width = 8 * chunks_of(job.n);
  double s[8];
  std::uint8_t y[8] = {};
  for (std::int64_t k = 0; k < 8; ++k) {
    const std::int64_t i = first + k;
    s[k] = k >= tile.rows ? 0.0 : job.s ? job.s[i] : 1.0;
    if (k < tile.rows && job.y) y[k] = job.y[i];
    if (k >= tile.rows || s[k] == 0.0) {
      tile.row[k] = scratch.zero_row;
      continue;
    }
    const std::int64_t at = job.index ? job.index[i] : i;
    if (direct) {
      tile.row[k] = reinterpret_cast<const double*>(job.data + at * job.row_stride);
      continue;
    }
    double* out = gathered + k * width;
    if (job.is_float32)
      gather<float>(job, at, out);
    else
      gather<double>(job, at, out);
    tile.row[k] = out;
  }
  tile.s = load(s);
  tile.sign = signs_of(y);
}

// x.w of the tile's eight rows.
template <bool Shift>
inline Lanes dot(const Tile& tile, std::int64_t n, const double* w, const Scratch& scratch) {
  const std::int64_t chunks = chunks_of(n);
  Lanes sums[8];
  for (int first = 0; first < 8; first += kRowsAtOnce) {
    Lanes a[kRowsAtOnce] = {};
    for (std::int64_t c = 0; c < chunks; ++c) {
      const std::int64_t offset = offset_of(c, n);
      const Lanes wc = load(w + 8 * c);
#pragma GCC unroll 8
      for (int k = 0; k < kRowsAtOnce; ++k) a[k] += element<Shift>(tile.row[first + k], offset, scratch) * wc;
    }
    for (int k = 0; k < kRowsAtOnce; ++k) sums[first + k] = a[k];
  }
  return sum_lanes(sums);
}

// gradient += sum over the tile of r x. The tile is in the cache, so the memory is free to fetch what comes, `ahead` bytes on.
template <bool Shift>
inline void add_rows(const Tile& tile, std::int64_t n, Lanes r, double* gradient, const Scratch& scratch, std::ptrdiff_t ahead) {
  const std::int64_t chunks = chunks_of(n);
  Lanes rk[8];
#pragma GCC unroll 8
  for (int k = 0; k < 8; ++k) rk[k] = splat(r[k]);
  for (std::int64_t c = 0; c < chunks; ++c) {
    const std::int64_t offset = offset_of(c, n);
    if (ahead) {
#pragma GCC unroll 8
      for (int k = 0; k < 8; ++k) __builtin_prefetch(reinterpret_cast<const char*>(tile.row[k] + offset) + ahead, 0, 2);
    }
    Lanes a = rk[0] * element<Shift>(tile.row[0], offset, scratch);
    Lanes b = rk[4] * element<Shift>(tile.row[4], offset, scratch);
#pragma GCC unroll 3
    for (int k = 1; k < 4; ++k) {
      a += rk[k] * element<Shift>(tile.row[k], offset, scratch);
      b += rk[k + 4] * element<Shift>(tile.row[k + 4], offset, scratch);
    }
    store(gradient + 8 * c, load(gradient + 8 * c) + (a + b));
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

// squares += sum over the tile of s x^2.
template <bool Shift>
inline void add_weighted_squares(const Tile& tile, std::int64_t n, double* squares, const Scratch& scratch) {
  for (std::int64_t c = 0; c < chunks_of(n); ++c) {
    Lanes a = {};
    for (int k = 0; k < 8; ++k) {
      const Lanes x = element<Shift>(tile.row[k], offset_of(c, n), scratch);
      a += splat(tile.s[k]) * x * x;
    }
    store(squares + 8 * c, load(squares + 8 * c) + a);
  }
}

// From chunks to a plain vector over columns.
inline void from_chunks(const double* chunks, std::int64_t n, double* x) {
  for (std::int64_t c = 0; c < chunks_of(n); ++c)
    for (std::int64_t k = 0; k < 8; ++k) {
      const std::int64_t j = offset_of(c, n) + k;
      if (j < n && j >= 8 * c) x[j] = chunks[8 * c + k];
    }
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

// sum s x and sum s x^2 of the view's columns: the diagonal and the last row of the matrix of moments.
template <bool Shift>
inline void add_squares(const Job& job, const Tile& tile, double* squares, double* sums, const Scratch& scratch) {
  for (int k = 0; k < 8; ++k) {
    if (tile.s[k] == 0.0) continue;
    for (std::int64_t j = 0; j < job.n; ++j) {
      const double x = Shift ? tile.row[k][j] * scratch.p[j] - scratch.cp[j] : tile.row[k][j];
      squares[j] += tile.s[k] * x * x;
      sums[j] += tile.s[k] * x;
    }
  }
}

template <bool Shift>
void run_block(const Job& job, std::int64_t first, std::int64_t end, double* sums, double* matrix, bool fresh, double* memory) {
  const Scratch scratch(job, memory);
  const Layout layout(job);
  const MatrixLayout matrix_layout(job);
  const std::int64_t n = job.n, chunked = 8 * chunks_of(n);
  const bool direct = !job.is_float32 && job.col_stride == sizeof(double) && n >= 8 && job.row_stride % 8 == 0;
  for (std::int64_t j = 0; j < 17 * chunked; ++j) scratch.zero_row[j] = 0.0;  // the row of zeros and the tile's padding
  for (std::int64_t j = 0; j < chunked; ++j) {
    const bool in = j < n;
    scratch.p[j] = (in && Shift) ? job.p[j] : 1.0;
    scratch.cp[j] = (in && Shift) ? job.cp[j] : 0.0;
    if (in && Shift) scratch.zero_row[j] = job.center[j];
    scratch.gradient[j] = scratch.squares[j] = 0.0;
  }
  if (job.w) to_chunks(job.w, n, scratch.w);
  if (job.what & kProduct) to_chunks(job.v, n, scratch.v);
  if (job.what & kNorms) to_chunks(job.q, n, scratch.q);
  for (std::int64_t j = 0; j < layout.size; ++j) sums[j] = 0.0;
  for (std::int64_t j = 0; fresh && j < matrix_layout.size; ++j) matrix[j] = 0.0;
  for (std::int64_t j = layout.extremes; j < layout.size; ++j) sums[j] = -__builtin_inf();

  Lanes loss = {}, correct = {}, weight = {}, bias = {};
  // Into the second cache, 16 kB ahead or a tile: measured, a quarter faster on 300 columns; the first cache is too small.
  const std::ptrdiff_t tile_bytes = 8 * job.row_stride;
  const std::ptrdiff_t ahead = direct && !job.index && tile_bytes > 0 ? tile_bytes * (1 + kAheadBytes / tile_bytes) : 0;
  // Two tiles at a time, where both stay in the first cache: one's loss is computed while the other's waits for its own.
  const std::int64_t together = n <= kColumnsForTwo ? 2 : 1;
  std::int64_t in_panel = 0;
  Tile tiles[2];
  Lanes z[2];
  Pointwise at[2];
  for (std::int64_t start = first; start < end; start += 8 * together) {
    const std::int64_t count = together == 2 && start + 8 < end ? 2 : 1;
    for (std::int64_t t = 0; t < count; ++t) fill_tile(job, scratch, direct, start + 8 * t, end, scratch.tile + 8 * chunked * t, tiles[t]);
    if (job.what & kLoss)
      for (std::int64_t t = 0; t < count; ++t) z[t] = dot<Shift>(tiles[t], n, scratch.w, scratch) + splat(job.b);
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
        if (job.y) {
          const auto right = (tile.sign < splat(0.0)) ? z[t] > splat(0.0) : z[t] <= splat(0.0);
          loss += tile.s * at[t].loss;
          correct += right ? tile.s : splat(0.0);
          curvature = tile.s * at[t].curvature;
          Lanes r = tile.s * at[t].residual;
          if (job.what & kProduct) r = curvature * (dot<Shift>(tile, n, scratch.v, scratch) + splat(job.v[n]));
          if (job.what & (kGradient | kProduct)) {
            bias += r;
            add_rows<Shift>(tile, n, r, scratch.gradient, scratch, ahead);
            if (job.what & kSquares) add_weighted_squares<Shift>(tile, n, scratch.squares, scratch);
          }
        }
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
      } else if (job.what & kMoments) {
        add_squares<Shift>(job, tile, sums + layout.squares, sums + layout.sums, scratch);
      }
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

#define CHAINRULE_TEXT(x) #x
#define CHAINRULE_NAME(x) CHAINRULE_TEXT(x)

}  // namespace

extern const Kernels kernels;
const Kernels kernels = {CHAINRULE_NAME(CHAINRULE_ISA), scratch_doubles, block, pointwise};

}  // namespace CHAINRULE_ISA
}  // namespace chainrule
