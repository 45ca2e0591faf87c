// A block of sparse rows (CSR), read in place. Included inside an instruction set's namespace.
//
// A row's dot product is added in four sums; its elements are added one after the other to their columns' sums. Columns far from 0 are
// centred by a view: an element not stored there is -shift, and these are searched for if a row stores fewer of these columns than exist.
#pragma once
#include "piece.hpp"

constexpr std::int64_t kElementsAhead = 256;  // prefetched: rows may be anywhere

class Sparse {
 public:
  Sparse(const Job& job, const Block& block, const Piece& piece, Carver& carver) : job_(job), block_(block), most_(piece.most) {
    lift_ = job.lift ? job.lift + block.at : nullptr;
    shift_ = job.shift ? job.shift + block.at : nullptr;
    for (std::int64_t j = 0; shift_ && j < block.slots; ++j) far_ += shift_[j] != 0.0;
    far_columns_ = carver.take_as<std::int64_t>(far_);
    w_ = job.dots() > 1 ? carver.take(job.dots() * block.slots) : nullptr;
    if (!carver.memory) return;
    for (std::int64_t j = 0, at = 0; j < block.slots && far_; ++j)
      if (shift_[j] != 0.0) far_columns_[at++] = j;
    for (std::int64_t j = 0; w_ && j < block.slots; ++j)
      for (std::int64_t d = 0; d < job.dots(); ++d) w_[j * job.dots() + d] = job.w[d * job.n + block.at + j];
  }

  std::int64_t slots() const { return block_.slots; }
  bool look_at(const Piece&, BadCode&) { return true; }

  void dot(const Piece& piece, std::int64_t first, std::int64_t count, double* z) const {
    const std::int64_t step = w_ ? job_.dots() : 1;
    const double* const w = (w_ ? w_ : job_.w + block_.at) + first;
    std::int64_t d = 0;
    for (; d + 4 <= count; d += 4) dot_rows<4>(piece, w + d, step, z + d * most_);
    for (; d < count; ++d) dot_rows<1>(piece, w + d, step, z + d * most_);
  }

  void add(const Piece& piece, const Terms& terms, double* sums) const {
    const std::int64_t linear = terms.linear, square = terms.square, all = terms.all;
    double* const to = sums + terms.first;
    if (all == 1 && linear == 1) return add_terms<1, 0>(piece, terms, to);
    if (all == 2 && linear == 2) return add_terms<2, 0>(piece, terms, to);
    if (all == 3 && linear == 2) return add_terms<2, 1>(piece, terms, to);
    if (all == 4 && linear == 3) return add_terms<3, 1>(piece, terms, to);
    add_rows(piece, terms, [=, points = terms.points](const double* f, std::int64_t j, double x) {
      double* at = to + all * j;
      for (std::int64_t p = 0; p < points; ++p) {
        for (std::int64_t t = 0; t < linear; ++t, ++at, ++f) *at = multiply_add(*f, x, *at);
        for (std::int64_t t = 0; t < square; ++t, ++at, ++f) *at = multiply_add(*f * x, x, *at);
      }
    });
  }

  // One row after the other.
  static std::int64_t depth(std::int64_t rows) { return rows; }

  void fold(double*) {}

  void add_norms(const Piece& piece, double* norms) const {
    const double* const q = job_.q + block_.at;
    over_rows(piece, [&](std::int64_t i, const auto& row) {
      double norm = 0.0;
      over_elements(row, [&](std::int64_t j, double x) { norm = multiply_add(q[j] * x, x, norm); });
      norms[i] += norm;
    });
  }

  // Of the stored elements, as given; the Python interface adds the zeros that are not stored.
  void add_extremes(const Piece& piece, double* low, double* high) const {
    over_rows(piece, [&](std::int64_t, const auto& row) {
      for (std::int64_t k = 0; k < row.size; ++k) {
        const double x = static_cast<double>(row.x[k]);
        double &least = low[row.column[k]], &most = high[row.column[k]];
        least = -x > least ? -x : least;
        most = x > most ? x : most;
      }
    });
  }
  void add_counts(const Piece& piece, double* counts) const {
    over_rows(piece, [&](std::int64_t, const auto& row) {
      for (std::int64_t k = 0; k < row.size; ++k) counts[row.column[k]] += 1.0;
    });
  }

 private:
  template <typename T, typename Column>
  struct Row {
    const T* x;
    const Column* column;
    std::int64_t size;
  };

  std::int64_t start(std::int64_t row) const {
    return block_.wide_indptr ? static_cast<const std::int64_t*>(block_.indptr)[row] : static_cast<const std::int32_t*>(block_.indptr)[row];
  }

