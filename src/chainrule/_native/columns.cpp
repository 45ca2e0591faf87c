// One fused read of rows of mixed columns. Compiled once per instruction set.
//
// Rows go in runs that stay in the second cache: each column is decoded (float64 that lies one after the other is used as it is), z is
// made column by column, the losses of the run, and the sums column by column while the columns are still near. A block's numbers are
// summed in eight lanes by row, and so are the levels of small categories; large ones are added up one row after the other over a leaf.
// Nothing from the standard library's templates is used here: a function compiled for one instruction set must not be shared.
#include "columns.hpp"

#if defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#endif

namespace chainrule {
namespace CHAINRULE_ISA {

#include "lanes.hpp"
#include "losses.hpp"
#include "panel.hpp"

namespace {

#include "run.hpp"

std::int64_t scratch_doubles(const ColumnJob& job) {
  Carver carver{nullptr};
  const Run run(job, carver);
  return carver.used;
}

// Lanes of K slots += sum of r x; and, with Squares, sum of q x^2.
template <int K, bool Shift, bool Masked, bool Squares, typename T>
inline void add_columns(const void* const* columns, Seen seen_as, const Run& run, double* lanes, double* square_lanes, Ahead ahead) {
  constexpr auto count = static_cast<std::size_t>(K);
  Lanes sum[count], square[count] = {};
  for (std::int64_t k = 0; k < K; ++k) {
    sum[k] = load(lanes + 8 * k);
    if (Squares) square[k] = load(square_lanes + 8 * k);
  }
  for (std::int64_t i = 0; i < run.rows; i += 8) {
    const Lanes r = load(run.r + i), q = Squares ? load(run.squares + i) : Lanes{};
#pragma GCC unroll 8
    for (std::int64_t k = 0; k < K; ++k) {
      const T* const column = static_cast<const T*>(columns[k]) + i;
      const Lanes x = seen<Shift, Masked>(load(column), Shift ? seen_as.p[k] : 1.0, Shift ? seen_as.cp[k] : 0.0, run.s + i);
      if (k >= ahead.first) __builtin_prefetch(column + ahead.rows, 0, 2);
      sum[k] = multiply_add(r, x, sum[k]);
      if (Squares) square[k] = multiply_add(q * x, x, square[k]);
    }
  }
  for (std::int64_t k = 0; k < K; ++k) {
    store(lanes + 8 * k, sum[k]);
    if (Squares) store(square_lanes + 8 * k, square[k]);
  }
}

// table[code] += r, one row after the other; or the eight lanes of each code.
inline void scatter(const std::int32_t* codes, std::int64_t rows, const double* r, double* table) {
  for (std::int64_t i = 0; i < rows; ++i) table[codes[i]] += r[i];
}
inline void scatter_lanes(const std::int32_t* codes, std::int64_t rows, const double* r, double* lanes) {
  for (std::int64_t i = 0; i < rows; i += 8)
#pragma GCC unroll 8
    for (std::int64_t k = 0; k < 8; ++k) lanes[8 * static_cast<std::int64_t>(codes[i + k]) + k] += r[i + k];
}

// The sums of r x~, into lanes or, of large categories, into `sums`; with Squares those of q x~^2 as well.
template <bool Shift, bool Masked, bool Squares>
void add_terms(const ColumnJob& job, const Run& run, double* sums, double* square_sums, bool dots) {
  double *lanes = run.lanes, *squares = run.square_lanes;
  over_terms(
      job, run,
      [&](auto group, std::int64_t t) {
        using G = decltype(group);
        const std::int64_t at = job.terms[t].at;
        add_columns<G::count, Shift, Masked, Squares, typename G::Element>(run.columns + t, {job.rows.p + at, job.rows.cp + at}, run, lanes,
                                                                           squares, Ahead::of(run.most, G::count, dots, true, false));
        lanes += 8 * G::count;
        squares += 8 * G::count;
      },
      [&](std::int64_t t) {
        const Term& term = job.terms[t];
        if (!term.in_lanes()) {
          scatter(run.codes(t), run.rows, run.r, sums + term.at);
          if (Squares) scatter(run.codes(t), run.rows, run.squares, square_sums + term.at);
          return;
        }
        scatter_lanes(run.codes(t), run.rows, run.r, lanes);
        if (Squares) scatter_lanes(run.codes(t), run.rows, run.squares, squares);
        lanes += 8 * term.levels;
        squares += 8 * term.levels;
      });
}

// Adds the lanes of a block to the sums, and clears them.
void fold_lanes(const ColumnJob& job, const Run& run, double* lanes, double* sums) {
  Lanes* from = reinterpret_cast<Lanes*>(lanes);
  for (std::int64_t t = 0; t < job.n_terms;) {
    std::int64_t slot = job.terms[t].at, end = slot;
    for (; t < job.n_terms && job.terms[t].in_lanes(); ++t) end += job.terms[t].levels;
    for (; slot + 8 <= end; slot += 8, from += 8) store(sums + slot, load(sums + slot) + sum_lanes(from));
    for (; slot < end; ++slot, ++from) sums[slot] += sum(*from);
    while (t < job.n_terms && !job.terms[t].in_lanes()) ++t;
  }
  for (std::int64_t j = 0; j < 8 * run.laned; j += 8) store(lanes + j, Lanes{});
}

// Largest sum_j q_j x~_j^2 of the run's rows of positive weight, at least `least`.
template <bool Shift, bool Masked>
double largest_norm(const ColumnJob& job, const Run& run, double least) {
  const double* const q = job.rows.q;
  double* const norms = run.r;
  for (std::int64_t i = 0; i < run.rows; i += 8) store(norms + i, splat(q[job.rows.n]));
  for (std::int64_t t = 0; t < job.n_terms; ++t) {
    const std::int64_t at = job.terms[t].at;
    if (job.terms[t].form == Term::kCategory) {
      gather_dot(run.codes(t), q + at, run, norms);
      continue;
    }
    for (std::int64_t i = 0; i < run.rows; i += 8) {
      const Lanes x = seen<Shift, Masked>(run.number(t, i), Shift ? job.rows.p[at] : 1.0, Shift ? job.rows.cp[at] : 0.0, run.s + i);
      store(norms + i, multiply_add(splat(q[at]) * x, x, load(norms + i)));
    }
  }
  for (std::int64_t i = 0; i < run.real; ++i)
    if (run.s[i] > 0.0 && !(norms[i] <= least)) least = norms[i];
  return least;
}

inline double largest(Lanes a) {
  const auto larger = [](Lanes x, Lanes y) { return x > y ? x : y; };
  a = larger(a, __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3));
  a = larger(a, __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5));
  a = larger(a, __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6));
  return a[0];
}

