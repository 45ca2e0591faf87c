// One read of a block of dense rows along a direction. Compiled once per instruction set.
//
// Eight rows make a tile. The first pass over it makes u = x~.v and the rows' norms; the second, while it is in a cache, adds it to four
// sums of each column. Nothing from the standard library's templates is used here, as in kernels.cpp.
#include "secant.hpp"

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
constexpr int kRowsAtOnce = 8;  // two sums each, in registers
#else
constexpr int kRowsAtOnce = 2;
#endif
constexpr std::int64_t kColumnsForTwo = 128;
constexpr std::int64_t kColumnSums = 4;

// What each row of a tile counts with: s dL_dz(z), s (dL_dz(z + u) - dL_dz(z)) and s h.
struct Factors {
  Lanes r, e, h;
};

struct DotAndNorm {
  Lanes dot, norm;
};

template <bool Shift, typename T>
inline DotAndNorm look_at(const Tile& tile, std::int64_t n, const Scratch& scratch, Ahead ahead) {
  const T* const* row = rows_of<T>(tile);
  Lanes dots[8], norms[8];
  for (int first = 0; first < 8; first += kRowsAtOnce) {
    Lanes a[kRowsAtOnce] = {}, b[kRowsAtOnce] = {};
    for (std::int64_t c = 0; c < chunks_of(n); ++c) {
      const std::int64_t offset = offset_of(c, n);
      const Lanes v = load(scratch.v + 8 * c), q = load(scratch.q + 8 * c);
      if (first == 0) fetch(ahead);
      ahead.at += ahead.chunk;
#pragma GCC unroll 8
      for (int k = 0; k < kRowsAtOnce; ++k) {
        const Lanes x = element<Shift>(row[first + k], offset, scratch);
        a[k] += x * v;
        b[k] += q * x * x;
      }
    }
    for (int k = 0; k < kRowsAtOnce; ++k) dots[first + k] = a[k], norms[first + k] = b[k];
  }
  return {sum_lanes(dots), sum_lanes(norms)};
}

// columns: four chunks for each chunk of columns, one of each sum.
template <bool Shift, typename T>
inline void add_tile(const Tile& tile, std::int64_t n, const Factors& factors, double* columns, const Scratch& scratch, Ahead ahead) {
  const T* const* row = rows_of<T>(tile);
  double r[8], e[8], h[8];
  store(r, factors.r);
  store(e, factors.e);
  store(h, factors.h);
  for (std::int64_t c = 0; c < chunks_of(n); ++c, ahead.at += ahead.chunk, columns += 8 * kColumnSums) {
    const std::int64_t offset = offset_of(c, n);
    fetch(ahead);
    Lanes gradient = {}, change = {}, curvature = {}, diagonal = {};
#pragma GCC unroll 8
    for (int k = 0; k < 8; ++k) {
      const Lanes x = element<Shift>(row[k], offset, scratch), hx = splat(h[k]) * x;
      gradient += splat(r[k]) * x;
      change += splat(e[k]) * x;
      curvature += hx;
      diagonal += hx * x;
    }
    store(columns, load(columns) + gradient);
    store(columns + 8, load(columns + 8) + change);
    store(columns + 16, load(columns + 16) + curvature);
    store(columns + 24, load(columns + 24) + diagonal);
  }
}

// The z of a tile's rows; zeros in the place of those of weight 0 and past the end.
inline Lanes z_of(const SecantJob& job, const Tile& tile, std::int64_t i) {
  double z[8] = {};
  for (std::int64_t k = 0; k < tile.rows; ++k) z[k] = tile.s[k] > 0.0 ? job.z[i + k] : 0.0;
  return load(z);
}

// A block's sums but the columns'.
struct Totals {
  Lanes loss = {}, correct = {}, weight = {};
  Factors bias = {};
  double norm = 0.0;

  void add(const Tile& tile, const Lanes& z, const Pointwise& at, const Factors& factors, const Lanes& norms) {
    const auto right = (tile.sign < splat(0.0)) ? z > splat(0.0) : z <= splat(0.0);
    loss += tile.s * at.loss;
    correct += right ? tile.s : splat(0.0);
    weight += tile.s;
    bias.r += factors.r;
    bias.e += factors.e;
    bias.h += factors.h;
    for (std::int64_t k = 0; k < tile.rows; ++k)
      if (tile.s[k] > 0.0 && !(norms[k] <= norm)) norm = norms[k];
  }