  template <typename T, typename Column, typename Act>
  void over_typed_rows(const Piece& piece, const Act& act) const {
    for (std::int64_t i = 0; i < piece.rows; ++i) {
      const std::int64_t at = piece.row(i), from = start(at);
      act(i, Row<T, Column>{reinterpret_cast<const T*>(block_.data) + from, static_cast<const Column*>(block_.indices) + from,
                            start(at + 1) - from});
    }
  }
  template <typename Act>
  void over_rows(const Piece& piece, const Act& act) const {
    if (block_.is_float32)
      block_.wide_indices ? over_typed_rows<float, std::int64_t>(piece, act) : over_typed_rows<float, std::int32_t>(piece, act);
    else
      block_.wide_indices ? over_typed_rows<double, std::int64_t>(piece, act) : over_typed_rows<double, std::int32_t>(piece, act);
  }

  // act(column, x as viewed) for a row's stored elements, and for those not stored in columns far from 0.
  template <typename T, typename Column, typename Act>
  void over_elements(const Row<T, Column>& row, const Act& act) const {
    std::int64_t far = 0;
    for (std::int64_t k = 0; k < row.size; ++k) {
      const std::int64_t j = row.column[k];
      double x = static_cast<double>(row.x[k]);
      if (lift_) x *= lift_[j];
      if (shift_) {
        far += shift_[j] != 0.0;
        x -= shift_[j];
      }
      act(j, x);
    }
    for (std::int64_t f = 0; far < far_ && f < far_; ++f) {
      bool stored = false;
      for (std::int64_t k = 0; k < row.size; ++k) stored |= row.column[k] == static_cast<Column>(far_columns_[f]);
      if (!stored) act(far_columns_[f], -shift_[far_columns_[f]]);
    }
  }

  template <int D>
  void dot_rows(const Piece& piece, const double* w, std::int64_t step, double* z) const {
    const bool plain = !lift_ && !shift_;
    over_rows(piece, [&](std::int64_t i, const auto& row) {
      double a[4][D] = {};
      if (plain) {
        std::int64_t k = 0;
        for (; k + 4 <= row.size; k += 4) {
          __builtin_prefetch(row.x + k + kElementsAhead);
          __builtin_prefetch(row.column + k + kElementsAhead);
#pragma GCC unroll 4
          for (int lane = 0; lane < 4; ++lane) {
            const double* const wk = w + step * static_cast<std::int64_t>(row.column[k + lane]);
#pragma GCC unroll 4
            for (int d = 0; d < D; ++d) a[lane][d] = multiply_add(static_cast<double>(row.x[k + lane]), wk[d], a[lane][d]);
          }
        }
        for (; k < row.size; ++k)
          for (int d = 0; d < D; ++d)
            a[0][d] = multiply_add(static_cast<double>(row.x[k]), w[step * static_cast<std::int64_t>(row.column[k]) + d], a[0][d]);
      } else {
        std::int64_t k = 0;
        over_elements(row, [&](std::int64_t j, double x) {
          double* const lane = a[k < row.size / 4 * 4 ? k % 4 : 0];
          for (int d = 0; d < D; ++d) lane[d] = multiply_add(x, w[step * j + d], lane[d]);
          ++k;
        });
      }
      for (int d = 0; d < D; ++d) z[d * most_ + i] += (a[0][d] + a[1][d]) + (a[2][d] + a[3][d]);
    });
  }

  // L sums of x and Q of x^2, of one point. All of a column are computed before one is stored, so that this is done together. Always
  // inlined: a call for each element takes a tenth to a fifth of a read.
  template <int L, int Q>
  void add_terms(const Piece& piece, const Terms& terms, double* to) const {
    add_rows(piece, terms, [to](const double* f, std::int64_t j, double x) __attribute__((always_inline)) {
      double* const at = to + (L + Q) * j;
      double sum[L + Q];
      for (int t = 0; t < L + Q; ++t) sum[t] = multiply_add(t < L ? f[t] : f[t] * x, x, at[t]);
      for (int t = 0; t < L + Q; ++t) at[t] = sum[t];
    });
  }

  // put(factors of row i, column, x) for all elements of the rows.
  template <typename Put>
  void add_rows(const Piece& piece, const Terms& terms, const Put& put) const {
    const std::int64_t count = terms.count();
    const bool plain = !lift_ && !shift_;
    over_rows(piece, [&](std::int64_t i, const auto& row) {
      const double* const f = terms.by_row + count * i;
      if (plain)
        for (std::int64_t k = 0; k < row.size; ++k) put(f, static_cast<std::int64_t>(row.column[k]), static_cast<double>(row.x[k]));
      else
        over_elements(row, [&](std::int64_t j, double x) { put(f, j, x); });
    });
  }

  const Job& job_;
  const Block& block_;
  const std::int64_t most_;
  const double *lift_, *shift_;
  std::int64_t far_ = 0;
  std::int64_t* far_columns_;
  double* w_;
};
