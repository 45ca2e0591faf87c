// One read of a leaf of mixed columns along a direction. Compiled once per instruction set.
//
// Runs of rows as in columns.cpp: u = x~.v column by column, what each row counts with, and four sums of each slot. A number's sums have
// eight lanes each. A level's lie beside each other and a row adds to all four at once, in eight lanes where levels are few. Nothing from
// the standard library's templates is used here.
#include "column_secant.hpp"

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

using Sums = ColumnSecantLayout;
typedef double Quad __attribute__((vector_size(32)));

#if defined(__AVX512F__) || defined(__FMA__)
constexpr int kNumbersTogether = 4;  // 16 of 32 registers add up
#else
constexpr int kNumbersTogether = 1;
#endif

// What a run's rows count with: s dL_dz(z), s (dL_dz(z + u) - dL_dz(z)) and s h; beside each other, the last twice, for levels.
struct Factors {
  double *r, *e, *h;
  Quad* of_row;  // or null, where there is no category
  double* norms;

  Factors(const ColumnJob& job, const Run& run, Carver& carver) : r(run.r), e(carver.take(run.most)), h(run.weight), of_row(nullptr) {
    norms = carver.take(run.most);
    for (std::int64_t t = 0; t < job.n_terms && !of_row; ++t)
      if (job.terms[t].form == Term::kCategory) of_row = reinterpret_cast<Quad*>(carver.take(Sums::of_slot * run.most));
  }
};

std::int64_t scratch_doubles(const ColumnSecantJob& job) {
  const ColumnJob& columns = job.columns;
  Carver carver{nullptr};
  const Run run(columns, carver, Sums::of_slot);
  const Factors factors(columns, run, carver);
  return carver.used;
}

inline void store_rows(Quad* to, Lanes r, Lanes e, Lanes h) {
  const Lanes even = __builtin_shufflevector(r, e, 0, 8, 2, 10, 4, 12, 6, 14),
              odd = __builtin_shufflevector(r, e, 1, 9, 3, 11, 5, 13, 7, 15);
  const Lanes even_h = __builtin_shufflevector(h, h, 0, 0, 2, 2, 4, 4, 6, 6), odd_h = __builtin_shufflevector(h, h, 1, 1, 3, 3, 5, 5, 7, 7);
  const Lanes rows04 = __builtin_shufflevector(even, even_h, 0, 1, 8, 9, 4, 5, 12, 13);
  const Lanes rows26 = __builtin_shufflevector(even, even_h, 2, 3, 10, 11, 6, 7, 14, 15);
  const Lanes rows15 = __builtin_shufflevector(odd, odd_h, 0, 1, 8, 9, 4, 5, 12, 13);
  const Lanes rows37 = __builtin_shufflevector(odd, odd_h, 2, 3, 10, 11, 6, 7, 14, 15);
  double* const out = reinterpret_cast<double*>(to);
  store(out, __builtin_shufflevector(rows04, rows15, 0, 1, 2, 3, 8, 9, 10, 11));
  store(out + 8, __builtin_shufflevector(rows26, rows37, 0, 1, 2, 3, 8, 9, 10, 11));
  store(out + 16, __builtin_shufflevector(rows04, rows15, 4, 5, 6, 7, 12, 13, 14, 15));
  store(out + 24, __builtin_shufflevector(rows26, rows37, 4, 5, 6, 7, 12, 13, 14, 15));
}

// Lanes of K numbers' four sums; the rows' norms take their squares.
template <int K, bool Shift, bool Masked, typename T>
inline void add_numbers(const void* const* columns, Seen seen_as, const Run& run, const Factors& factors, double* lanes, Ahead ahead) {
  constexpr auto size = static_cast<std::size_t>(K);
  Lanes gradient[size], change[size], curvature[size], diagonal[size];
  for (int k = 0; k < K; ++k) {
    const double* const of = lanes + 8 * Sums::of_slot * k;
    gradient[k] = load(of), change[k] = load(of + 8), curvature[k] = load(of + 16), diagonal[k] = load(of + 24);
  }
  for (std::int64_t i = 0; i < run.rows; i += 8) {
    const Lanes r = load(factors.r + i), e = load(factors.e + i), h = load(factors.h + i);
    Lanes norm = load(factors.norms + i);
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      const T* const column = static_cast<const T*>(columns[k]) + i;
      const Lanes x = seen<Shift, Masked>(load(column), Shift ? seen_as.p[k] : 1.0, Shift ? seen_as.cp[k] : 0.0, run.s + i), hx = h * x;
      if (k >= ahead.first) __builtin_prefetch(column + ahead.rows, 0, 2);
      gradient[k] += r * x;
      change[k] += e * x;
      curvature[k] += hx;
      diagonal[k] += hx * x;
      norm += x * x;
    }
    store(factors.norms + i, norm);
  }
  for (int k = 0; k < K; ++k) {
    double* const of = lanes + 8 * Sums::of_slot * k;
    store(of, gradient[k]), store(of + 8, change[k]), store(of + 16, curvature[k]), store(of + 24, diagonal[k]);
  }
}

