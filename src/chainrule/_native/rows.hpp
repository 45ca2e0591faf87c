// A block of dense rows. Included inside an instruction set's namespace.
//
// Dot products run along the rows, eight rows at a time; sums run down the columns, eight vectors of columns at a time. The rows of a piece
// are added one after the other, and so are pieces. Rows are used in place; copied one by one if their elements aren't contiguous.
#pragma once
#include "piece.hpp"

constexpr int kSumsInRegisters = kWide == 8 ? 16 : 8;
// How far ahead rows are prefetched, or a piece if that is more: half of them during the dot products and half during the sums, so that
// memory is never idle.
constexpr std::ptrdiff_t kAheadBytes = 28672, kMostAhead = 524288;
constexpr std::int64_t kStretchBytes = 16384;  // of a piece's rows: all terms are added for one such stretch of columns before the next

class DenseRows {
 public:
  DenseRows(const Job& job, const Block& block, const Piece& piece, Carver& carver)
      : job_(job), block_(block), n_(block.slots), whole_(n_ / kWide), tail_(n_ % kWide != 0), most_(piece.most) {
    const std::ptrdiff_t size = block.is_float32 ? sizeof(float) : sizeof(double);
    lift_ = job.lift ? job.lift + block.at : nullptr;
    copies_ = n_ < kWide || block.col_stride != size || block.row_stride % size != 0 || lift_;
    narrow_ = block.is_float32 && !copies_;
    // An odd number of cache lines, so that rows don't share a cache set.
    step_ = 8 * (to_eight(n_) / 8 | 1);
    const std::int64_t chunked = (whole_ + tail_) * kWide;
    w_ = carver.take(job.dots() * chunked);
    shift_ = job.shift ? carver.take(chunked) : nullptr;
    folded_shift_ = job.has(kHessian32) ? carver.take(chunked) : nullptr;
    q_ = job.has(kNorms) ? carver.take(chunked) : nullptr;
    memory_ = copies_ ? carver.take(most_ * step_) : nullptr;
    row_ = carver.take_as<const void*>(most_);
    if (!carver.memory) return;
    for (std::int64_t d = 0; d < job.dots(); ++d) to_chunks(job.w + d * job.n + block.at, w_ + d * chunked);
    for (std::int64_t k = 0; shift_ && k < chunked; ++k) shift_[k] = k < n_ ? job.shift[block.at + k] : 0.0;
    for (std::int64_t k = 0; folded_shift_ && k < chunked; ++k)
      folded_shift_[k] = k < n_ && job.shift ? -job.shift[block.at + k] * job.fold[block.at + k] : 0.0;
    if (q_) to_chunks(job.q + block.at, q_);
    for (std::int64_t k = 0; copies_ && k < most_ * step_; ++k) memory_[k] = 0.0;  // the padding of short rows
    if (n_ < kWide && block.col_stride == size && block.row_stride > 0 && !block.is_float32 && !lift_ && !job.index)
      whole_until_ = block.data + (job.m - 1) * block.row_stride + n_ * size - static_cast<std::ptrdiff_t>(sizeof(V));
  }

  // Finds the piece's rows. The next rows are prefetched while these are added or, with an index, here.
  bool look_at(const Piece& piece, BadCode&) {
    const std::ptrdiff_t stride = block_.row_stride;
    ahead_ = 0;
    if (!piece.place) {
      const char* const from = block_.data + piece.first * stride;
      for (std::int64_t k = 0; k < piece.rows; ++k) row_[k] = from + k * stride;
      if (!copies_) {
        const std::ptrdiff_t all = most_ * (stride < 0 ? -stride : stride), far = all > kMostAhead ? kMostAhead : all;
        ahead_ = far > kAheadBytes ? far : kAheadBytes;
        if (stride < 0) ahead_ = -ahead_;
      }
    } else {
      for (std::int64_t k = 0; k < piece.rows; ++k) row_[k] = block_.data + piece.place[k] * stride;
      for (std::int64_t k = 0; job_.index && !copies_ && k < piece.rows; ++k) {
        const std::int64_t next = piece.at(k) + most_;
        const char* const at = block_.data + job_.index[next < job_.m ? next : job_.m - 1] * stride;
        for (std::int64_t byte = 0; byte < n_ * block_.col_stride; byte += 64) __builtin_prefetch(at + byte, 0, 2);
      }
    }
    finish(piece.rows);
    return true;
  }