// Smallest and largest number of each column, as -min and max, as given.
void add_extremes(const ColumnJob& job, const Run& run, double* extremes) {
  for (std::int64_t t = 0; t < job.n_terms; ++t) {
    const Term& term = job.terms[t];
    if (term.form == Term::kCategory) continue;
    Lanes low = splat(extremes[term.at]), high = splat(extremes[job.rows.n + term.at]);
    for (std::int64_t i = 0; i < run.rows; i += 8) {
      const Lanes x = run.number(t, i);
      const auto is_kept = load(run.s + i) != splat(0.0);
      low = is_kept & (-x > low) ? -x : low;
      high = is_kept & (x > high) ? x : high;
    }
    extremes[term.at] = largest(low);
    extremes[job.rows.n + term.at] = largest(high);
  }
}

// Eight rows of the panel: sqrt(weight) x~, of numbers alone.
template <typename T, bool Shift, bool Masked>
void pack_rows(const ColumnJob& job, const MatrixLayout& layout, const Run& run, std::int64_t i, Lanes root) {
  constexpr std::int64_t lanes = kLanes<T>;
  T* const panel = reinterpret_cast<T*>(run.panel);
  for (std::int64_t strip = 0; strip < layout.strips; ++strip)
    for (std::int64_t h = 0; h < lanes; h += 8) {
      Lanes a[8] = {};
      for (std::int64_t k = 0; k < 8; ++k) {
        const std::int64_t j = layout.column(strip, h + k);
        if (j < 0) continue;
        a[k] = root;
        if (j < layout.n)
          a[k] *= seen<Shift, Masked>(run.number(j, i), Shift ? job.rows.p[j] : 1.0, Shift ? job.rows.cp[j] : 0.0, run.s + i);
      }
      transpose(a);
      T* const out = panel + kStripStep<T> * strip + lanes * run.in_panel + h;
      for (std::int64_t k = 0; k < 8; ++k) store(out + lanes * k, a[k]);
    }
}

template <typename T, bool Shift, bool Masked>
void add_matrix(const ColumnJob& job, const MatrixLayout& layout, Run& run, bool last, double* matrix) {
  for (std::int64_t i = 0; i < run.rows; i += 8) {
    Lanes root;
    for (int k = 0; k < 8; ++k) root[k] = __builtin_sqrt(run.weight[i + k]);
    pack_rows<T, Shift, Masked>(job, layout, run, i, root);
    run.in_panel += 8;
    if (run.in_panel < kPanelRows && !(last && i + 8 >= run.rows)) continue;
    add_panel(reinterpret_cast<const T*>(run.panel), run.in_panel, layout, matrix);
    run.in_panel = 0;
  }
}

// A block's scalar sums.
struct Scalars {
  Lanes loss = {}, correct = {}, weight = {}, bias = {};
};