inline void add_levels(const std::int32_t* codes, const Run& run, const Quad* of_row, Quad* table) {
  for (std::int64_t i = 0; i < run.rows; ++i) table[codes[i]] += of_row[i];
}

// One category after the other: its codes, and its lanes.
struct InLanes {
  const std::int32_t* codes;
  Quad* lanes;

  void add(std::int64_t i, std::int64_t k, Quad of_row) const { lanes[8 * static_cast<std::int64_t>(codes[i + k]) + k] += of_row; }
};

inline void add_levels_in_lanes(InLanes a, const Run& run, const Quad* of_row) {
  for (std::int64_t i = 0; i < run.rows; i += 8)
#pragma GCC unroll 8
    for (std::int64_t k = 0; k < 8; ++k) a.add(i, k, of_row[i + k]);
}
inline void add_levels_in_lanes(InLanes a, InLanes b, const Run& run, const Quad* of_row) {
  for (std::int64_t i = 0; i < run.rows; i += 8)
#pragma GCC unroll 8
    for (std::int64_t k = 0; k < 8; ++k) {
      const Quad x = of_row[i + k];
      a.add(i, k, x);
      b.add(i, k, x);
    }
}

// Norms of what rows have of categories.
inline void start_norms(const ColumnJob& job, const Run& run, double* norms) {
  double categories = 0.0;
  for (std::int64_t t = 0; t < job.n_terms; ++t) categories += job.terms[t].form == Term::kCategory ? 1.0 : 0.0;
  for (std::int64_t i = 0; i < run.rows; i += 8) store(norms + i, splat(categories));
  for (std::int64_t t = 0; t < job.n_terms; ++t) {
    if (job.terms[t].form != Term::kCategory || job.rows.q[job.terms[t].at] != 0.0) continue;
    const std::int32_t* const codes = run.codes(t);
    for (std::int64_t i = 0; i < run.rows; ++i) norms[i] -= codes[i] == 0 ? 1.0 : 0.0;
  }
}

// The four sums of each slot over the run, and the largest norm of its rows of positive weight, at least `least`.
template <bool Shift, bool Masked>
double add_terms(const ColumnJob& job, const Run& run, const Factors& factors, double* sums, double least) {
  double* lanes = run.lanes;
  InLanes before{};
  bool waits = false;  // a category for another, to be added in one pass
  start_norms(job, run, factors.norms);
  over_terms<kNumbersTogether>(
      job, run,
      [&](auto group, std::int64_t t) {
        using G = decltype(group);
        const std::int64_t at = job.terms[t].at;
        add_numbers<G::count, Shift, Masked, typename G::Element>(run.columns + t, {job.rows.p + at, job.rows.cp + at}, run, factors, lanes,
                                                                  Ahead::of(run.most, G::count, true, true, false));
        lanes += 8 * Sums::of_slot * G::count;
      },
      [&](std::int64_t t) {
        const Term& term = job.terms[t];
        if (!term.in_lanes()) return add_levels(run.codes(t), run, factors.of_row, reinterpret_cast<Quad*>(sums + Sums::of_slot * term.at));
        const InLanes own{run.codes(t), reinterpret_cast<Quad*>(lanes)};
        lanes += 8 * Sums::of_slot * term.levels;
        if (waits) add_levels_in_lanes(before, own, run, factors.of_row);
        waits = !waits;
        before = own;
      });
  if (waits) add_levels_in_lanes(before, run, factors.of_row);
  Lanes norms = splat(least);
  for (std::int64_t i = 0; i < run.rows; i += 8) {
    const Lanes norm = kept(load(factors.norms + i), run.s + i);
    norms = norm <= norms ? norms : norm;
  }
  for (int k = 0; k < 8; ++k) least = norms[k] <= least ? least : norms[k];
  return least;
}

// Sums of four vectors' lanes, in the tree of `sum`.
inline Quad sum_four(const double* a) {
  const Lanes r = load(a), e = load(a + 8), h = load(a + 16), d = load(a + 24);
  const Lanes re = __builtin_shufflevector(r, e, 0, 8, 2, 10, 4, 12, 6, 14) + __builtin_shufflevector(r, e, 1, 9, 3, 11, 5, 13, 7, 15);
  const Lanes hd = __builtin_shufflevector(h, d, 0, 8, 2, 10, 4, 12, 6, 14) + __builtin_shufflevector(h, d, 1, 9, 3, 11, 5, 13, 7, 15);
  const Lanes all = __builtin_shufflevector(re, hd, 0, 1, 8, 9, 4, 5, 12, 13) + __builtin_shufflevector(re, hd, 2, 3, 10, 11, 6, 7, 14, 15);
  return __builtin_shufflevector(all, all, 0, 1, 2, 3) + __builtin_shufflevector(all, all, 4, 5, 6, 7);
}

