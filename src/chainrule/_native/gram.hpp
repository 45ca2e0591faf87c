// The parts of the matrix that involve categories. Included by leaf.cpp alone, inside its instruction set's namespace.
//
// Two categories make a table of weights, to which each row adds in one cell; a category against the bias and the numbers makes a table to
// which each row adds a vector. Small tables are summed in short leaves of rows that are added in a tree. In a large table, a cell may have
// any number of rows; each addition's rounding error is kept (Kahan's sum), so that a cell is right to two roundings for any number.
#pragma once

constexpr std::int64_t kCellsInLanes = 128;
constexpr std::int64_t kRowsAhead = 24;

inline void add_kept(double& cell, double& lost, double value) {
  const double term = value - lost, sum = cell + term;
  lost = (sum - cell) - term;
  cell = sum;
}

// A pass over rows: their weights, some numbers and some categories.
class Tables {
 public:
  Tables(const GramJob& job, Carver& carver) : job_(job), piece_(job.rows, carver) {
    numbers_ = job.rows.n_blocks ? carver.take((static_cast<std::int64_t>(sizeof(Numbers)) + 7) / 8) : nullptr;
    if (job.rows.n_blocks) {
      const Numbers made(job.rows, job.rows.blocks, job.rows.n_blocks, piece_, carver);
      if (carver.memory) new (numbers_, Here{}) Numbers(made);
    }
    weight_ = carver.take(piece_.most);
    tile_ = carver.take(piece_.most * width());
    lanes_ = carver.take(8 * kCellsInLanes);
    cells_ = carver.take_as<std::int32_t>(piece_.most);
    codes_ = carver.take_as<std::int32_t>(piece_.most * job.n_categories);
  }

  // Small tables, one after the other.
  bool leaf(std::int64_t first, std::int64_t end, double* tables, BadCode& bad) {
    for (std::int64_t start = first; start < end; start += piece_.most) {
      if (!look_at(start, end, -1, -1, bad)) return false;
      if (!piece_.rows) continue;
      double* table = tables;
      for (std::int64_t k = 0; k < job_.n_in_leaf; ++k) {
        const std::int64_t levels = job_.categories[job_.in_leaf[k]].count + 1;
        const std::int32_t* const of = codes(job_.in_leaf[k]);
        if (width() == 1) add_cells(of, levels, table);
        for (std::int64_t i = 0; i < piece_.padded && width() > 1; ++i) {
          double* const to = table + of[i] * width();
          for (std::int64_t v = 0; v < width(); v += kWide) store(to + v, load(to + v) + load(tile_ + i * width() + v));
        }
        table += levels * width();
      }
      for (std::int64_t k = 0; k < job_.n_pairs; ++k) {
        const GramCategory &a = job_.categories[job_.pairs[k].a], &b = job_.categories[job_.pairs[k].b];
        const std::int32_t *of_a = codes(job_.pairs[k].a), *of_b = codes(job_.pairs[k].b);
        const auto step = static_cast<std::int32_t>(b.count + 1);
        for (std::int64_t i = 0; i < piece_.padded; ++i) cells_[i] = of_a[i] * step + of_b[i];
        add_cells(cells_, GramJob::pair_cells(a, b), table);
        table += GramJob::pair_cells(a, b);
      }
    }
    return true;
  }

  // One large pair.
  bool pair(GramPair pair, std::int64_t first, std::int64_t end, const GramCells& cells, BadCode& bad) {
    const GramCategory &a = job_.categories[pair.a], &b = job_.categories[pair.b];
    for (std::int64_t start = first; start < end; start += piece_.most) {
      if (!look_at(start, end, pair.a, pair.b, bad)) return false;
      const std::int32_t *of_a = codes(pair.a), *of_b = codes(pair.b);
      for (std::int64_t i = 0; i < piece_.rows; ++i) {
        const std::int64_t on = i + kRowsAhead < piece_.rows ? i + kRowsAhead : i;
        __builtin_prefetch(cells.sums + of_a[on] * cells.step + of_b[on], 1);
        __builtin_prefetch(cells.lost + of_a[on] * cells.lost_a + of_b[on] * cells.lost_b, 1);
        if (of_a[i] == a.count || of_b[i] == b.count) continue;
        add_kept(cells.sums[of_a[i] * cells.step + of_b[i]], cells.lost[of_a[i] * cells.lost_a + of_b[i] * cells.lost_b], weight_[i]);
      }
    }
    return true;
  }

