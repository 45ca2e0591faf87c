// The matrix of designs with categories or sparse columns: sum c x~ x~' of some slots and the bias.
//
// Categories are tables of weights (gram.hpp): small ones in short leaves of rows, large ones one by one. With sparse columns, everything
// is elements of rows, times sqrt(c), each row in ascending order with the bias last. If there are few columns, the products of a row's
// elements are added to the whole matrix. If there are many, blocks of rows are packed and listed by column, and the matrix is summed in
// the L1 cache, one row at a time: for each element of its column, the rest of that element's row.
#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "check.hpp"
#include "gram_matrix.hpp"
#include "threads.hpp"

namespace chainrule {
namespace {

#include "decode.hpp"

constexpr std::int64_t kLeastTableRows = 8192, kMostTableRows = 65536;  // of a leaf of small tables
constexpr std::int64_t kSmallTable = 8192;         // cells of a pair, or levels of a category, that are summed in leaves
constexpr std::int64_t kLeafDoubles = 512 * 1024;  // of all such tables
constexpr std::int64_t kNumbersAtOnce = 63;        // of a large category's table
constexpr std::int64_t kRowsToWatch = 65536;       // between checks whether to give up

using Places = std::vector<std::int64_t>;

// Clearing and adding a leaf's tables must cost less than reading its rows.
std::int64_t table_rows(std::int64_t side) {
  std::int64_t rows = kLeastTableRows;
  while (rows < 8 * side && rows < kMostTableRows) rows *= 2;
  return rows;
}

// The place of each slot among the rows of the matrix, the head's first, or -1.
Places places_of(const Job& job) {
  Places place(static_cast<std::size_t>(job.n), -1);
  for (std::int64_t k = 0; k < job.n_numbers; ++k) {
    const std::int64_t at = k < job.head_at ? k + job.head : k < job.head_at + job.head ? k - job.head_at : k;
    place[static_cast<std::size_t>(job.numbers[k])] = at;
  }
  return place;
}

// The matrix in memory, as `gram_size` says.
struct Shape {
  std::int64_t head, side, width;

  explicit Shape(const Job& job) : head(job.head), side(job.n_numbers + 1), width(side - head) {}
  std::int64_t size() const { return side * width + head; }
  double* row(double* matrix, std::int64_t place) const { return matrix + place * width; }
  double* diagonal(double* matrix) const { return matrix + side * width; }
};

// --- tables ------------------------------------------------------------------------------------------------------------

// The parts of the matrix, and their places.
struct Plan {
  std::vector<Block> numbers;         // with slots of their own
  std::vector<Part> parts;            // of columns of dense rows
  Places number_slots, number_place;  // places among the matrix's columns
  std::vector<double> lift, shift, fold;
  std::vector<GramCategory> categories;
  std::vector<std::vector<std::int32_t>> levels;
  std::vector<std::int64_t> in_leaf, large;
  std::vector<GramPair> pairs, large_pairs;
  std::int64_t leaf_doubles = 0;
  Shape shape;

