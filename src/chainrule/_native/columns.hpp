// Adjacent columns of numbers and of indicators of missing ones; and categories. Included inside an instruction set's
// namespace.
//
// Columns are decoded into the piece, or used in place. z is made column by column, with one rounding per product; sums run over the
// rows in eight lanes, which are folded after every `kBlockRows` rows. A category's level gives what its one-hot column would, to the bit;
// large categories, whose lanes would not fit in the cache, are added one row after the other.
#pragma once
#include "decode.hpp"
#include "piece.hpp"

constexpr int kColumnsTogether = kWide;            // columns that share a load of z or of a factor
constexpr int kFourTogether = kWide == 8 ? 4 : 1;  // the same, with four sums per column

// A number as a type.
template <int N>
struct Constant {
  constexpr int operator()() const { return N; }
};

inline Rows rows_of(const Piece& piece) { return {piece.first, piece.rows, piece.place}; }

class Numbers {
 public:
  Numbers(const Job& job, const Block* blocks, std::int64_t count, const Piece& piece, Carver& carver)
      : job_(job), blocks_(blocks), count_(count), most_(piece.most), terms_(job.terms()) {
    columns_ = carver.take_as<const void*>(count);
    narrow_ = carver.take_as<bool>(count);
    decoded_ = carver.take(count * most_);
    lanes_ = carver.take(8 * count * terms_);
    for (std::int64_t k = 0; lanes_ && k < 8 * count * terms_; ++k) lanes_[k] = 0.0;
  }

  std::int64_t at() const { return blocks_->at; }
  std::int64_t count() const { return count_; }

  bool look_at(const Piece& piece, BadCode&) {
    const bool whole = !piece.place && piece.rows % 8 == 0;
    const std::int64_t end = piece.first + piece.rows, moved = piece.first - first_;
    if (whole && moved > 0 && end <= ready_end_) {  // columns are as they were: blocks and parts need not be looked at
      for (std::int64_t k = 0; k < count_; ++k) columns_[k] = static_cast<const char*>(columns_[k]) + moved * (narrow_[k] ? 4 : 8);
      first_ = piece.first;
      return true;
    }
    first_ = piece.first;
    ready_end_ = whole ? job_.m : 0;
    for (std::int64_t k = 0; k < count_; ++k) {
      const Block& block = blocks_[k];
      narrow_[k] = false;
      const Part& part = part_of(block, piece.row(0));
      // Contiguous floats, none of which is to be filled in.
      const bool ready = block.form == Block::kNumber && whole && end <= part.end && is_float(part.kind) && !part.valid &&
                         part.stride == (part.kind == Kind::kFloat64 ? 8 : 4) && is_missing(block.fill) && lift(k) == 1.0;
      if (ready) {
        columns_[k] = part.values + (piece.first - part.first) * part.stride;
        narrow_[k] = part.kind == Kind::kFloat32;
        ready_end_ = part.end < ready_end_ ? part.end : ready_end_;
        continue;
      }
      columns_[k] = decode(piece, k, lift(k));
      ready_end_ = 0;
    }
    return true;
  }

  void dot(const Piece& piece, std::int64_t first, std::int64_t count, double* z) const {
    for (std::int64_t d = 0; d < count; ++d) {
      const double* const w = job_.w + (first + d) * job_.n + at();
      over_groups<kColumnsTogether>([&](auto group, std::int64_t k) {
        using G = decltype(group);
        dot_columns<G::count, typename G::Element>(piece, k, w + k, z + d * most_);
      });
    }
  }

  void add(const Piece& piece, const Terms& terms, double*) const {
    double* const lanes = lanes_ + 8 * count_ * terms.first;
    const auto together = [&](auto linear, auto square) {
      over_groups<kFourTogether>([&](auto group, std::int64_t k) {
        using G = decltype(group);
        add_columns<G::count, typename G::Element, linear(), square()>(piece, k, terms.plane, lanes + 8 * k);
      });
    };
    if (terms.count() == 4 && terms.linear == 3) return together(Constant<3>{}, Constant<1>{});
    if (terms.count() == 2 && terms.linear == 2) return together(Constant<2>{}, Constant<0>{});
    for (std::int64_t t = 0; t < terms.count(); ++t)
      over_groups<kColumnsTogether>([&](auto group, std::int64_t k) {
        using G = decltype(group);
        double* const to = lanes + 8 * (count_ * t + k);
        if (terms.is_square(t))
          add_columns<G::count, typename G::Element, 0, 1>(piece, k, terms.of(t), to);
        else
          add_columns<G::count, typename G::Element, 1, 0>(piece, k, terms.of(t), to);
      });
  }

