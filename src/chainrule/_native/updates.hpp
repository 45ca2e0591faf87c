// Mini-batch updates. Included by kernels.cpp alone, inside its instruction set's namespace.
#pragma once

constexpr std::int64_t kVisitsAhead = 8;  // rows that are fetched before their turn
constexpr std::int64_t kLinesAhead = 64;  // and so many cache lines of each

// Up to eight rows to visit, wherever they lie.
inline void fill_visited(const Job& job, const Source& source, const Scratch& scratch, const std::int64_t* places, std::int64_t rows,
                         Tile& tile) {
  double s[8];
  std::uint8_t y[8] = {};
  tile.rows = rows;
  tile.narrow = false;
  for (std::int64_t k = 0; k < 8; ++k) {
    s[k] = 0.0;
    tile.row[k] = scratch.zero_row;
    if (k >= rows) continue;
    const std::int64_t i = places[k];
    s[k] = job.s ? job.s[i] : 1.0;
    y[k] = job.y[i];
    double* const copy = scratch.copies + k * source.step;
    tile.row[k] = source.kind == Source::kRows ? reinterpret_cast<const double*>(job.data + i * job.row_stride) : copy;
    if (source.kind == Source::kRows) continue;
    if (job.is_float32)
      copy_row<float>(job, i, copy);
    else
      copy_row<double>(job, i, copy);
  }
  tile.s = load(s);
  tile.sign = signs_of(y);
}

inline void fetch_row(const Job& job, std::int64_t i) {
  const char* const row = job.data + i * job.row_stride;
  if (job.s) __builtin_prefetch(job.s + i);
  __builtin_prefetch(job.y + i);
  // Of rows as they lie a cache line at a time; else each element has its own.
  const std::ptrdiff_t size = job.is_float32 ? sizeof(float) : sizeof(double);
  const std::int64_t step = job.col_stride == size ? 64 / size : 1;
  for (std::int64_t j = 0; j < job.n && j < kLinesAhead * step; j += step) __builtin_prefetch(row + j * job.col_stride);
}

// The rate of update t: eta_0, eta_0/(1 + t/T) or eta_0/sqrt(1 + t/T).
inline double rate_at(const Descent& descent, std::int64_t t) {
  const double more = 1.0 + static_cast<double>(t) / descent.period;
  switch (descent.schedule) {
    case Schedule::kInverse:
      return descent.rate / more;
    case Schedule::kInverseRoot:
      return descent.rate / __builtin_sqrt(more);
    default:
      return descent.rate;
  }
}

// x.w of the first rows of a tile, one by one: fewer than eight rows need not pay for eight.
template <bool Shift>
inline Lanes dot_few(const Tile& tile, std::int64_t n, const Scratch& scratch) {
  Lanes z = {};
  for (std::int64_t k = 0; k < tile.rows; ++k) {
    Lanes a = {};
    for (std::int64_t c = 0; c < chunks_of(n); ++c) a += element<Shift>(tile.row[k], offset_of(c, n), scratch) * load(scratch.w + 8 * c);
    z[k] = sum(a);
  }
  return z;
}

template <bool Shift>
inline void add_few(const Tile& tile, std::int64_t n, Lanes r, const Scratch& scratch) {
  for (std::int64_t k = 0; k < tile.rows; ++k)
    for (std::int64_t c = 0; c < chunks_of(n); ++c) {
      double* const gradient = scratch.gradient + 8 * c;
      store(gradient, load(gradient) + splat(r[k]) * element<Shift>(tile.row[k], offset_of(c, n), scratch));
    }
}

// w <- w - eta [M/(B S) sum over the batch of s dL_dz x] - eta (k/B) alpha w, for a batch of k <= B rows: the step of a shorter batch
// is shortened with it. step: 1/ratio^2 of each column, from the view's units to the fit's and back.
inline void update(Descent& descent, std::int64_t n, const Scratch& scratch, double& b, double& bias) {
  const double eta = rate_at(descent, descent.updates);
  const double share = static_cast<double>(descent.filled) / static_cast<double>(descent.batch);
  const double pull = eta * descent.per_weight, decay = eta * share * descent.alpha;
  for (std::int64_t c = 0; c < chunks_of(n); ++c) {
    double* const w = scratch.w + 8 * c;
    double* const gradient = scratch.gradient + 8 * c;
    store(w, load(w) - splat(pull) * load(scratch.q + 8 * c) * load(gradient) - splat(decay) * load(w));
    store(gradient, Lanes{});
  }
  if (descent.fit_intercept) b -= pull * bias;
  bias = 0.0;
  descent.filled = 0;
  ++descent.updates;
}

template <bool Shift>
void run_updates(const Job& job, Descent& descent, double* memory) {
  const Source source(job);
  const Scratch scratch(job, source, memory);
  const std::int64_t n = job.n;
  to_chunks(descent.w, n, scratch.w);
  to_chunks(descent.gradient, n, scratch.gradient);
  to_chunks(descent.step, n, scratch.q);
  for (std::int64_t j = 0; j < 8 * chunks_of(n); ++j) {
    scratch.p[j] = (j < n && Shift) ? job.p[j] : 1.0;
    scratch.cp[j] = (j < n && Shift) ? job.cp[j] : 0.0;
  }
  double b = descent.b, bias = descent.bias;
  Tile tile;
  for (std::int64_t i = 0; i < descent.count;) {
    const std::int64_t left = descent.count - i, room = descent.batch - descent.filled;
    const std::int64_t rows = left < room ? (left < 8 ? left : 8) : (room < 8 ? room : 8);
    for (std::int64_t k = i + kVisitsAhead; k < i + kVisitsAhead + rows && k < descent.count; ++k) fetch_row(job, descent.places[k]);
    fill_visited(job, source, scratch, descent.places + i, rows, tile);
    const Lanes z = (rows == 8 ? dot<Shift>(tile, n, scratch.w, scratch, Ahead{}) : dot_few<Shift>(tile, n, scratch)) + splat(b);
    const Lanes r = tile.s * Logistic::at(z, tile.sign).residual;
    bias += sum(r);
    if (rows == 8)
      add_rows<Shift, false, double>(tile, n, r, scratch, Ahead{});
    else
      add_few<Shift>(tile, n, r, scratch);
    i += rows;
    descent.filled += rows;
    if (descent.filled == descent.batch || (descent.ends && i == descent.count)) update(descent, n, scratch, b, bias);
  }
  from_chunks(scratch.w, n, descent.w);
  from_chunks(scratch.gradient, n, descent.gradient);
  descent.b = b;
  descent.bias = bias;
}

void descend(const Job& job, Descent& descent, double* memory) {
  if (job.p)
    run_updates<true>(job, descent, memory);
  else
    run_updates<false>(job, descent, memory);
}