  // The rows of a piece are added one after the other, then the pieces.
  static std::int64_t depth(std::int64_t rows, std::int64_t piece) { return (rows < piece ? rows : piece) + (rows - 1) / piece + 1; }

  void fold(double*) {}
  void add_counts(const Piece&, double*) const {}

  // z[d] += x.w[first + d] for `count` of the dot products.
  void dot(const Piece& piece, std::int64_t first, std::int64_t count, double* z) const {
    std::int64_t d = 0;
    for (; d + 2 <= count; d += 2) by_type([&](auto x, auto shift) { dot_rows<decltype(x), shift(), 2>(piece, first + d, z + d * most_); });
    for (; d < count; ++d) by_type([&](auto x, auto shift) { dot_rows<decltype(x), shift(), 1>(piece, first + d, z + d * most_); });
  }

  // The same for fewer than eight rows, one by one.
  void dot_few(std::int64_t rows, const double* w, double b, double* z) const {
    by_type([&](auto x, auto shift) {
      using T = decltype(x);
      for (std::int64_t k = 0; k < rows; ++k) {
        V a[1][1] = {};
        dot_tile<T, shift(), 1, 1>(reinterpret_cast<const T* const*>(row_) + k, w, a);
        z[k] = b + sum(a[0][0]);
      }
    });
  }

  // Adds to the sums of term t: its factor times x, or x^2, over the rows. Two terms, or the four of a secant, share a load of x, and all
  // terms share a stretch of columns while it is in the L1 cache. `carry`: as if all rows so far were one piece.
  void add(const Piece& piece, const Terms& terms, double* sums, bool carry = false) const {
    std::int64_t stretch = kStretchBytes / (8 * kWide * most_);
    stretch = stretch < 8 ? 8 : stretch / 8 * 8;
    for (std::int64_t c = 0; c == 0 || c < whole_; c += stretch) {
      const std::int64_t end = c + stretch < whole_ ? c + stretch : whole_;
      for (std::int64_t t = 0; t < terms.count();) {
        const bool square = terms.is_square(t), pair = !square && t + 1 < terms.count(), of_square = pair && terms.is_square(t + 1);
        const bool secant = terms.linear == 3 && terms.square == 1;
        const double* factor[4] = {};
        double* to[4] = {};
        for (std::int64_t k = 0; k < 4 && t + k < terms.count(); ++k)
          factor[k] = terms.of(t + k), to[k] = sums + n_ * (terms.first + t + k);
        by_type([&](auto x, auto shift) {
          using T = decltype(x);
          if (secant)
            add_rows<T, shift(), 3, 1>(piece, c, end, factor, to, carry);
          else if (square)
            add_rows<T, shift(), 0, 1>(piece, c, end, factor, to, carry);
          else if (of_square)
            add_rows<T, shift(), 1, 1>(piece, c, end, factor, to, carry);
          else if (pair)
            add_rows<T, shift(), 2, 0>(piece, c, end, factor, to, carry);
          else
            add_rows<T, shift(), 1, 0>(piece, c, end, factor, to, carry);
        });
        t += secant ? 4 : pair ? 2 : 1;
      }
    }
  }

  // norms += q.x^2
  void add_norms(const Piece& piece, double* norms) const {
    by_type([&](auto x, auto shift) {
      using T = decltype(x);
      for (std::int64_t k = 0; k < piece.rows; ++k) {
        const T* const row = static_cast<const T*>(row_[k]);
        V a = {};
        for (std::int64_t c = 0; c < whole_ + tail_; ++c) {
          const V seen = element<shift()>(row, c);
          a = multiply_add(load(q_ + c * kWide) * seen, seen, a);
        }
        norms[k] += sum(a);
      }
    });
  }

  // -min and max of each column, as given.
  void add_extremes(const Piece& piece, double* low, double* high) const {
    for (std::int64_t k = 0; k < piece.rows; ++k) {
      const char* const row = block_.data + piece.row(k) * block_.row_stride;
      for (std::int64_t j = 0; j < n_; ++j) {
        const double x = given(row + j * block_.col_stride);
        low[j] = -x > low[j] ? -x : low[j];
        high[j] = x > high[j] ? x : high[j];
      }
    }
  }

  std::int64_t slots() const { return n_; }