  void put(std::int64_t n, const double* columns, const Scratch& scratch, double* sums) const {
    const SecantLayout layout(n);
    sums[layout.loss] = sum(loss);
    sums[layout.correct] = sum(correct);
    sums[layout.weight] = sum(weight);
    sums[layout.norm] = norm;
    const std::int64_t at[kColumnSums] = {layout.gradient, layout.change, layout.curvature, layout.diagonal};
    const double biases[kColumnSums] = {sum(bias.r), sum(bias.e), sum(bias.h), sum(bias.h)};
    for (std::int64_t k = 0; k < kColumnSums; ++k) {
      for (std::int64_t c = 0; c < chunks_of(n); ++c) store(scratch.gradient + 8 * c, load(columns + 8 * (kColumnSums * c + k)));
      from_chunks(scratch.gradient, n, sums + at[k]);
      sums[at[k] + n] = biases[k];
    }
  }
};

// The view, the direction and, for the norms, ones, in which a column that a chunk repeats counts once.
template <bool Shift>
void prepare(const Job& rows, const Source& source, const Scratch& scratch) {
  const std::int64_t n = rows.n;
  for (std::int64_t j = 0; n < 8 && j < kCopiedRows * source.step; ++j) scratch.copies[j] = 0.0;  // the padding of short rows
  for (std::int64_t j = 0; j < 8 * chunks_of(n); ++j) {
    const bool in = j < n;
    scratch.p[j] = (in && Shift) ? rows.p[j] : 1.0;
    scratch.cp[j] = (in && Shift) ? rows.cp[j] : 0.0;
    scratch.zero_row[j] = (in && Shift) ? rows.center[j] : 0.0;
    scratch.gradient[j] = 1.0;
  }
  to_chunks(rows.v, n, scratch.v);
  to_chunks(scratch.gradient, n, scratch.q);
}

template <bool Shift>
void run_block(const SecantJob& job, std::int64_t first, std::int64_t end, double* sums, double* memory) {
  const Job& rows = job.rows;
  const Source source(rows);
  const Scratch scratch(rows, source, memory);
  const Outlook outlook(rows, source);
  const std::int64_t n = rows.n, size = 8 * kColumnSums * chunks_of(n);
  prepare<Shift>(rows, source, scratch);
  double* const columns = memory + scratch_doubles(rows);
  for (std::int64_t j = 0; j < size; ++j) columns[j] = 0.0;

  // Two tiles at a time, where both stay in the first cache: one's losses are computed while the other's wait for their own.
  const std::int64_t together = n <= kColumnsForTwo ? 2 : 1;
  Tile tiles[2];
  Lanes z[2], u[2], norms[2];
  Pointwise at[2], there[2];
  Totals totals;
  for (std::int64_t start = first; start < end; start += 8 * together) {
    const std::int64_t count = together == 2 && start + 8 < end ? 2 : 1;
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t i = start + 8 * t;
      fill_tile(rows, source, scratch, i, end, scratch.copies + 8 * t * source.step, tiles[t]);
      z[t] = z_of(job, tiles[t], i);
      const Ahead ahead = outlook.first(rows, i);
      const DotAndNorm seen =
          tiles[t].narrow ? look_at<Shift, float>(tiles[t], n, scratch, ahead) : look_at<Shift, double>(tiles[t], n, scratch, ahead);
      u[t] = seen.dot + splat(rows.v[n]);
      norms[t] = seen.norm;
      for (std::int64_t k = 0; k < tiles[t].rows; ++k) job.u[i + k] = u[t][k];
    }
    for (std::int64_t t = 0; t < count; ++t) {
      at[t] = Logistic::at(z[t], tiles[t].sign);
      there[t] = Logistic::at(z[t] + u[t], tiles[t].sign);
    }
    for (std::int64_t t = 0; t < count; ++t) {
      const Tile& tile = tiles[t];
      const Factors factors{tile.s * at[t].residual, tile.s * (there[t].residual - at[t].residual), tile.s * at[t].curvature};
      totals.add(tile, z[t], at[t], factors, norms[t]);
      const Ahead ahead = outlook.second(rows, start + 8 * t);
      if (tile.narrow)
        add_tile<Shift, float>(tile, n, factors, columns, scratch, ahead);
      else
        add_tile<Shift, double>(tile, n, factors, columns, scratch, ahead);
    }
  }
  totals.put(n, columns, scratch, sums);
}

void block(const SecantJob& job, std::int64_t first, std::int64_t end, double* sums, double* memory) {
  if (job.rows.p)
    run_block<true>(job, first, end, sums, memory);
  else
    run_block<false>(job, first, end, sums, memory);
}

std::int64_t secant_scratch(const SecantJob& job) { return scratch_doubles(job.rows) + 8 * kColumnSums * chunks_of(job.rows.n); }

}  // namespace

extern const SecantKernel secant_kernel;
const SecantKernel secant_kernel = {secant_scratch, block};

}  // namespace CHAINRULE_ISA
}  // namespace chainrule
