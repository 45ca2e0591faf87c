// Mini-batch updates of dense rows. Included by leaf.cpp alone, inside its instruction set's namespace.
#pragma once

constexpr std::int64_t kVisitsAhead = 8;  // rows that are prefetched
constexpr std::int64_t kLinesAhead = 64;  // most cache lines prefetched of each row

inline void fetch_row(const Job& job, std::int64_t i) {
  const Block& block = job.blocks[0];
  const char* const row = block.data + i * block.row_stride;
  if (job.s) __builtin_prefetch(job.s + i);
  __builtin_prefetch(job.y + i);
  // One prefetch for each cache line of a contiguous row, else one for each element.
  const std::ptrdiff_t size = block.is_float32 ? sizeof(float) : sizeof(double);
  const std::int64_t step = block.col_stride == size ? 64 / size : 1;
  for (std::int64_t j = 0; j < job.n && j < kLinesAhead * step; j += step) __builtin_prefetch(row + j * block.col_stride);
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

// w <- w - eta [M/(B S) sum over the batch of s dL_dz x] - eta (k/B) ridge_j w_j, for a batch of k <= B rows: a shorter batch makes a
// shorter step. step: 1/ratio^2 of each column, from the view's units to the fit's and back.
inline void update(Descent& descent, std::int64_t n) {
  const double eta = rate_at(descent, descent.updates);
  const double share = static_cast<double>(descent.filled) / static_cast<double>(descent.batch);
  const double pull = eta * descent.per_weight, decay = eta * share;
  for (std::int64_t j = 0; j < n; ++j) {
    double& w = descent.w[j];
    w = w - pull * descent.step[j] * descent.gradient[j] - decay * descent.ridge[j] * w;
    descent.gradient[j] = 0.0;
  }
  if (descent.fit_intercept) descent.b -= pull * descent.bias;
  descent.bias = 0.0;
  descent.filled = 0;
  ++descent.updates;
}

// Rows are added one after the other, so that it doesn't matter where a call ends.
void descend(const Job& job, Descent& descent, double* memory) {
  Carver carver{memory};
  Piece piece(job, carver);
  DenseRows dense(job, job.blocks[0], piece, carver);
  const std::int64_t n = job.n, chunked = (n + kWide) / kWide * kWide;
  double* const w = carver.take(chunked);
  for (std::int64_t i = 0; i < descent.count;) {
    const std::int64_t left = descent.count - i, room = descent.batch - descent.filled;
    const std::int64_t rows = left < room ? (left < 8 ? left : 8) : (room < 8 ? room : 8);
    const std::int64_t* const places = descent.places + i;
    for (std::int64_t k = i + kVisitsAhead; k < i + kVisitsAhead + rows && k < descent.count; ++k) fetch_row(job, descent.places[k]);
    dense.visit(places, rows);
    dense.to_chunks(descent.w, w);
    double z[8] = {}, s[8] = {}, label[8] = {}, r[8] = {};
    dense.dot_few(rows, w, descent.b, z);
    for (std::int64_t k = 0; k < rows; ++k) s[k] = job.s ? job.s[places[k]] : 1.0, label[k] = job.y[places[k]];
    Odds odds;
    odds.look_at(z, 8);
    for (std::int64_t k = 0; k < 8; k += kWide) store(r + k, load(s + k) * Logistic::at(load(z + k), odds, k, load(label + k)).residual);
    for (std::int64_t k = 0; k < rows; ++k) descent.bias += r[k];
    piece.rows = rows;
    piece.padded = 8;
    dense.add(piece, Terms{1, 0, 8, 0, 1, r, r, 1}, descent.gradient, true);
    i += rows;
    descent.filled += rows;
    if (descent.filled == descent.batch || (descent.ends && i == descent.count)) update(descent, n);
  }
}