  // One large category against the bias and the numbers: a table, and behind it its cells' rounding errors.
  bool numbers(std::int64_t category, std::int64_t first, std::int64_t end, double* table, BadCode& bad) {
    const std::int64_t size = (job_.categories[category].count + 1) * width();
    for (std::int64_t start = first; start < end; start += piece_.most) {
      if (!look_at(start, end, category, category, bad)) return false;
      const std::int32_t* const of = codes(category);
      const double* const tile = width() > 1 ? tile_ : weight_;
      for (std::int64_t i = 0; i < piece_.rows; ++i)
        for (std::int64_t v = 0; v < width(); ++v)
          add_kept(table[of[i] * width() + v], table[size + of[i] * width() + v], tile[i * width() + v]);
    }
    return true;
  }

 private:
  std::int64_t width() const { return GramJob::row_of(job_.rows.n_blocks); }
  std::int32_t* codes(std::int64_t category) const { return codes_ + piece_.most * category; }
  Numbers& number() const { return *static_cast<Numbers*>(numbers_); }

  // The next piece: its weights, numbers, and the matrix's levels for two categories, or for all.
  bool look_at(std::int64_t first, std::int64_t end, std::int64_t a, std::int64_t b, BadCode& bad) {
    const Job& rows = job_.rows;
    piece_.look_at(rows, first, first + piece_.most < end ? first + piece_.most : end);
    if (!piece_.rows) return true;
    bool good = true;
    for (std::int64_t c = 0; c < job_.n_categories; ++c) {
      if (a >= 0 && c != a && c != b) continue;
      const GramCategory& category = job_.categories[c];
      good &= fetch_codes(*category.block, piece_, codes(c), bad);
      for (std::int64_t i = 0; good && i < piece_.padded; ++i) codes(c)[i] = category.local[codes(c)[i]];
    }
    if (!good) return false;
    if (rows.h) piece_.take(rows.h, weight_);
    for (std::int64_t i = 0; i < piece_.padded; i += kWide)
      store(weight_ + i, rows.h ? load(weight_ + i) * load(piece_.s + i) : load(piece_.s + i));
    if (width() > 1 && a == b) {
      number().look_at(piece_, bad);
      make_tile();
    }
    return true;
  }

  // The tile's rows: weight times the bias and the viewed numbers.
  void make_tile() {
    const std::int64_t count = job_.rows.n_blocks;
    for (std::int64_t i = 0; i < piece_.padded; i += kWide) {
      const V weight = load(weight_ + i);
      for (std::int64_t v = 0; v < width(); v += kWide) {
        V a[kWide] = {};
        for (std::int64_t k = 0; k < kWide; ++k) {
          const std::int64_t j = v + k - 1;
          if (j < count) a[k] = j < 0 ? weight : weight * (number().seen(j, i) * splat(job_.rows.fold ? job_.rows.fold[j] : 1.0));
        }
        transpose(a);
        for (std::int64_t k = 0; k < kWide; ++k) store(tile_ + (i + k) * width() + v, a[k]);
      }
    }
  }

  // table[cell] += weight, for a table of `cells` cells.
  void add_cells(const std::int32_t* at, std::int64_t cells, double* table) {
    if (cells > kCellsInLanes) {
      for (std::int64_t i = 0; i < piece_.padded; ++i) table[at[i]] += weight_[i];
      return;
    }
    for (std::int64_t j = 0; j < 8 * cells; j += kWide) store(lanes_ + j, V{});
    for (std::int64_t i = 0; i < piece_.padded; i += 8)
#pragma GCC unroll 8
      for (std::int64_t k = 0; k < 8; ++k) lanes_[8 * static_cast<std::int64_t>(at[i + k]) + k] += weight_[i + k];
    for (std::int64_t j = 0; j < cells; ++j) table[j] += sum_eight(lanes_ + 8 * j);
  }

  const GramJob& job_;
  Piece piece_;
  void* numbers_;
  double *weight_, *tile_, *lanes_;
  std::int32_t *cells_, *codes_;
};

std::int64_t gram_scratch(const GramJob& job) {
  Carver carver{nullptr};
  const Tables tables(job, carver);
  return carver.used;
}

bool gram_leaf(const GramJob& job, std::int64_t first, std::int64_t end, double* tables, double* scratch, BadCode& bad) {
  Carver carver{scratch};
  return Tables(job, carver).leaf(first, end, tables, bad);
}
bool gram_pair(const GramJob& job, GramPair pair, std::int64_t first, std::int64_t end, const GramCells& cells, double* scratch,
               BadCode& bad) {
  Carver carver{scratch};
  return Tables(job, carver).pair(pair, first, end, cells, bad);
}
bool gram_numbers(const GramJob& job, std::int64_t category, std::int64_t first, std::int64_t end, double* table, double* scratch,
                  BadCode& bad) {
  Carver carver{scratch};
  return Tables(job, carver).numbers(category, first, end, table, bad);
}