// Adds the lanes to the sums, and clears them. Both forms of a slot's lanes are added in the same tree.
void fold_lanes(const ColumnJob& job, const Run& run, double* sums) {
  double* from = run.lanes;
  for (std::int64_t t = 0; t < job.n_terms; ++t) {
    const Term& term = job.terms[t];
    if (!term.in_lanes()) continue;
    Quad* to = reinterpret_cast<Quad*>(sums + Sums::of_slot * term.at);
    for (std::int64_t k = 0; k < term.levels; ++k, ++to, from += 8 * Sums::of_slot) {
      const Quad* const a = reinterpret_cast<const Quad*>(from);
      *to += term.form == Term::kCategory ? ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7])) : sum_four(from);
#pragma GCC unroll 4
      for (std::int64_t j = 0; j < 8 * Sums::of_slot; j += 8) store(from + j, Lanes{});
    }
  }
}

// A block's scalar sums.
struct Scalars {
  Lanes loss = {}, correct = {}, weight = {}, r = {}, e = {}, h = {};
};

// Eight rows' z; zeros in the place of those of weight 0 and past the end.
inline Lanes z_of(const double* z, const Run& run, std::int64_t i) {
  if (i + 8 <= run.real) return run.masked ? kept(load(z + i), run.s + i) : load(z + i);
  double some[8] = {};
  for (std::int64_t k = 0; i + k < run.real; ++k) some[k] = z[i + k];
  return kept(load(some), run.s + i);
}

// Makes the factors of the run's rows from z and u.
void point(const ColumnSecantJob& job, const Run& run, std::int64_t first, const Factors& factors, Scalars& scalars) {
  for (std::int64_t i = 0; i < run.rows; i += 8) {
    const Lanes s = load(run.s + i), sign = load(run.sign + i), z = z_of(job.z + first, run, i), u = load(run.product + i);
    if (i + 8 <= run.real)
      store(job.u + first + i, u);
    else
      for (std::int64_t k = 0; i + k < run.real; ++k) job.u[first + i + k] = u[k];
    const Pointwise at = Logistic::at(z, sign), there = Logistic::at(z + u, sign);
    const Lanes r = s * at.residual, e = s * (there.residual - at.residual), h = s * at.curvature;
    const auto right = (sign < splat(0.0)) ? z > splat(0.0) : z <= splat(0.0);
    scalars.loss += s * at.loss;
    scalars.correct += right ? s : splat(0.0);
    scalars.weight += s;
    scalars.r += r;
    scalars.e += e;
    scalars.h += h;
    store(factors.r + i, r);
    store(factors.e + i, e);
    store(factors.h + i, h);
    if (factors.of_row) store_rows(factors.of_row + i, r, e, h);
  }
}

template <bool Shift, bool Masked>
void add_run(const ColumnSecantJob& job, const Run& run, std::int64_t first, const Factors& factors, double* sums, Scalars& scalars) {
  const Job& rows = job.columns.rows;
  const Sums layout(rows.n);
  dot<Shift, Masked, kNumbersTogether>(job.columns, run, rows.v, rows.v[rows.n], run.product, true);
  point(job, run, first, factors, scalars);
  sums[layout.norm] = add_terms<Shift, Masked>(job.columns, run, factors, sums + layout.slots, sums[layout.norm]);
}

bool leaf(const ColumnSecantJob& job, std::int64_t first, std::int64_t end, double* sums, double* scratch, BadCode& bad) {
  const ColumnJob& columns = job.columns;
  Carver carver{scratch};
  Run run(columns, carver, Sums::of_slot);
  const Factors factors(columns, run, carver);
  const Sums layout(columns.rows.n);
  for (std::int64_t j = 0; j < 8 * Sums::of_slot * run.laned; j += 8) store(run.lanes + j, Lanes{});
  static_assert(kLaneRows % kBlockRows == 0);
  for (std::int64_t block = first; block < end; block += kBlockRows) {
    const std::int64_t block_end = block + kBlockRows < end ? block + kBlockRows : end;
    Scalars scalars;
    for (std::int64_t start = block; start < block_end; start += run.real) {
      fill_weights(columns, run, start, block_end);
      if (!fetch_columns(columns, run, start, bad)) return false;
      const auto act = columns.rows.p ? (run.masked ? add_run<true, true> : add_run<true, false>)
                                      : (run.masked ? add_run<false, true> : add_run<false, false>);
      act(job, run, start, factors, sums, scalars);
    }
    if (block_end == end || (block_end - first) % kLaneRows == 0) fold_lanes(columns, run, sums + layout.slots);
    sums[layout.loss] += sum(scalars.loss);
    sums[layout.correct] += sum(scalars.correct);
    sums[layout.weight] += sum(scalars.weight);
    const double bias[] = {sum(scalars.r), sum(scalars.e), sum(scalars.h), sum(scalars.h)};
    for (std::int64_t k = 0; k < Sums::of_slot; ++k) sums[layout.bias + k] += bias[k];
  }
  return true;
}

}  // namespace

extern const ColumnSecantKernel column_secant;
const ColumnSecantKernel column_secant = {scratch_doubles, leaf};

}  // namespace CHAINRULE_ISA
}  // namespace chainrule