  // Depth: rows in a lane, three additions of lanes, then the blocks.
  static std::int64_t depth(std::int64_t rows) { return (rows < kBlockRows ? rows + 7 : kBlockRows) / 8 + 3 + (rows - 1) / kBlockRows + 1; }

  // Adds the lanes to the sums, and clears them.
  void fold(double* sums) {
    for (std::int64_t t = 0; t < terms_; ++t)
      for (std::int64_t k = 0; k < count_; ++k) {
        double* const lanes = lanes_ + 8 * (count_ * t + k);
        sums[terms_ * k + t] += sum_eight(lanes);
        for (int lane = 0; lane < 8; ++lane) lanes[lane] = 0.0;
      }
  }

  void add_norms(const Piece& piece, double* norms) const {
    for (std::int64_t k = 0; k < count_; ++k)
      for (std::int64_t i = 0; i < piece.padded; i += kWide) {
        const V x = seen(k, i);
        store(norms + i, multiply_add(splat(job_.q[at() + k]) * x, x, load(norms + i)));
      }
  }

  void add_extremes(const Piece& piece, double* low, double* high) const {
    for (std::int64_t k = 0; k < count_; ++k) {
      if (lift(k) != 1.0) decode(piece, k, 1.0);
      narrow_[k] ? widen(static_cast<const float*>(columns_[k]), piece.rows, low[k], high[k])
                 : widen(static_cast<const double*>(columns_[k]), piece.rows, low[k], high[k]);
      if (lift(k) != 1.0) decode(piece, k, lift(k));
    }
  }
  void add_counts(const Piece&, double*) const {}

  // `kWide` rows of a column from row i on, as viewed.
  V seen(std::int64_t k, std::int64_t i) const {
    const V x = narrow_[k] ? load(static_cast<const float*>(columns_[k]) + i) : load(static_cast<const double*>(columns_[k]) + i);
    return job_.shift ? x - splat(job_.shift[at() + k]) : x;
  }

 private:
  double lift(std::int64_t k) const { return job_.lift ? job_.lift[at() + k] : 1.0; }

  // Widens -min and max by x, in eight lanes; NaN changes nothing.
  template <typename T>
  static void widen(const T* x, std::int64_t rows, double& low, double& high) {
    double lows[8], highs[8];
    for (int lane = 0; lane < 8; ++lane) lows[lane] = low, highs[lane] = high;
    const auto widen_lane = [&](int lane, double here) {
      lows[lane] = -here > lows[lane] ? -here : lows[lane];
      highs[lane] = here > highs[lane] ? here : highs[lane];
    };
    std::int64_t i = 0;
    for (; i + 8 <= rows; i += 8)
      for (int lane = 0; lane < 8; ++lane) widen_lane(lane, static_cast<double>(x[i + lane]));
    for (; i < rows; ++i) widen_lane(0, static_cast<double>(x[i]));
    for (int lane = 0; lane < 8; ++lane) {
      low = lows[lane] > low ? lows[lane] : low;
      high = highs[lane] > high ? highs[lane] : high;
    }
  }

  const double* decode(const Piece& piece, std::int64_t k, double times) const {
    double* const x = decoded_ + k * most_;
    if (blocks_[k].form == Block::kIndicator)
      decode_indicator(blocks_[k], rows_of(piece), x);
    else
      decode_numbers(blocks_[k], rows_of(piece), x);
    for (std::int64_t i = piece.rows; i < piece.padded; ++i) x[i] = 0.0;
    for (std::int64_t i = 0; times != 1.0 && i < piece.rows; ++i) x[i] *= times;
    return x;
  }

