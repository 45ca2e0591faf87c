// A run of rows of mixed columns, and dot products with its rows. Included inside an instruction set's namespace by what reads columns.
#pragma once
#include "decode.hpp"

#if defined(__AVX512F__)
constexpr int kTogether = 8;  // columns that share a load of z or of r
#elif defined(__AVX2__)
constexpr int kTogether = 4;
#else
constexpr int kTogether = 2;
#endif
constexpr std::int64_t kRunBytes = 128 * 1024, kLongRun = 256;
constexpr std::int64_t kShortRunBytes = 512 * 1024;
constexpr std::int64_t kLeastRun = 16;

// Whether a column's rows are used as they lie: floats, one after the other, none of which is to be filled in.
inline bool lies_ready(const ColumnJob& job, const Term& term) {
  const Part& part = term.parts[0];
  return term.form == Term::kNumber && !job.rows.index && term.n_parts == 1 && is_float(part.kind) && !part.valid &&
         part.stride == (part.kind == Kind::kFloat64 ? 8 : 4) && is_missing(term.fill);
}

// Rows of a run: a power of two, so many that the run's numbers stay near; short runs of many columns lose more by starting anew.
inline std::int64_t run_rows(const ColumnJob& job) {
  std::int64_t bytes = 64;
  for (std::int64_t t = 0; t < job.n_terms; ++t) bytes += job.terms[t].form == Term::kCategory ? 4 : 8;
  std::int64_t rows = kBlockRows;
  while (rows > kLeastRun && rows * bytes > (rows > kLongRun ? kRunBytes : kShortRunBytes)) rows /= 2;
  return rows;
}

// Memory that is carved from one allocation, which begins with a cache line; from none, to see how much it takes.
struct Carver {
  double* memory;
  std::int64_t used = 0;

  double* take(std::int64_t count) {
    double* const at = memory ? memory + used : nullptr;
    used += (count + 7) / 8 * 8;
    return at;
  }
};

// A run's rows and what they weigh.
struct Run {
  std::int64_t most;      // rows
  std::int64_t rows = 0;  // in whole vectors: those past the end have weight 0
  std::int64_t real = 0;
  bool masked = false;  // some have weight 0
  double *s, *weight, *sign, *z, *product, *r, *squares;
  std::int64_t laned = 0;        // slots in lanes
  double *lanes, *square_lanes;  // eight sums of each, and more where a read has more of a slot
  const void** columns;          // doubles of a number, or floats as they lie; int32 of a category
  bool* narrow;                  // which are floats
  double* decoded;
  double* panel;
  std::int64_t in_panel = 0;

  Run(const ColumnJob& job, Carver& carver, std::int64_t of_slot = 2) : most(run_rows(job)) {
    double** const vectors[] = {&s, &weight, &sign, &z, &product, &r, &squares};
    for (double** vector : vectors) *vector = carver.take(most);
    std::int64_t to_decode = 0;
    for (std::int64_t t = 0; t < job.n_terms; ++t) {
      if (job.terms[t].in_lanes()) laned += job.terms[t].levels;
      to_decode += room(job, job.terms[t]);
    }
    lanes = carver.take(8 * of_slot * laned);
    square_lanes = lanes + 8 * laned;
    columns = reinterpret_cast<const void**>(carver.take(job.n_terms));
    narrow = reinterpret_cast<bool*>(carver.take((job.n_terms + 7) / 8));
    decoded = carver.take(to_decode);
    panel = carver.take((job.rows.what & kHessian) ? MatrixLayout(job.rows).strips * kStripStep<double> : 0);  // in bytes as in float32
  }

  // Doubles for what is decoded: of a column that lies ready the last rows alone, which don't fill a vector.
  std::int64_t room(const ColumnJob& job, const Term& term) const {
    return lies_ready(job, term) ? 8 : term.form == Term::kCategory ? most / 2 : most;
  }

  // Rows i, ... of a number.
  Lanes number(std::int64_t t, std::int64_t i) const {
    return narrow[t] ? load(static_cast<const float*>(columns[t]) + i) : load(static_cast<const double*>(columns[t]) + i);
  }
  const std::int32_t* codes(std::int64_t t) const { return static_cast<const std::int32_t*>(columns[t]); }
};

inline Lanes kept(Lanes x, const double* s) {
  const auto is_kept = load(s) != splat(0.0);
  return is_kept ? x : splat(0.0);
}