  explicit Plan(const Job& job) : shape(job) {}
};

void add_category(const Block& block, const Places& place, Plan& plan) {
  std::vector<std::int32_t> local(static_cast<std::size_t>(block.slots));
  std::int64_t count = 0, low = -1;
  for (std::int64_t k = 0; k < block.slots; ++k) {
    const std::int64_t at = place[static_cast<std::size_t>(block.at + k)];
    if (at < 0) continue;
    if (low < 0) low = at;
    ++count;
  }
  if (!count) return;
  for (std::int64_t k = 0; k < block.slots; ++k) {
    const std::int64_t at = place[static_cast<std::size_t>(block.at + k)];
    local[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(at < 0 ? count : at - low);
  }
  plan.levels.push_back(std::move(local));
  plan.categories.push_back({&block, plan.levels.back().data(), low, count});
}

// Dense rows as columns.
void add_numbers(const Block& block, const Places& place, Plan& plan) {
  for (std::int64_t k = 0; k < block.slots; ++k) {
    const std::int64_t slot = block.at + k;
    if (place[static_cast<std::size_t>(slot)] < 0) continue;
    Block number = block;
    if (block.form == Block::kRows) {
      Part part{};
      part.values = block.data + k * block.col_stride;
      part.stride = block.row_stride;
      part.end = std::numeric_limits<std::int64_t>::max();
      part.kind = block.is_float32 ? Kind::kFloat32 : Kind::kFloat64;
      plan.parts.push_back(part);
      number.form = Block::kNumber;
      number.n_parts = 1;
      number.fill = std::numeric_limits<double>::quiet_NaN();
      number.parts = nullptr;  // set when all parts have been added
    }
    number.at = static_cast<std::int64_t>(plan.numbers.size());
    number.slots = 1;
    plan.numbers.push_back(number);
    plan.number_slots.push_back(slot);
    plan.number_place.push_back(place[static_cast<std::size_t>(slot)] - plan.shape.head);
  }
}

Plan plan_of(const Job& job) {
  Plan plan(job);
  const Places place = places_of(job);
  for (std::int64_t b = 0; b < job.n_blocks; ++b) {
    if (job.blocks[b].form == Block::kCategory)
      add_category(job.blocks[b], place, plan);
    else
      add_numbers(job.blocks[b], place, plan);
  }
  plan.number_place.push_back(plan.shape.width - 1);  // the bias
  const Part* part = plan.parts.data();
  for (Block& number : plan.numbers)
    if (!number.parts) number.parts = part++;
  for (const std::int64_t slot : plan.number_slots) {
    plan.lift.push_back(job.lift ? job.lift[slot] : 1.0);
    plan.shift.push_back(job.shift ? job.shift[slot] : 0.0);
    plan.fold.push_back(job.fold ? job.fold[slot] : 1.0);
  }
  const std::int64_t count = static_cast<std::int64_t>(plan.categories.size());
  const std::int64_t width = GramJob::row_of(static_cast<std::int64_t>(plan.numbers.size()));
  const auto fits = [&plan](std::int64_t size, std::int64_t cells) {
    const bool small = size <= kSmallTable && plan.leaf_doubles + cells <= kLeafDoubles;
    if (small) plan.leaf_doubles += cells;
    return small;
  };
  for (std::int64_t a = 0; a < count; ++a) {
    const std::int64_t levels = plan.categories[static_cast<std::size_t>(a)].count + 1;
    (fits(levels, levels * width) ? plan.in_leaf : plan.large).push_back(a);
  }
  for (std::int64_t a = 0; a < count; ++a)
    for (std::int64_t b = a + 1; b < count; ++b) {
      const std::int64_t cells =
          GramJob::pair_cells(plan.categories[static_cast<std::size_t>(a)], plan.categories[static_cast<std::size_t>(b)]);
      const bool ends = plan.categories[static_cast<std::size_t>(b)].low < plan.shape.head;
      (fits(cells, cells) ? plan.pairs : plan.large_pairs).push_back(ends ? GramPair{b, a} : GramPair{a, b});
    }
  return plan;
}

// The job of `count` of the numbers, from `first` on; slots keep their numbers among all of them.
GramJob job_of(const Job& job, const Plan& plan, std::int64_t first, std::int64_t count) {
  GramJob gram{};
  gram.rows = job;
  gram.rows.blocks = plan.numbers.data() + first;
  gram.rows.n_blocks = gram.rows.n = count;
  gram.rows.lift = job.lift ? plan.lift.data() : nullptr;
  gram.rows.shift = job.shift ? plan.shift.data() : nullptr;
  gram.rows.fold = job.fold ? plan.fold.data() + first : nullptr;
  gram.categories = plan.categories.data();
  gram.n_categories = static_cast<std::int64_t>(plan.categories.size());
  gram.in_leaf = plan.in_leaf.data();
  gram.n_in_leaf = static_cast<std::int64_t>(plan.in_leaf.size());
  gram.pairs = plan.pairs.data();
  gram.n_pairs = static_cast<std::int64_t>(plan.pairs.size());
  return gram;
}

// Copies a category's table, against the bias (first in a row) and some numbers, to its places in the matrix.
void place_numbers(const GramJob& job, const Shape& shape, const GramCategory& category, const std::int64_t* place, const double* table,
                   bool with_bias, double* matrix) {
  const std::int64_t width = GramJob::row_of(job.rows.n_blocks), bias = shape.width - 1;
  double* const rest = shape.row(matrix, shape.head);
  for (std::int64_t k = 0; k < category.count; ++k, table += width) {
    const std::int64_t at = category.low + k, column = at - shape.head;
    double* const row = shape.row(matrix, at);
    for (std::int64_t j = 0; j < job.rows.n_blocks; ++j) row[place[j]] = table[1 + j];
    for (std::int64_t j = 0; j < job.rows.n_blocks && column >= 0; ++j) rest[place[j] * shape.width + column] = table[1 + j];
    if (!with_bias) continue;
    row[bias] = (column < 0 ? shape.diagonal(matrix)[at] : row[column]) = table[0];
    if (column >= 0) rest[bias * shape.width + column] = table[0];
  }
}

void place_leaf(const GramJob& job, const Shape& shape, const std::int64_t* place, const double* tables, double* matrix) {
  const std::int64_t width = GramJob::row_of(job.rows.n_blocks);
  for (std::int64_t k = 0; k < job.n_in_leaf; ++k) {
    const GramCategory& category = job.categories[job.in_leaf[k]];
    place_numbers(job, shape, category, place, tables, true, matrix);
    tables += (category.count + 1) * width;
  }
  for (std::int64_t p = 0; p < job.n_pairs; ++p) {
    const GramCategory &a = job.categories[job.pairs[p].a], &b = job.categories[job.pairs[p].b];
    for (std::int64_t k = 0; k < a.count; ++k)
      for (std::int64_t l = 0; l < b.count; ++l) {
        const double x = tables[k * (b.count + 1) + l];
        shape.row(matrix, a.low + k)[b.low - shape.head + l] = x;
        if (a.low >= shape.head) shape.row(matrix, b.low + l)[a.low - shape.head + k] = x;
      }
    tables += GramJob::pair_cells(a, b);
  }
}

// A large pair's cells in the matrix. Their rounding errors are kept in their mirror images; those of the head's cells, in `spare`.
GramCells cells_of(const GramJob& job, const Shape& shape, GramPair pair, double* matrix, Doubles& spare) {
  const GramCategory &a = job.categories[pair.a], &b = job.categories[pair.b];
  double* const sums = shape.row(matrix, a.low) + b.low - shape.head;
  if (a.low >= shape.head) return {sums, shape.row(matrix, b.low) + a.low - shape.head, shape.width, 1, shape.width};
  spare.assign(static_cast<std::size_t>(a.count * b.count), 0.0);
  return {sums, spare.data(), shape.width, b.count, 1};
}

// Subtracts the rounding errors of a large pair's cells, and copies the cells to where these were: their mirror images, if there are any.
void settle_pair(const GramJob& job, GramPair pair, const GramCells& cells) {
  constexpr std::int64_t kTile = 32;
  const GramCategory &a = job.categories[pair.a], &b = job.categories[pair.b];
  for (std::int64_t i = 0; i < a.count; i += kTile)
    for (std::int64_t j = 0; j < b.count; j += kTile)
      for (std::int64_t k = i; k < std::min(i + kTile, a.count); ++k)
        for (std::int64_t l = j; l < std::min(j + kTile, b.count); ++l) {
          double &cell = cells.sums[k * cells.step + l], &less = cells.lost[k * cells.lost_a + l * cells.lost_b];
          cell = less = cell - less;
        }
}

// Keeps the first of the bad codes that threads find.
void keep_first(const BadCode& found, std::mutex& mutex, BadCode& bad) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (bad.row < 0 || found.row < bad.row || (found.row == bad.row && found.column < bad.column)) bad = found;
}

bool add_tables(const Kernels& kernels, const Job& job, const Plan& plan, Range range, double* matrix, int threads,
                const Interrupted& interrupted, BadCode& bad) {
  const auto n_numbers = static_cast<std::int64_t>(plan.numbers.size());
  const GramJob gram = job_of(job, plan, 0, n_numbers);
  Job numbers = gram.rows;
  Places all(static_cast<std::size_t>(n_numbers));
  for (std::size_t k = 0; k < all.size(); ++k) all[k] = static_cast<std::int64_t>(k);
  numbers.numbers = all.data();
  numbers.n_numbers = n_numbers;
  bool stopped = false;
  const Interrupted asks = [&] { return stopped = stopped || interrupted(); };
  const MatrixLayout layout(n_numbers, false);
  const Doubles packed = combine(read(kernels, numbers, range, threads, asks).matrices, layout.size);
  if (stopped) return false;
  unpack(layout, packed.data(), numbers.fold, plan.shape.row(matrix, plan.shape.head), plan.number_place.data(), plan.shape.width);
  if (plan.categories.empty()) return true;

  const std::int64_t leaf_rows = table_rows(plan.shape.side), leaves = (range.end - range.first - 1) / leaf_rows + 1;
  const auto n_pairs = static_cast<std::int64_t>(plan.large_pairs.size());
  const std::int64_t chunks = n_numbers ? (n_numbers - 1) / kNumbersAtOnce + 1 : 1;
  const std::int64_t n_tables = chunks * static_cast<std::int64_t>(plan.large.size());
  const bool has_leaves = plan.leaf_doubles > 0;
  Tree tree(plan.leaf_doubles, plan.leaf_doubles);
  Spare scratches(kernels.gram_scratch(gram));
  std::mutex mutex;
  const auto refuse = [&](const BadCode& found) { keep_first(found, mutex, bad); };
  // Large tables first: they take longest.
  run_pieces(n_pairs + n_tables + (has_leaves ? leaves : 0), threads, asks, [&](std::int64_t piece, Watch& watch) {
    Doubles scratch = scratches.take(), sums;
    BadCode found;
    const auto all_rows = [&](const auto& add) {
      for (std::int64_t first = range.first; first < range.end; first += kRowsToWatch) {
        if (watch.stops()) return false;
        if (add(first, std::min(range.end, first + kRowsToWatch))) continue;
        refuse(found);
        return false;
      }
      return true;
    };
    if (piece < n_pairs) {
      const GramPair pair = plan.large_pairs[static_cast<std::size_t>(piece)];
      const GramCells cells = cells_of(gram, plan.shape, pair, matrix, sums);
      const auto add = [&](std::int64_t first, std::int64_t end) {
        return kernels.gram_pair(gram, pair, first, end, cells, scratch.data(), found);
      };
      if (all_rows(add)) settle_pair(gram, pair, cells);
    } else if (piece < n_pairs + n_tables) {
      const std::int64_t chunk = (piece - n_pairs) % chunks, from = chunk * kNumbersAtOnce;
      const std::int64_t category = plan.large[static_cast<std::size_t>((piece - n_pairs) / chunks)];
      const GramJob part = job_of(job, plan, from, std::min(n_numbers - from, kNumbersAtOnce));
      const GramCategory& levels = plan.categories[static_cast<std::size_t>(category)];
      const std::int64_t size = (levels.count + 1) * GramJob::row_of(part.rows.n_blocks);
      sums.assign(static_cast<std::size_t>(2 * size), 0.0);
      Doubles own(static_cast<std::size_t>(kernels.gram_scratch(part)));
      const auto add = [&](std::int64_t first, std::int64_t end) {
        return kernels.gram_numbers(part, category, first, end, sums.data(), own.data(), found);
      };
      if (!all_rows(add)) return;
      for (std::int64_t j = 0; j < size; ++j) sums[static_cast<std::size_t>(j)] -= sums[static_cast<std::size_t>(size + j)];
      place_numbers(part, plan.shape, levels, plan.number_place.data() + from, sums.data(), chunk == 0, matrix);
    } else {
      const std::int64_t leaf = piece - n_pairs - n_tables, first = range.first + leaf * leaf_rows;
      sums = tree.take_buffer();
      std::fill(sums.begin(), sums.end(), 0.0);
      if (kernels.gram_leaf(gram, first, std::min(range.end, first + leaf_rows), sums.data(), scratch.data(), found))
        tree.add({0, leaf, std::move(sums)});
      else
        refuse(found);
    }
    scratches.give(std::move(scratch));
  });
  if (stopped || bad.row >= 0) return false;
  if (has_leaves) place_leaf(gram, plan.shape, plan.number_place.data(), tree.root().data(), matrix);
  return true;
}

// --- elements ----------------------------------------------------------------------------------------------------------

constexpr std::int64_t kFewColumns = 512;
constexpr std::int64_t kLeastRows = 16384, kMostRows = 131072;  // of a block of rows
constexpr std::int64_t kPacks = 16;                             // of a block, each made by one thread
constexpr std::int64_t kColumnsAtOnce = 4;                      // rows of the matrix that a thread takes at a time
constexpr std::int64_t kMirrored = 32;                          // of the matrix, when it is mirrored
constexpr std::int64_t kListAhead = 8;                          // elements of a list that are prefetched

struct Element {
  double x;
  std::int64_t place;  // in the matrix; the bias, its last, ends a row
};

// A block's elements must cost more than the matrix, to which they are added.
std::int64_t element_rows(std::int64_t side) {
  std::int64_t rows = kLeastRows;
  while (128 * rows < side * side && rows < kMostRows) rows *= 2;
  return rows;
}

// Some rows, packed and listed by column.
struct Pack {
  BadCode bad;
  std::vector<Element> elements;
  std::vector<std::int32_t> list;   // elements by column
  std::vector<std::int32_t> start;  // of each column's in the list, and the end
};

// act(slot, x as given) for a row's elements in a block.
template <typename Act>
void over_elements(const Block& block, std::int64_t row, BadCode& bad, const Act& act) {
  const auto sparse = [&](auto x, auto column) {
    const auto* const values = reinterpret_cast<const decltype(x)*>(block.data);
    const auto* const columns = static_cast<const decltype(column)*>(block.indices);
    for (std::int64_t l = row_start(block, row); l < row_start(block, row + 1); ++l)
      act(block.at + static_cast<std::int64_t>(columns[l]), static_cast<double>(values[l]));
  };
  double x = 0.0;
  std::int32_t code = 0;
  switch (block.form) {
    case Block::kSparse:
      if (block.is_float32)
        block.wide_indices ? sparse(0.0F, std::int64_t{}) : sparse(0.0F, std::int32_t{});
      else
        block.wide_indices ? sparse(0.0, std::int64_t{}) : sparse(0.0, std::int32_t{});
      return;
    case Block::kRows:
      for (std::int64_t k = 0; k < block.slots; ++k) {
        const char* const at = block.data + row * block.row_stride + k * block.col_stride;
        act(block.at + k,
            block.is_float32 ? static_cast<double>(*reinterpret_cast<const float*>(at)) : *reinterpret_cast<const double*>(at));
      }
      return;
    case Block::kCategory:
      decode_codes(block, {row, 1, nullptr}, &code);
      if (code >= 0 && code < block.slots)
        act(block.at + code, 1.0);
      else if (bad.row < 0) {
        const Rows one{row, 1, nullptr};  // int32 could not hold a larger code
        over_parts(block, one, [&](const Part& part, std::int64_t k, std::int64_t) { numbers_of(part, one, k, 1, &x); });
        bad = {row, block.column, static_cast<std::int64_t>(x), code == -1};
      }
      return;
    case Block::kIndicator:
      decode_indicator(block, {row, 1, nullptr}, &x);
      break;
    case Block::kNumber:
      decode_numbers(block, {row, 1, nullptr}, &x);
  }
  act(block.at, x);
}

// Adds row i's elements times sqrt(c), in ascending order of their places, and the bias; nothing of a row of weight 0.
void add_row(const Job& job, const Places& place, const Places& far, std::int64_t i, BadCode& bad, std::vector<Element>& out) {
  const double s = job.s ? job.s[i] : 1.0;
  if (s == 0.0) return;
  const double root = std::sqrt(job.h ? s * job.h[i] : s);
  const std::size_t begin = out.size();
  std::int64_t last = -1, n_far = 0;
  bool ascends = true;
  const auto put = [&](std::int64_t slot, double seen) {
    const std::int64_t at = place[static_cast<std::size_t>(slot)];
    if (at < 0) return;
    ascends = ascends && at > last;
    last = at;
    out.push_back({root * (job.fold ? seen * job.fold[slot] : seen), at});
  };
  for (std::int64_t b = 0; b < job.n_blocks; ++b)
    over_elements(job.blocks[b], job.index ? job.index[i] : i, bad, [&](std::int64_t slot, double x) {
      if (job.lift) x *= job.lift[slot];
      if (job.shift && job.shift[slot] != 0.0) {
        n_far += job.blocks[b].form == Block::kSparse && place[static_cast<std::size_t>(slot)] >= 0;
        x -= job.shift[slot];
      }
      put(slot, x);
    });
  // Elements that sparse columns far from 0 don't store.
  for (std::size_t f = 0; n_far < static_cast<std::int64_t>(far.size()) && f < far.size(); ++f) {
    const auto is_there = [&](const Element& element) { return element.place == place[static_cast<std::size_t>(far[f])]; };
    if (std::none_of(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), is_there)) put(far[f], -job.shift[far[f]]);
  }
  const auto from = out.begin() + static_cast<std::ptrdiff_t>(begin);
  if (!ascends) std::sort(from, out.end(), [](const Element& a, const Element& b) { return a.place < b.place; });
  out.push_back({root, job.n_numbers});
}

void pack(const Job& job, const Places& place, const Places& far, std::int64_t first, std::int64_t end, Pack& to) {
  const std::int64_t k = job.n_numbers;
  std::vector<Element>& out = to.elements;
  out.clear();
  to.bad = {};
  to.start.assign(static_cast<std::size_t>(k) + 3, 0);
  std::int32_t* const counts = to.start.data() + 2;
  for (std::int64_t i = first; i < end; ++i) {
    std::size_t element = out.size();
    add_row(job, place, far, i, to.bad, out);
    for (; element < out.size(); ++element) ++counts[out[element].place];
  }
  // Cumulative counts, shifted by one place, are the starts of the columns' lists; filling a list moves its start to the next one's.
  for (std::int64_t j = 1; j <= k; ++j) counts[j] += counts[j - 1];
  const auto size = static_cast<std::int32_t>(out.size());
  to.list.resize(out.size());
  std::int32_t* const next = to.start.data() + 1;
  for (std::int32_t e = 0; e < size; ++e) to.list[static_cast<std::size_t>(next[out[static_cast<std::size_t>(e)].place]++)] = e;
}

// row[b] += x_a x_b for the elements of column a, b from a on.
void add_column(const Pack& part, std::int64_t a, std::int64_t k, double* row) {
  const std::int32_t* const end = part.list.data() + part.start[static_cast<std::size_t>(a + 1)];
  const Element* const elements = part.elements.data();
  for (const std::int32_t* e = part.list.data() + part.start[static_cast<std::size_t>(a)]; e < end; ++e) {
    if (e + kListAhead < end) __builtin_prefetch(elements + e[kListAhead]);
    const Element* element = elements + *e;
    const double x = element->x;
    for (; element->place < k; ++element) row[element->place] += x * element->x;
    row[k] += x * element->x;
  }
}

// Copies the upper triangle of a square to the lower one.
bool mirror(double* matrix, std::int64_t side, int threads, const Interrupted& interrupted) {
  const std::int64_t tiles = (side + kMirrored - 1) / kMirrored;
  return run_pieces(tiles, threads, interrupted, [&](std::int64_t tile, Watch&) {
    const std::int64_t end = std::min((tile + 1) * kMirrored, side);
    for (std::int64_t across = 0; across <= tile; ++across)
      for (std::int64_t i = tile * kMirrored; i < end; ++i)
        for (std::int64_t j = across * kMirrored; j < std::min((across + 1) * kMirrored, i); ++j)
          matrix[i * side + j] = matrix[j * side + i];
  });
}

// Whether the matrix stays in the L2 cache while rows' products are added to it.
bool is_few(const Job& job) { return job.n_numbers <= kFewColumns; }

// Rows of a leaf of such a matrix: its products must cost more than the matrix.
std::int64_t product_rows(std::int64_t side) {
  std::int64_t rows = kBlockRows;
  while (rows < 4 * side) rows *= 2;
  return rows;
}

// Of few columns: each row's products straight to a table, in short leaves of rows.
bool add_products(const Job& job, const Places& place, const Places& far, Range range, double* matrix, int threads,
                  const Interrupted& interrupted, BadCode& bad) {
  const Shape shape(job);
  const std::int64_t side = shape.side, rows = product_rows(side), leaves = (range.end - range.first - 1) / rows + 1;
  Tree tree(side * side, side * side);
  std::mutex mutex;
  const auto add = [&](std::int64_t leaf, Watch& watch) {
    Doubles table = tree.take_buffer();
    std::fill(table.begin(), table.end(), 0.0);
    std::vector<Element> row;
    BadCode found;
    const std::int64_t first = range.first + leaf * rows, end = std::min(range.end, first + rows);
    for (std::int64_t i = first; i < end && found.row < 0; ++i) {
      if ((i - first) % kBlockRows == 0 && watch.stops()) return;
      row.clear();
      add_row(job, place, far, i, found, row);
      for (auto a = row.begin(); a != row.end(); ++a) {
        const double x = a->x;
        double* const to = table.data() + a->place * side;
        for (auto b = a; b != row.end(); ++b) to[b->place] += x * b->x;
      }
    }
    if (found.row >= 0) return keep_first(found, mutex, bad);
    tree.add({0, leaf, std::move(table)});
  };
  if (!run_pieces(leaves, threads, interrupted, add) || bad.row >= 0) return false;
  const Doubles table = tree.root();
  for (std::int64_t a = 0; a < side; ++a) {
    const double* const row = table.data() + a * side;
    std::copy(row + std::max(a, shape.head), row + side, shape.row(matrix, a) + std::max(a - shape.head, std::int64_t{0}));
    if (a < shape.head) shape.diagonal(matrix)[a] = row[a];
  }
  return mirror(shape.row(matrix, shape.head), shape.width, threads, interrupted);
}

bool add_elements(const Job& job, Range range, double* matrix, int threads, const Interrupted& interrupted, BadCode& bad) {
  const Shape shape(job);
  const std::int64_t side = shape.side, k = side - 1;
  const Places place = places_of(job);
  Places far;
  for (std::int64_t b = 0; b < job.n_blocks && job.shift; ++b)
    for (std::int64_t j = 0; j < job.blocks[b].slots && job.blocks[b].form == Block::kSparse; ++j) {
      const std::int64_t slot = job.blocks[b].at + j;
      if (job.shift[slot] != 0.0 && place[static_cast<std::size_t>(slot)] >= 0) far.push_back(slot);
    }
  if (is_few(job)) return add_products(job, place, far, range, matrix, threads, interrupted, bad);
  const std::int64_t rows = element_rows(side), each = rows / kPacks;
  std::vector<Pack> packs(static_cast<std::size_t>(kPacks));
  for (std::int64_t first = range.first; first < range.end; first += rows) {
    const std::int64_t end = std::min(range.end, first + rows), count = (end - first - 1) / each + 1;
    const auto pack_part = [&](std::int64_t part, Watch&) {
      const std::int64_t from = first + part * each;
      pack(job, place, far, from, std::min(end, from + each), packs[static_cast<std::size_t>(part)]);
    };
    if (!run_pieces(count, threads, interrupted, pack_part)) return false;
    for (std::int64_t part = 0; part < count && bad.row < 0; ++part) bad = packs[static_cast<std::size_t>(part)].bad;
    if (bad.row >= 0) return false;
    const auto add = [&](std::int64_t piece, Watch& watch) {
      std::vector<double> row(static_cast<std::size_t>(side));
      for (std::int64_t a = piece * kColumnsAtOnce; a < std::min((piece + 1) * kColumnsAtOnce, side) && !watch.stops(); ++a) {
        const std::int64_t from = std::max(a, shape.head);  // a column of the head has no products with its others
        row[static_cast<std::size_t>(a)] = 0.0;
        std::fill(row.begin() + from, row.end(), 0.0);
        for (std::int64_t part = 0; part < count; ++part) add_column(packs[static_cast<std::size_t>(part)], a, k, row.data());
        double* const to = shape.row(matrix, a) - shape.head;
        for (std::int64_t b = from; b < side; ++b) to[b] += row[static_cast<std::size_t>(b)];
        if (a < shape.head) shape.diagonal(matrix)[a] += row[static_cast<std::size_t>(a)];
      }
    };
    if (!run_pieces((side + kColumnsAtOnce - 1) / kColumnsAtOnce, threads, interrupted, add)) return false;
  }
  return mirror(shape.row(matrix, shape.head), shape.width, threads, interrupted);
}

}  // namespace