  template <int K, typename T>
  struct Group {
    static constexpr int count = K;
    using Element = T;
  };
  // Calls act(a Group, its first column) for each run of columns in doubles or in floats.
  template <int Together, typename Act>
  void over_groups(const Act& act) const {
    for (std::int64_t k = 0; k < count_;) {
      std::int64_t end = k + 1;
      while (end < count_ && end < k + Together && narrow_[end] == narrow_[k]) ++end;
      if (end - k < Together) end = k + 1;
      if (narrow_[k])
        end - k == Together ? act(Group<Together, float>{}, k) : act(Group<1, float>{}, k);
      else
        end - k == Together ? act(Group<Together, double>{}, k) : act(Group<1, double>{}, k);
      k = end;
    }
  }

  template <int K, typename T>
  void dot_columns(const Piece& piece, std::int64_t k, const double* w, double* z) const {
    V wk[K], shift[K];
    const T* x[K];
    for (int j = 0; j < K; ++j) {
      wk[j] = splat(w[j]);
      shift[j] = splat(job_.shift ? job_.shift[at() + k + j] : 0.0);
      x[j] = static_cast<const T*>(columns_[k + j]);
    }
    for (std::int64_t i = 0; i < piece.padded; i += kWide) {
      V total = load(z + i);
#pragma GCC unroll 8
      for (int j = 0; j < K; ++j) total = multiply_add(wk[j], load(x[j] + i) - shift[j], total);
      store(z + i, total);
    }
  }

  // Lanes of L sums of x and S of x^2, `8 count_` numbers apart.
  template <int K, typename T, int L, int S>
  void add_columns(const Piece& piece, std::int64_t k, const double* factor, double* lanes) const {
    constexpr int kTerms = L + S;
    V a[kTerms][K][kEight], shift[K];
    const T* x[K];
    for (int j = 0; j < K; ++j) {
      for (int t = 0; t < kTerms; ++t)
        for (int e = 0; e < kEight; ++e) a[t][j][e] = load(lanes + 8 * (t * count_ + j) + kWide * e);
      shift[j] = splat(job_.shift ? job_.shift[at() + k + j] : 0.0);
      x[j] = static_cast<const T*>(columns_[k + j]);
    }
    for (std::int64_t i = 0; i < piece.padded; i += 8)
#pragma GCC unroll 4
      for (int e = 0; e < kEight; ++e) {
        V f[kTerms];
        for (int t = 0; t < kTerms; ++t) f[t] = load(factor + t * most_ + i + kWide * e);
#pragma GCC unroll 8
        for (int j = 0; j < K; ++j) {
          const V seen = load(x[j] + i + kWide * e) - shift[j];
          if (e == 0) __builtin_prefetch(x[j] + i + most_, 0, 2);
#pragma GCC unroll 4
          for (int t = 0; t < kTerms; ++t) a[t][j][e] = multiply_add(t < L ? f[t] : f[t] * seen, seen, a[t][j][e]);
        }
      }
    for (int j = 0; j < K; ++j)
      for (int t = 0; t < kTerms; ++t)
        for (int e = 0; e < kEight; ++e) store(lanes + 8 * (t * count_ + j) + kWide * e, a[t][j][e]);
  }

  const Job& job_;
  const Block* blocks_;
  const std::int64_t count_, most_, terms_;
  const void** columns_;
  bool* narrow_;
  double *decoded_, *lanes_;
  std::int64_t first_ = 0, ready_end_ = 0;  // of the last piece; rows before the latter are read in place
};

// A piece's codes; false if a row has no level.
inline bool fetch_codes(const Block& block, const Piece& piece, std::int32_t* codes, BadCode& bad) {
  decode_codes(block, rows_of(piece), codes);
  const auto levels = static_cast<std::uint32_t>(block.slots);
  std::int32_t wrong = 0;
  for (std::int64_t i = 0; i < piece.rows; ++i) wrong |= static_cast<std::uint32_t>(codes[i]) >= levels;
  for (std::int64_t i = piece.rows; i < piece.padded; ++i) codes[i] = 0;
  if (!wrong) return true;
  std::int64_t i = 0;
  while (static_cast<std::uint32_t>(codes[i]) < levels) ++i;
  const Rows one{piece.row(i), 1, nullptr};
  if (bad.row >= 0 && bad.row <= one.first) return false;
  double code = 0.0;  // a double, since int32 could not hold a larger code
  over_parts(block, one, [&](const Part& part, std::int64_t k, std::int64_t) { numbers_of(part, one, k, 1, &code); });
  bad = {one.first, block.column, static_cast<std::int64_t>(code), codes[i] == -1};
  return false;
}

