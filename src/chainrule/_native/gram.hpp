// The parts of the Gram matrix that categories have. Included by columns.cpp alone, inside its instruction set's namespace.
//
// Two categories are a table of weights, one cell a row; a category against the bias and the numbers is a table to which each row adds a
// vector. Small tables are summed in leaves of rows that the driver adds in a tree. In a large one a cell may have any number of
// rows, and what each addition loses is kept beside it (Kahan's sum), so that it is right to two roundings however many there are.
#pragma once

constexpr std::int64_t kCellsInLanes = 128;
constexpr std::int64_t kRowsAhead = 24;

// What a pass over the rows needs beside a run.
struct GramScratch {
  double *tile, *lanes;
  std::int32_t* cells;
  std::int32_t* local;  // of each category, `most` rows
  Run run;

  GramScratch(const GramJob& job, Carver& carver) : run(job.columns, carver) {
    tile = carver.take(run.most * GramJob::row_of(job.columns.n_terms));
    lanes = carver.take(8 * kCellsInLanes);
    cells = reinterpret_cast<std::int32_t*>(carver.take(run.most / 2));
    local = reinterpret_cast<std::int32_t*>(carver.take(run.most / 2 * job.n_categories));
  }

  std::int32_t* of(std::int64_t category) const { return local + run.most * category; }
};

std::int64_t gram_scratch(const GramJob& job) {
  Carver carver{nullptr};
  const GramScratch scratch(job, carver);
  return carver.used;
}

// Levels of the matrix that a run's rows have.
bool fetch_levels(const GramJob& job, std::int64_t c, GramScratch& scratch, std::int64_t first, BadCode& bad) {
  const Job& rows = job.columns.rows;
  const GramCategory& category = job.categories[c];
  std::int32_t* const local = scratch.of(c);
  if (!fetch_codes(*category.term, {first, scratch.run.real, rows.index ? rows.index + first : nullptr}, scratch.run, local, bad))
    return false;
  for (std::int64_t i = 0; i < scratch.run.rows; ++i) local[i] = category.local[local[i]];
  return true;
}

// The tile's rows: weight times the bias and the numbers as they are seen.
template <bool Shift, bool Masked>
void fill_tile(const ColumnJob& job, const Run& run, double* tile) {
  const std::int64_t width = GramJob::row_of(job.n_terms);
  for (std::int64_t i = 0; i < run.rows; i += 8) {
    const Lanes weight = load(run.weight + i);
    for (std::int64_t v = 0; v < width; v += 8) {
      Lanes a[8] = {};
      for (std::int64_t k = 0; k < 8; ++k) {
        const std::int64_t j = v + k - 1;
        if (j < job.n_terms)
          a[k] = j < 0
                     ? weight
                     : weight * seen<Shift, Masked>(run.number(j, i), Shift ? job.rows.p[j] : 1.0, Shift ? job.rows.cp[j] : 0.0, run.s + i);
      }
      transpose(a);
      for (std::int64_t k = 0; k < 8; ++k) store(tile + (i + k) * width + v, a[k]);
    }
  }
}

void make_tile(const ColumnJob& job, const Run& run, double* tile) {
  const auto fill = job.rows.p ? (run.masked ? fill_tile<true, true> : fill_tile<true, false>)
                               : (run.masked ? fill_tile<false, true> : fill_tile<false, false>);
  fill(job, run, tile);
}

// table[cell] += weight, over so many cells.
void add_cells(const std::int32_t* at, const GramScratch& scratch, std::int64_t cells, double* table) {
  const Run& run = scratch.run;
  if (cells > kCellsInLanes) return scatter(at, run.rows, run.weight, table);
  for (std::int64_t j = 0; j < 8 * cells; j += 8) store(scratch.lanes + j, Lanes{});
  scatter_lanes(at, run.rows, run.weight, scratch.lanes);
  for (std::int64_t j = 0; j < cells; ++j) table[j] += sum(load(scratch.lanes + 8 * j));
}