bool is_elementwise(const Job& job) {
  return std::any_of(job.blocks, job.blocks + job.n_blocks, [](const Block& block) { return block.form == Block::kSparse; });
}

std::int64_t gram_size(const Job& job) { return Shape(job).size(); }

std::int64_t gram_leaf_rows(std::int64_t side) {
  std::int64_t rows = 2 * kMostTableRows;
  while (16 * rows < side * side) rows *= 2;
  return rows;
}

std::int64_t gram_depth(const Job& job, std::int64_t rows) {
  const std::int64_t side = job.n_numbers + 1, leaf = std::min(rows, gram_leaf_rows(side));
  // More than in the leaves of few columns' products, so that it holds for both.
  if (is_elementwise(job)) return std::min(leaf, element_rows(side)) + (leaf - 1) / element_rows(side) + 1;
  return std::min(leaf, table_rows(side)) + (leaf - 1) / table_rows(side) + 1;
}

std::vector<Subtree> gram(const Kernels& kernels, const Job& job, Range range, int threads, const Interrupted& interrupted, BadCode& bad) {
  const std::int64_t side = job.n_numbers + 1, rows = gram_leaf_rows(side);
  const bool elements = is_elementwise(job);
  const Plan plan = elements ? Plan(job) : plan_of(job);
  const Shape shape(job);
  Tree tree(shape.size(), shape.size());
  for (std::int64_t first = range.first; first < range.end; first += rows) {
    Doubles matrix = tree.take_buffer();
    // By all threads, since the system maps so much memory page by page.
    run_pieces(side, threads, interrupted, [&](std::int64_t row, Watch&) { std::fill_n(shape.row(matrix.data(), row), shape.width, 0.0); });
    std::fill_n(shape.diagonal(matrix.data()), shape.head, 0.0);
    const std::int64_t number = range.number + first - range.first;
    const Range leaf{first, std::min(range.end, first + rows), number};
    const bool done = elements ? add_elements(job, leaf, matrix.data(), threads, interrupted, bad)
                               : add_tables(kernels, job, plan, leaf, matrix.data(), threads, interrupted, bad);
    if (!done) return {};
    tree.add({0, number / rows, std::move(matrix)});
  }
  return tree.subtrees();
}

}  // namespace chainrule