class Codes {
 public:
  Codes(const Job& job, const Block& block, const Piece& piece, Carver& carver) : job_(job), block_(block), most_(piece.most) {
    codes_ = carver.take_as<std::int32_t>(most_);
    lanes_ = block.in_lanes() ? carver.take(8 * block.slots * job.terms()) : nullptr;
    for (std::int64_t k = 0; lanes_ && k < 8 * block.slots * job.terms(); ++k) lanes_[k] = 0.0;
  }

  std::int64_t slots() const { return block_.slots; }

  bool look_at(const Piece& piece, BadCode& bad) { return fetch_codes(block_, piece, codes_, bad); }

  void dot(const Piece& piece, std::int64_t first, std::int64_t count, double* z) const {
    for (std::int64_t d = 0; d < count; ++d, z += most_) {
      const double* const w = job_.w + (first + d) * job_.n + block_.at;
      for (std::int64_t i = 0; i < piece.padded; ++i) z[i] += w[codes_[i]];
    }
  }

  void add(const Piece& piece, const Terms& terms, double* sums) const {
    if (terms.all == 1) return add_terms<1>(piece, terms, sums);
    if (terms.all == 2 && terms.points == 1) return add_terms<2>(piece, terms, sums);
    if (terms.all == 4 && terms.points == 1) return add_terms<4>(piece, terms, sums);
    add_terms<0>(piece, terms, sums);
  }

  // As for numbers, or one row after the other.
  static std::int64_t depth(const Block& block, std::int64_t rows) { return block.in_lanes() ? Numbers::depth(rows) : rows; }

  void fold(double* sums) {
    const std::int64_t terms = job_.terms();
    if (terms == 1) return fold_terms<1>(1, sums);
    if (terms == 2) return fold_terms<2>(2, sums);
    if (terms == 4) return fold_terms<4>(4, sums);
    fold_terms<0>(terms, sums);
  }

  void add_norms(const Piece& piece, double* norms) const {
    for (std::int64_t i = 0; i < piece.rows; ++i) norms[i] += job_.q[block_.at + codes_[i]];
  }
  void add_extremes(const Piece&, double*, double*) const {}  // known from the counts of levels
  void add_counts(const Piece& piece, double* counts) const {
    for (std::int64_t i = 0; i < piece.rows; ++i) counts[codes_[i]] += 1.0;
  }

 private:
  template <int Count>
  void fold_terms(std::int64_t given, double* sums) {
    const std::int64_t terms = Count ? Count : given;
    double* cell = lanes_;
    for (std::int64_t k = 0; lanes_ && k < block_.slots; ++k, cell += 8 * terms, sums += terms) {
      for (std::int64_t t = 0; t < terms; ++t)
        sums[t] += ((cell[t] + cell[terms + t]) + (cell[2 * terms + t] + cell[3 * terms + t])) +
                   ((cell[4 * terms + t] + cell[5 * terms + t]) + (cell[6 * terms + t] + cell[7 * terms + t]));
      for (std::int64_t t = 0; t < 8 * terms; ++t) cell[t] = 0.0;
    }
  }

  // `Count`: the number of all terms, if not 0.
  template <int Count>
  void add_terms(const Piece& piece, const Terms& terms, double* sums) const {
    const std::int64_t count = Count ? Count : terms.count(), all = Count ? Count : terms.all, first = Count ? 0 : terms.first;
    const double* const f = terms.by_row;
    if (!lanes_) {
      for (std::int64_t i = 0; i < piece.rows; ++i) {
        double* const to = sums + all * codes_[i] + first;
        for (std::int64_t t = 0; t < count; ++t) to[t] += f[count * i + t];
      }
      return;
    }
    for (std::int64_t i = 0; i < piece.padded; i += 8)
#pragma GCC unroll 8
      for (std::int64_t lane = 0; lane < 8; ++lane) {
        double* const to = lanes_ + all * (8 * static_cast<std::int64_t>(codes_[i + lane]) + lane) + first;
        for (std::int64_t t = 0; t < count; ++t) to[t] += f[count * (i + lane) + t];
      }
  }

  const Job& job_;
  const Block& block_;
  const std::int64_t most_;
  std::int32_t* codes_;
  double* lanes_;
};