bool gram_leaf(const GramJob& job, std::int64_t first, std::int64_t end, double* tables, double* memory, BadCode& bad) {
  Carver carver{memory};
  GramScratch scratch(job, carver);
  Run& run = scratch.run;
  const std::int64_t width = GramJob::row_of(job.columns.n_terms);
  for (std::int64_t start = first; start < end; start += run.real) {
    fill_weights(job.columns, run, start, end);
    bool good = fetch_columns(job.columns, run, start, bad);
    for (std::int64_t c = 0; c < job.n_categories; ++c) good &= fetch_levels(job, c, scratch, start, bad);
    if (!good) return false;
    if (width > 1) make_tile(job.columns, run, scratch.tile);
    double* table = tables;
    for (std::int64_t k = 0; k < job.n_in_leaf; ++k) {
      const std::int64_t levels = job.categories[job.in_leaf[k]].count + 1;
      const std::int32_t* const local = scratch.of(job.in_leaf[k]);
      if (width == 1) add_cells(local, scratch, levels, table);
      for (std::int64_t i = 0; i < run.rows && width > 1; ++i) {
        double* const to = table + local[i] * width;
        for (std::int64_t v = 0; v < width; v += 8) store(to + v, load(to + v) + load(scratch.tile + i * width + v));
      }
      table += levels * width;
    }
    for (std::int64_t k = 0; k < job.n_pairs; ++k) {
      const GramCategory &a = job.categories[job.pairs[k].a], &b = job.categories[job.pairs[k].b];
      const std::int32_t *of_a = scratch.of(job.pairs[k].a), *of_b = scratch.of(job.pairs[k].b);
      const auto step = static_cast<std::int32_t>(b.count + 1);
      for (std::int64_t i = 0; i < run.rows; ++i) scratch.cells[i] = of_a[i] * step + of_b[i];
      add_cells(scratch.cells, scratch, GramJob::pair_cells(a, b), table);
      table += GramJob::pair_cells(a, b);
    }
  }
  return true;
}

bool gram_pair(const GramJob& job, GramPair pair, std::int64_t first, std::int64_t end, double* matrix, double* memory, BadCode& bad) {
  Carver carver{memory};
  GramScratch scratch(job, carver);
  Run& run = scratch.run;
  const GramCategory &a = job.categories[pair.a], &b = job.categories[pair.b];
  const std::int32_t *of_a = scratch.of(pair.a), *of_b = scratch.of(pair.b);
  double* const sums = matrix + a.low * job.side + b.low;
  double* const lost = matrix + b.low * job.side + a.low;
  for (std::int64_t start = first; start < end; start += run.real) {
    fill_weights(job.columns, run, start, end);
    if (!fetch_levels(job, pair.a, scratch, start, bad) || !fetch_levels(job, pair.b, scratch, start, bad)) return false;
    for (std::int64_t i = 0; i < run.real; ++i) {
      const std::int64_t on = i + kRowsAhead < run.real ? i + kRowsAhead : i;
      __builtin_prefetch(sums + of_a[on] * job.side + of_b[on], 1);
      __builtin_prefetch(lost + of_b[on] * job.side + of_a[on], 1);
      if (of_a[i] == a.count || of_b[i] == b.count) continue;
      double &cell = sums[of_a[i] * job.side + of_b[i]], &less = lost[of_b[i] * job.side + of_a[i]];
      const double term = run.weight[i] - less, sum = cell + term;
      less = (sum - cell) - term;
      cell = sum;
    }
  }
  if (end < job.columns.rows.m) return true;
  constexpr std::int64_t kTile = 32;
  for (std::int64_t i = 0; i < a.count; i += kTile)
    for (std::int64_t j = 0; j < b.count; j += kTile)
      for (std::int64_t k = i; k < i + kTile && k < a.count; ++k)
        for (std::int64_t l = j; l < j + kTile && l < b.count; ++l) {
          double &cell = sums[k * job.side + l], &less = lost[l * job.side + k];
          cell = less = cell - less;
        }
  return true;
}

bool gram_numbers(const GramJob& job, std::int64_t category, std::int64_t first, std::int64_t end, double* table, double* memory,
                  BadCode& bad) {
  Carver carver{memory};
  GramScratch scratch(job, carver);
  Run& run = scratch.run;
  const std::int64_t width = GramJob::row_of(job.columns.n_terms), size = (job.categories[category].count + 1) * width;
  const std::int32_t* const local = scratch.of(category);
  const auto add = [](double& cell, double& less, double value) {
    const double term = value - less, sum = cell + term;
    less = (sum - cell) - term;
    cell = sum;
  };
  for (std::int64_t start = first; start < end; start += run.real) {
    fill_weights(job.columns, run, start, end);
    if (!fetch_columns(job.columns, run, start, bad) || !fetch_levels(job, category, scratch, start, bad)) return false;
    if (width > 1) make_tile(job.columns, run, scratch.tile);
    const double* const tile = width > 1 ? scratch.tile : run.weight;
    for (std::int64_t i = 0; i < run.real; ++i)
      for (std::int64_t v = 0; v < width; ++v) add(table[local[i] * width + v], table[size + local[i] * width + v], tile[i * width + v]);
  }
  for (std::int64_t j = 0; j < size && end == job.columns.rows.m; ++j) table[j] -= table[size + j];
  return true;
}