  // Elements of row k as viewed: kWide from column j on, or one.
  V seen_vector(std::int64_t k, std::int64_t j) const {
    const V x = narrow_ ? load(static_cast<const float*>(row_[k]) + j) : load(static_cast<const double*>(row_[k]) + j);
    return shift_ ? x - load(shift_ + j) : x;
  }
  double seen(std::int64_t k, std::int64_t j) const {
    const double x = narrow_ ? static_cast<double>(static_cast<const float*>(row_[k])[j]) : static_cast<const double*>(row_[k])[j];
    return shift_ ? x - shift_[j] : x;
  }

  // Rows i, ..., i + 7 of the panel, if it has all of these columns and no others: root of a row times x. fold: scales float32 to about 1.
  template <typename To>
  void pack(std::int64_t i, const double* root, const double* fold, const MatrixLayout& layout, std::int64_t step, To* panel) const {
    by_type([&](auto x, auto shift) {
      using T = decltype(x);
      const T* const* const row = reinterpret_cast<const T* const*>(row_) + i;
      if (fold)
        pack_rows(row, root, layout, step, panel, [fold, shift = folded_shift_](const T* at, std::int64_t j) {
          return multiply_add(load(at + j), load(fold + j), load(shift + j));
        });
      else
        pack_rows(row, root, layout, step, panel, [from = shift_](const T* at, std::int64_t j) {
          return decltype(shift)()() ? load(at + j) - load(from + j) : load(at + j);
        });
    });
  }

  // The same for fewer columns than a strip has lanes: they follow the bias in the short strip, the only one.
  void pack_few(std::int64_t i, const double* root, const MatrixLayout& layout, double* panel) const {
    const std::int64_t n = n_, bias = layout.lanes - layout.in_short;
    by_type([&](auto x, auto shift) {
      using T = decltype(x);
      const double* const from = shift_;
      for (int k = 0; k < 8; ++k, panel += layout.lanes) {
        const T* const row = static_cast<const T*>(row_[i + k]);
        const double times = root[k];
        if constexpr (kWide == 8) {  // rows are copies, padded with zeros; what is too much goes into the next row, which comes later
          const V x = load(reinterpret_cast<const double*>(row));
          store(panel, V{});
          panel[bias] = times;
          store(panel + bias + 1, splat(times) * (decltype(shift)()() ? x - load(from) : x));
          continue;
        }
        for (std::int64_t lane = 0; lane < bias; ++lane) panel[lane] = 0.0;
        panel[bias] = times;
        for (std::int64_t j = 0; j < n; ++j) {
          const double here = static_cast<double>(row[j]);
          panel[bias + 1 + j] = times * (decltype(shift)()() ? here - from[j] : here);
        }
      }
    });
  }

  // The rows after a piece.
  Ahead ahead(const Piece& piece, std::int64_t rows) const {
    const char* const at = block_.data + (piece.first + piece.rows) * block_.row_stride;
    return {at, ahead_ > 0 ? rows * block_.row_stride / 64 : 0};
  }

  // Vectors over columns in chunks: the last chunk ends with the row, and is 0 in columns that it repeats.
  void to_chunks(const double* x, double* chunks) const {
    for (std::int64_t c = 0; c < whole_ + tail_; ++c)
      for (std::int64_t k = 0; k < kWide; ++k) {
        const std::int64_t j = offset(c) + k;
        chunks[c * kWide + k] = j < n_ && j >= c * kWide ? x[j] : 0.0;
      }
  }

  // Rows given by number, for mini-batches.
  void visit(const std::int64_t* places, std::int64_t rows) {
    for (std::int64_t k = 0; k < rows; ++k) row_[k] = block_.data + places[k] * block_.row_stride;
    finish(rows);
  }

 private:
  // Copies rows whose elements aren't contiguous; rows after the last repeat the last, with factors of 0.
  void finish(std::int64_t rows) {
    for (std::int64_t k = 0; copies_ && k < rows; ++k) {
      double* const copy = memory_ + k * step_;
      const char* const at = static_cast<const char*>(row_[k]);
      if (at <= whole_until_)
        store(copy, lanes() < n_ ? load(reinterpret_cast<const double*>(at)) : V{});
      else
        block_.is_float32 ? copy_row<float>(at, copy) : copy_row<double>(at, copy);
      row_[k] = copy;
    }
    for (std::int64_t k = rows; rows && k < to_eight(rows); ++k) row_[k] = row_[rows - 1];
  }

  // 0, 1, ..., kWide - 1
  static I lanes() {
    I lane = {};
    for (int l = 0; l < kWide; ++l) lane[l] = l;
    return lane;
  }