// r and the weights of the squares and of the matrix, from z or from what is given.
void point(const ColumnJob& job, const Run& run, std::int64_t first, Scalars& scalars) {
  const Job& rows = job.rows;
  const bool loss = (rows.what & kLoss) && rows.y, product = rows.what & kProduct;
  for (std::int64_t i = 0; i < run.rows; i += 8) {
    const Lanes s = load(run.s + i), sign = load(run.sign + i);
    Lanes weight = load(run.weight + i), r = weight, q = weight;
    if (loss) {
      const Lanes z = load(run.z + i);
      const Pointwise at = Logistic::at(z, sign);
      const auto right = (sign < splat(0.0)) ? z > splat(0.0) : z <= splat(0.0);
      scalars.loss += s * at.loss;
      scalars.correct += right ? s : splat(0.0);
      if (job.curvature)
        for (std::int64_t k = 0; k < 8 && i + k < run.real; ++k) job.curvature[first + i + k] = at.curvature[k];
      weight = s * at.curvature;
      r = s * at.residual;
      q = s;
    }
    if (product) r = weight * load(run.product + i);
    if (job.by_class) {
      const auto one = sign < splat(0.0);
      r = one ? splat(0.0) : s;
      q = one ? s : splat(0.0);
    }
    scalars.weight += loss ? s : load(run.weight + i);
    scalars.bias += r;
    store(run.weight + i, weight);
    store(run.r + i, r);
    store(run.squares + i, q);
  }
}

template <bool Shift, bool Masked>
void add_run(const ColumnJob& job, Run& run, std::int64_t first, bool last, double* sums, double* matrix, Scalars& scalars) {
  const Job& rows = job.rows;
  const Layout layout(rows);
  const bool moments = (rows.what & kMoments) && !(rows.what & kHessian), squares = moments || (rows.what & kSquares);
  const bool adds = squares || ((rows.what & (kGradient | kProduct)) && (rows.y || !(rows.what & kLoss)));
  if (rows.what & kLoss) dot<Shift, Masked>(job, run, rows.w, rows.b, run.z, adds);
  if (rows.what & kProduct) dot<Shift, Masked>(job, run, rows.v, rows.v[rows.n], run.product, adds);
  for (std::int64_t i = 0; rows.z && i < run.real; ++i) rows.z[first + i] = run.z[i];
  for (std::int64_t i = 0; job.product && i < run.real; ++i) job.product[first + i] = run.product[i];
  point(job, run, first, scalars);
  double* const to = sums + (moments ? layout.sums : layout.gradient);
  if (squares)
    add_terms<Shift, Masked, true>(job, run, to, sums + layout.squares, rows.what & (kLoss | kProduct));
  else if (adds)
    add_terms<Shift, Masked, false>(job, run, to, nullptr, rows.what & (kLoss | kProduct));
  if (rows.what & kMoments) add_extremes(job, run, sums + layout.extremes);
  if (rows.what & kHessian32)
    add_matrix<float, Shift, Masked>(job, MatrixLayout(rows), run, last, matrix);
  else if (rows.what & kHessian)
    add_matrix<double, Shift, Masked>(job, MatrixLayout(rows), run, last, matrix);
  if (rows.what & kNorms) sums[layout.norm] = largest_norm<Shift, Masked>(job, run, sums[layout.norm]);
}

bool leaf(const ColumnJob& job, std::int64_t first, std::int64_t end, double* sums, double* matrix, double* scratch, BadCode& bad) {
  Carver carver{scratch};
  Run run(job, carver);
  const Job& rows = job.rows;
  const Layout layout(rows);
  const bool moments = (rows.what & kMoments) && !(rows.what & kHessian), squares = moments || (rows.what & kSquares);
  const bool adds = run.laned && (squares || (rows.what & (kGradient | kProduct)));
  for (std::int64_t j = 0; j < 16 * run.laned; j += 8) store(run.lanes + j, Lanes{});
  for (std::int64_t block = first; block < end; block += kBlockRows) {
    const std::int64_t block_end = block + kBlockRows < end ? block + kBlockRows : end;
    Scalars scalars;
    for (std::int64_t start = block; start < block_end; start += run.real) {
      fill_weights(job, run, start, block_end);
      if (!fetch_columns(job, run, start, bad)) return false;
      const bool last = start + run.real == block_end;
      const auto act =
          rows.p ? (run.masked ? add_run<true, true> : add_run<true, false>) : (run.masked ? add_run<false, true> : add_run<false, false>);
      act(job, run, start, last, sums, matrix, scalars);
    }
    if (adds) fold_lanes(job, run, run.lanes, sums + (moments ? layout.sums : layout.gradient));
    if (adds && squares) fold_lanes(job, run, run.square_lanes, sums + layout.squares);
    sums[layout.loss] += sum(scalars.loss);
    sums[layout.correct] += sum(scalars.correct);
    sums[layout.weight] += sum(scalars.weight);
    sums[layout.bias] += sum(scalars.bias);
  }
  return true;
}

#include "gram.hpp"

}  // namespace

extern const ColumnKernels column_kernels;
const ColumnKernels column_kernels = {scratch_doubles, leaf, gram_scratch, gram_leaf, gram_pair, gram_numbers};

}  // namespace CHAINRULE_ISA
}  // namespace chainrule