// a b + c in one rounding wherever the processor can: left to the compiler, some of a template's variants had two (GCC 12).
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(_mm512_fmadd_pd(reinterpret_cast<__m512d>(a), reinterpret_cast<__m512d>(b), reinterpret_cast<__m512d>(c)));
#elif defined(__FMA__)
  typedef double Half __attribute__((vector_size(32)));
  const auto half = [](Half x, Half y, Half z) { return reinterpret_cast<Half>(_mm256_fmadd_pd(x, y, z)); };
  const Half low =
      half(__builtin_shufflevector(a, a, 0, 1, 2, 3), __builtin_shufflevector(b, b, 0, 1, 2, 3), __builtin_shufflevector(c, c, 0, 1, 2, 3));
  const Half high =
      half(__builtin_shufflevector(a, a, 4, 5, 6, 7), __builtin_shufflevector(b, b, 4, 5, 6, 7), __builtin_shufflevector(c, c, 4, 5, 6, 7));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
#else
  return a * b + c;
#endif
}

// Eight elements of a number as they are seen; 0 in a row of weight 0.
template <bool Shift, bool Masked>
inline Lanes seen(Lanes x, double p, double cp, const double* s) {
  if (Shift) x = x * splat(p) - splat(cp);
  return Masked ? kept(x, s) : x;
}

// How the numbers of some slots are seen.
struct Seen {
  const double *p, *cp;
};

// What comes next is fetched into the second cache, so that the memory always has something to do: of K columns the first by the dot
// product and the others by the sums, or all by the one where there are no others.
struct Ahead {
  std::int64_t rows;
  int first, end;

  static Ahead of(std::int64_t rows, int k, bool dots, bool sums, bool is_dot) {
    const int half = dots && sums ? (k + 1) / 2 : is_dot ? k : 0;
    return is_dot ? Ahead{rows, 0, half} : Ahead{rows, half, k};
  }
};

template <int K, bool Shift, bool Masked, typename T>
inline void add_dot(const void* const* columns, const double* w, Seen seen_as, const Run& run, double* z, Ahead ahead) {
  for (std::int64_t i = 0; i < run.rows; i += 8) {
    Lanes sum = load(z + i);
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      const T* const column = static_cast<const T*>(columns[k]) + i;
      if (k < ahead.end) __builtin_prefetch(column + ahead.rows, 0, 2);
      const Lanes x = seen<Shift, Masked>(load(column), Shift ? seen_as.p[k] : 1.0, Shift ? seen_as.cp[k] : 0.0, run.s + i);
      sum = multiply_add(splat(w[k]), x, sum);
    }
    store(z + i, sum);
  }
}

template <int K, typename T>
struct Group {
  static constexpr int count = K;
  using Element = T;
};

template <int Together, typename T, typename Act>
inline void over_numbers(std::int64_t t, std::int64_t end, const Act& act) {
  for (; t + Together <= end; t += Together) act(Group<Together, T>{}, t);
  for (; t < end; ++t) act(Group<1, T>{}, t);
}

// Calls act(a Group, its first term) over each stretch of numbers, in doubles or in floats, and category(t) between.
template <int Together = kTogether, typename Act, typename Category>
inline void over_terms(const ColumnJob& job, const Run& run, const Act& act, const Category& category) {
  for (std::int64_t t = 0; t < job.n_terms;) {
    if (job.terms[t].form == Term::kCategory) {
      category(t++);
      continue;
    }
    const std::int64_t first = t;
    while (t < job.n_terms && job.terms[t].form != Term::kCategory && run.narrow[t] == run.narrow[first]) ++t;
    if (run.narrow[first])
      over_numbers<Together, float>(first, t, act);
    else
      over_numbers<Together, double>(first, t, act);
  }
}

inline void gather_dot(const std::int32_t* codes, const double* w, const Run& run, double* z) {
#if defined(__AVX512F__)
  for (std::int64_t i = 0; i < run.rows; i += 8) {
    __m256i at;
    __builtin_memcpy(&at, codes + i, sizeof at);
    const __m512d found = _mm512_mask_i32gather_pd(_mm512_setzero_pd(), static_cast<__mmask8>(0xff), at, w, 8);
    Lanes value = reinterpret_cast<Lanes>(found);
    if (run.masked) value = kept(value, run.s + i);
    store(z + i, load(z + i) + value);
  }
#else
  for (std::int64_t i = 0; i < run.rows; ++i) z[i] += run.s[i] != 0.0 || !run.masked ? w[codes[i]] : 0.0;
#endif
}

