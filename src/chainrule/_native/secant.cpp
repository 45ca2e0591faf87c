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

template <bool Shift>
void run_block(const SecantJob& job, std::int64_t first, std::int64_t end, double* sums, double* memory) {
  const Job& rows = job.rows;
  const Source source(rows);
  const Scratch scratch(rows, source, memory);
  const Outlook outlook(rows, source);
  const std::int64_t n = rows.n, chunks = chunks_of(n);
  double* const columns = memory + scratch_doubles(rows);
  for (std::int64_t j = 0; n < 8 && j < source.copied_rows * source.step; ++j) scratch.copies[j] = 0.0;  // the padding of short rows
  for (std::int64_t j = 0; j < 8 * chunks; ++j) {
    const bool in = j < n;
    scratch.p[j] = (in && Shift) ? rows.p[j] : 1.0;
    scratch.cp[j] = (in && Shift) ? rows.cp[j] : 0.0;
    scratch.zero_row[j] = (in && Shift) ? rows.center[j] : 0.0;
    scratch.gradient[j] = 1.0;
  }
  to_chunks(rows.v, n, scratch.v);
  to_chunks(scratch.gradient, n, scratch.q);  // ones: a column that a chunk repeats counts once
  for (std::int64_t j = 0; j < 8 * kColumnSums * chunks; ++j) columns[j] = 0.0;

  Lanes loss = {}, correct = {}, weight = {};
  Factors bias = {};
  double norm = 0.0;
  for (std::int64_t i = first; i < end; i += 8) {
    std::int64_t copied = 0;  // the row of the copies that is the tile's first
    if (source.kind == Source::kColumns) {
      copied = (i - first) % source.copied_rows;
      const std::int64_t count = end - i < source.copied_rows ? end - i : source.copied_rows;
      if (copied == 0 && rows.is_float32) copy_columns<float>(rows, i, count, source.step, scratch.copies);
      if (copied == 0 && !rows.is_float32) copy_columns<double>(rows, i, count, source.step, scratch.copies);
    }
    Tile tile;
    fill_tile(rows, source, scratch, i, end, scratch.copies + copied * source.step, tile);
    const Lanes z = z_of(job, tile, i);
    const Pointwise at = Logistic::at(z, tile.sign);
    const Ahead ahead = outlook.first(rows, i);
    const DotAndNorm seen = tile.narrow ? look_at<Shift, float>(tile, n, scratch, ahead) : look_at<Shift, double>(tile, n, scratch, ahead);
    const Lanes u = seen.dot + splat(rows.v[n]);
    const Pointwise there = Logistic::at(z + u, tile.sign);
    for (std::int64_t k = 0; k < tile.rows; ++k) {
      job.u[i + k] = u[k];
      if (tile.s[k] > 0.0 && !(seen.norm[k] <= norm)) norm = seen.norm[k];
    }
    const Factors factors{tile.s * at.residual, tile.s * (there.residual - at.residual), tile.s * at.curvature};
    const auto right = (tile.sign < splat(0.0)) ? z > splat(0.0) : z <= splat(0.0);
    loss += tile.s * at.loss;
    correct += right ? tile.s : splat(0.0);
    weight += tile.s;
    bias.r += factors.r;
    bias.e += factors.e;
    bias.h += factors.h;
    if (tile.narrow)
      add_tile<Shift, float>(tile, n, factors, columns, scratch, outlook.second(rows, i));
    else
      add_tile<Shift, double>(tile, n, factors, columns, scratch, outlook.second(rows, i));
  }

  const SecantLayout layout(n);
  sums[layout.loss] = sum(loss);
  sums[layout.correct] = sum(correct);
  sums[layout.weight] = sum(weight);
  sums[layout.norm] = norm;
  const std::int64_t at[kColumnSums] = {layout.gradient, layout.change, layout.curvature, layout.diagonal};
  const double biases[kColumnSums] = {sum(bias.r), sum(bias.e), sum(bias.h), sum(bias.h)};
  for (std::int64_t k = 0; k < kColumnSums; ++k) {
    for (std::int64_t c = 0; c < chunks; ++c) store(scratch.gradient + 8 * c, load(columns + 8 * (kColumnSums * c + k)));
    from_chunks(scratch.gradient, n, sums + at[k]);
    sums[at[k] + n] = biases[k];
  }
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