  std::int64_t offset(std::int64_t c) const { return c < whole_ || n_ < kWide ? c * kWide : n_ - kWide; }

  double given(const char* at) const {
    return block_.is_float32 ? static_cast<double>(*reinterpret_cast<const float*>(at)) : *reinterpret_cast<const double*>(at);
  }

  template <typename T>
  void copy_row(const char* x, double* out) const {
    for (std::int64_t j = 0; j < n_; ++j, x += block_.col_stride)
      out[j] = static_cast<double>(*reinterpret_cast<const T*>(x)) * (lift_ ? lift_[j] : 1.0);
  }

  struct Shifted {
    constexpr bool operator()() const { return true; }
  };
  struct Plain {
    constexpr bool operator()() const { return false; }
  };
  template <typename Act>
  void by_type(const Act& act) const {
    if (narrow_)
      shift_ ? act(0.0F, Shifted{}) : act(0.0F, Plain{});
    else
      shift_ ? act(0.0, Shifted{}) : act(0.0, Plain{});
  }

  template <bool Shift, typename T>
  V element(const T* row, std::int64_t c) const {
    const V x = load(row + offset(c));
    return Shift ? x - load(shift_ + offset(c)) : x;
  }

  // seen(row, j): `kWide` of a row's elements from column j on.
  template <typename T, typename To, typename Seen>
  void pack_rows(const T* const* row, const double* root, const MatrixLayout& layout, std::int64_t step, To* panel, Seen seen) const {
    // Copied, since for all the compiler knows, a store to the panel might change them.
    const std::int64_t width = kLanes<To>, n = n_, strips = layout.strips, bias = width - layout.in_short;
    const I lane = lanes() - bias;  // of a vector, counted from the bias
    for (int k = 0; k < 8; ++k, panel += width) {
      const T* const x = row[k];
      const V times = splat(root[k]);
      // After the bias, in the short strip's last lanes, are the last columns.
      for (std::int64_t h = 0; h < width; h += kWide) {
        const V one = (lane + h == 0) ? times : V{};
        store(panel + h, (lane + h > 0) ? times * seen(x, n - width + h) : one);
      }
      for (std::int64_t strip = 1; strip < strips; ++strip)
        for (std::int64_t h = 0; h < width; h += kWide) store(panel + step * strip + h, times * seen(x, width * (strip - 1) + h));
    }
  }

  template <typename T, bool Shift, int D, int Rows>
  void dot_tile(const T* const* row, const double* w, V (&a)[D][Rows]) const {
    const std::int64_t chunks = whole_ + tail_;
    constexpr std::int64_t kLine = 64 / (kWide * static_cast<std::int64_t>(sizeof(T)));  // chunks of a cache line
    for (std::int64_t c = 0; c < chunks; ++c) {
      const std::int64_t at = offset(c);
      if (kLine < 2 || c % kLine == 0) {
#pragma GCC unroll 4
        for (int k = 0; k < Rows / 2; ++k) __builtin_prefetch(reinterpret_cast<const char*>(row[k] + at) + ahead_, 0, 2);
      }
      V wc[D];
      for (int d = 0; d < D; ++d) wc[d] = load(w + (d * chunks + c) * kWide);
      const V shift = Shift ? load(shift_ + at) : V{};
#pragma GCC unroll 8
      for (int k = 0; k < Rows; ++k) {
        V x = load(row[k] + at);
        if (Shift) x -= shift;
#pragma GCC unroll 2
        for (int d = 0; d < D; ++d) a[d][k] = multiply_add(x, wc[d], a[d][k]);
      }
    }
  }

  template <typename T, bool Shift, int D>
  void dot_rows(const Piece& piece, std::int64_t first, double* z) const {
    constexpr int kRows = D == 1 || kWide == 8 ? 8 : 4;
    const double* const w = w_ + first * (whole_ + tail_) * kWide;
    for (std::int64_t i = 0; i < piece.padded; i += kRows) {
      V a[D][kRows] = {};
      dot_tile<T, Shift, D, kRows>(reinterpret_cast<const T* const*>(row_) + i, w, a);
      for (int d = 0; d < D; ++d)
        for (int k = 0; k < kRows; k += kWide) {
          double* const to = z + d * most_ + i + k;
          store(to, load(to) + sum_lanes(a[d] + k));
        }
    }
  }