// z = w.x~ of the run's rows, from b on, in the order of the slots.
template <bool Shift, bool Masked, int Together = kTogether>
void dot(const ColumnJob& job, const Run& run, const double* w, double b, double* z, bool sums) {
  for (std::int64_t i = 0; i < run.rows; i += 8) store(z + i, splat(b));
  over_terms<Together>(
      job, run,
      [&](auto group, std::int64_t t) {
        using G = decltype(group);
        const std::int64_t at = job.terms[t].at;
        add_dot<G::count, Shift, Masked, typename G::Element>(run.columns + t, w + at, {job.rows.p + at, job.rows.cp + at}, run, z,
                                                              Ahead::of(run.most, G::count, true, sums, true));
      },
      [&](std::int64_t t) { gather_dot(run.codes(t), w + job.terms[t].at, run, z); });
}

// Codes of the run's rows, in whole vectors, all of them levels; false where one is not, in a row of positive weight.
inline bool fetch_codes(const Term& term, const Rows& rows, const Run& run, std::int32_t* codes, BadCode& bad) {
  for (std::int64_t i = run.rows - 8; i < run.rows; ++i) codes[i] = 0;
  decode_codes(term, rows, codes);
  for (std::int64_t i = 0; run.masked && i < run.real; ++i) codes[i] = run.s[i] == 0.0 ? 0 : codes[i];
  std::int32_t wrong = 0;
  const auto levels = static_cast<std::uint32_t>(term.levels);
  for (std::int64_t i = 0; i < run.rows; ++i) wrong |= static_cast<std::uint32_t>(codes[i]) >= levels;
  if (!wrong) return true;
  std::int64_t i = 0;
  while (static_cast<std::uint32_t>(codes[i]) < levels) ++i;
  const Rows one{rows[i], 1, nullptr};
  if (bad.row >= 0 && bad.row <= one.first) return false;
  double code = 0.0;
  over_parts(term, one, [&](const Part& part, std::int64_t k, std::int64_t) { numbers_of(part, one, k, 1, &code); });
  bad = {one.first, term.column, static_cast<std::int64_t>(code), codes[i] == -1};
  return false;
}

// Points to the columns' rows, decoded where need be; false where a code is bad in a row of positive weight.
inline bool fetch_columns(const ColumnJob& job, Run& run, std::int64_t first, BadCode& bad) {
  const Rows rows{first, run.real, job.rows.index ? job.rows.index + first : nullptr};
  double* decoded = run.decoded;
  bool good = true;
  for (std::int64_t t = 0; t < job.n_terms; decoded += run.room(job, job.terms[t++])) {
    const Term& term = job.terms[t];
    run.columns[t] = decoded;
    run.narrow[t] = false;
    if (term.form == Term::kCategory) {
      good &= fetch_codes(term, rows, run, reinterpret_cast<std::int32_t*>(decoded), bad);
    } else if (lies_ready(job, term) && run.rows == run.real) {
      const Part& part = term.parts[0];
      run.narrow[t] = part.kind == Kind::kFloat32;
      run.columns[t] = part.values + first * part.stride;
    } else {
      for (std::int64_t i = run.rows - 8; i < run.rows; ++i) decoded[i] = 0.0;
      if (term.form == Term::kNumber)
        decode_numbers(term, rows, decoded);
      else
        decode_indicator(term, rows, decoded);
    }
  }
  return good;
}

// Takes the next rows up to `end`, their signs and weights. Rows that don't fill a vector are a run of their own.
inline void fill_weights(const ColumnJob& job, Run& run, std::int64_t first, std::int64_t end) {
  std::int64_t count = end - first < run.most ? end - first : run.most;
  if (count > 8) count -= count % 8;
  run.real = count;
  run.rows = (count + 7) / 8 * 8;
  const double* const s = job.rows.s ? job.rows.s + first : nullptr;
  const double* const h = job.h ? job.h + first : nullptr;
  const std::uint8_t* const y = job.rows.y ? job.rows.y + first : nullptr;
  Ints zero = {};
  for (std::int64_t i = 0; i < run.rows; i += 8) {
    Lanes weights = splat(1.0), curvature = splat(1.0), sign = splat(1.0);
    if (i + 8 <= count) {
      if (s) weights = load(s + i);
      if (h) curvature = load(h + i);
      if (y) sign = signs_of(y + i);
    } else {
      for (std::int64_t k = 0; k < 8; ++k) {
        const bool real = i + k < count;
        weights[k] = !real ? 0.0 : s ? s[i + k] : 1.0;
        curvature[k] = real && h ? h[i + k] : 1.0;
        sign[k] = real && y && y[i + k] ? -1.0 : 1.0;
      }
    }
    const auto none = weights == splat(0.0);
    zero |= reinterpret_cast<Ints>(none);
    store(run.s + i, weights);
    store(run.sign + i, sign);
    store(run.weight + i, none ? splat(0.0) : weights * curvature);  // what stands in h of such a row does no harm
  }
  run.masked = false;
  for (int k = 0; k < 8; ++k) run.masked |= zero[k] != 0;
}