  // `C` whole chunks from column `at` on, and the last one if `Tail`.
  template <typename T, bool Shift, int L, int S, int C, bool Tail>
  void add_tile(const Piece& piece, std::int64_t at, const double* const* factor, double* const* to, bool carry) const {
    constexpr int kTerms = L + S, kChunks = C + Tail, kTogether = kTerms == 1 ? 4 : 2;
    const std::int64_t tail_at = offset(whole_), lines = (kChunks * kWide * static_cast<std::int64_t>(sizeof(T)) + 63) / 64;
    V a[kTerms][kChunks];
    for (int t = 0; t < kTerms; ++t)
      for (int c = 0; c < kChunks; ++c) a[t][c] = carry && c < C ? load(to[t] + at + c * kWide) : V{};
    if (carry && Tail)
      for (int t = 0; t < kTerms; ++t)
        for (std::int64_t j = whole_ * kWide; j < n_; ++j) a[t][C][j - tail_at] = to[t][j];
    const T* const* const row = reinterpret_cast<const T* const*>(row_);
    for (std::int64_t i = 0; i < piece.padded; i += kTogether) {
      if (i & 4) {
        for (int k = 0; k < kTogether; ++k)
          for (std::int64_t line = 0; line < lines; ++line)
            __builtin_prefetch(reinterpret_cast<const char*>(row[i + k] + at) + ahead_ + 64 * line, 0, 2);
      }
      V f[kTerms][kTogether];
#pragma GCC unroll 4
      for (int t = 0; t < kTerms; ++t)
#pragma GCC unroll 4
        for (int k = 0; k < kTogether; ++k) f[t][k] = splat(factor[t][i + k]);
#pragma GCC unroll 8
      for (int c = 0; c < kChunks; ++c) {
        const std::int64_t from = Tail && c == C ? tail_at : at + c * kWide;
        const V shift = Shift ? load(shift_ + from) : V{};
#pragma GCC unroll 4
        for (int k = 0; k < kTogether; ++k) {
          V x = load(row[i + k] + from);
          if (Shift) x -= shift;
#pragma GCC unroll 4
          for (int t = 0; t < kTerms; ++t) a[t][c] = multiply_add(t < L ? f[t][k] : f[t][k] * x, x, a[t][c]);
        }
      }
    }
    for (int t = 0; t < kTerms; ++t) {
      for (int c = 0; c < C; ++c) {
        double* const sum = to[t] + at + c * kWide;
        store(sum, carry ? a[t][c] : load(sum) + a[t][c]);
      }
      if (Tail)
        for (std::int64_t j = whole_ * kWide; j < n_; ++j) {
          const double sum = a[t][C][j - tail_at];
          to[t][j] = carry ? sum : to[t][j] + sum;
        }
    }
  }

  template <typename T, bool Shift, int L, int S>
  void add_rows(const Piece& piece, std::int64_t c, std::int64_t end, const double* const* factor, double* const* to, bool carry) const {
    constexpr int kMost = kSumsInRegisters / (L + S) < 8 ? kSumsInRegisters / (L + S) : 8;
    for (; c + kMost <= end; c += kMost) add_tile<T, Shift, L, S, kMost, false>(piece, c * kWide, factor, to, carry);
    if (end == whole_) add_rest<T, Shift, L, S, kMost - 1>(piece, end - c, c * kWide, factor, to, carry);
  }
  // Fewer chunks than a whole tile: makes their number a compile-time constant.
  template <typename T, bool Shift, int L, int S, int C>
  void add_rest(const Piece& piece, std::int64_t left, std::int64_t at, const double* const* factor, double* const* to, bool carry) const {
    if (left == C) {
      if (tail_) return add_tile<T, Shift, L, S, C, true>(piece, at, factor, to, carry);
      if constexpr (C > 0) return add_tile<T, Shift, L, S, C, false>(piece, at, factor, to, carry);
    }
    if constexpr (C > 0) add_rest<T, Shift, L, S, C - 1>(piece, left, at, factor, to, carry);
  }

  const Job& job_;
  const Block& block_;
  const std::int64_t n_, whole_, tail_, most_;
  bool copies_, narrow_;
  std::int64_t step_;
  const double* lift_;
  double *w_, *shift_, *folded_shift_, *q_, *memory_;
  const void** row_;
  const char* whole_until_ = nullptr;  // a short row that begins here or before is followed by enough of the data to load a vector
  std::ptrdiff_t ahead_ = 0;
};
