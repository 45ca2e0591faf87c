// The Gram matrix of mixed columns in pieces: numbers by panels, small tables of categories in leaves of rows, large ones one by one.
#include <algorithm>
#include <mutex>

#include "columns.hpp"
#include "threads.hpp"

namespace chainrule {
namespace {

constexpr std::int64_t kLeastLeafRows = 8192, kMostLeafRows = 65536;
constexpr std::int64_t kSmallTable = 8192;         // cells of a pair, or levels of a category, that are summed in leaves
constexpr std::int64_t kLeafDoubles = 512 * 1024;  // of all such tables
constexpr std::int64_t kNumbersAtOnce = 63;        // of a large category's table
constexpr std::int64_t kRowsToWatch = 65536;       // between questions whether to give up

// What the matrix is made of, and where.
struct Plan {
  std::vector<Term> numbers;  // their slots are renumbered
  std::vector<std::int64_t> number_place;
  std::vector<double> p, cp, center;
  std::vector<GramCategory> categories;
  std::vector<std::vector<std::int32_t>> levels;
  std::vector<std::int64_t> in_leaf, large;
  std::vector<GramPair> pairs, large_pairs;
  std::int64_t leaf_doubles = 0;
  std::int64_t side;
};

void add_category(const Term& term, const std::int64_t* place, Plan& plan) {
  std::vector<std::int32_t> local(static_cast<std::size_t>(term.levels));
  std::int64_t count = 0, low = -1;
  for (std::int64_t k = 0; k < term.levels; ++k) {
    const std::int64_t at = place[term.at + k];
    if (at < 0) continue;
    if (low < 0) low = at;
    ++count;
  }
  if (!count) return;
  for (std::int64_t k = 0; k < term.levels; ++k) {
    const std::int64_t at = place[term.at + k];
    local[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(at < 0 ? count : at - low);
  }
  plan.levels.push_back(std::move(local));
  plan.categories.push_back({&term, plan.levels.back().data(), low, count});
}

Plan plan_of(const ColumnJob& job, const std::int64_t* place, std::int64_t side) {
  Plan plan;
  plan.side = side;
  for (std::int64_t t = 0; t < job.n_terms; ++t) {
    const Term& term = job.terms[t];
    if (term.form == Term::kCategory) {
      add_category(term, place, plan);
    } else if (place[term.at] >= 0) {
      plan.number_place.push_back(place[term.at]);
      if (job.rows.p) {
        plan.p.push_back(job.rows.p[term.at]);
        plan.cp.push_back(job.rows.cp[term.at]);
        plan.center.push_back(job.rows.center[term.at]);
      }
      plan.numbers.push_back(term);
      plan.numbers.back().at = static_cast<std::int64_t>(plan.numbers.size()) - 1;
    }
  }
  plan.number_place.push_back(side - 1);  // the bias
  const auto count = static_cast<std::int64_t>(plan.categories.size());
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
      (fits(cells, cells) ? plan.pairs : plan.large_pairs).push_back({a, b});
    }
  return plan;
}

// The job of `count` of the numbers, from `first` on.
GramJob job_of(const ColumnJob& job, const Plan& plan, std::int64_t first, std::int64_t count) {
  GramJob gram{};
  gram.columns = job;
  gram.columns.terms = plan.numbers.data() + first;
  gram.columns.n_terms = count;
  gram.columns.rows.n = count;
  gram.columns.rows.what = kHessian;
  if (job.rows.p) {
    gram.columns.rows.p = plan.p.data() + first;
    gram.columns.rows.cp = plan.cp.data() + first;
    gram.columns.rows.center = plan.center.data() + first;
  }
  gram.categories = plan.categories.data();
  gram.n_categories = static_cast<std::int64_t>(plan.categories.size());
  gram.place = plan.number_place.data() + first;
  gram.side = plan.side;
  gram.in_leaf = plan.in_leaf.data();
  gram.n_in_leaf = static_cast<std::int64_t>(plan.in_leaf.size());
  gram.pairs = plan.pairs.data();
  gram.n_pairs = static_cast<std::int64_t>(plan.pairs.size());
  return gram;
}

// A category's table against the bias, which is the first of a row, and some numbers, to its places in the matrix.
void place_numbers(const GramJob& job, const GramCategory& category, const double* table, bool with_bias, double* matrix) {
  const std::int64_t side = job.side, width = GramJob::row_of(job.columns.n_terms);
  for (std::int64_t k = 0; k < category.count; ++k) {
    const std::int64_t at = category.low + k;
    for (std::int64_t j = 0; j < job.columns.n_terms; ++j)
      matrix[at * side + job.place[j]] = matrix[job.place[j] * side + at] = table[k * width + 1 + j];
    if (with_bias) matrix[at * side + at] = matrix[at * side + side - 1] = matrix[(side - 1) * side + at] = table[k * width];
  }
}

void place_leaf(const GramJob& job, const double* tables, double* matrix) {
  const std::int64_t side = job.side, width = GramJob::row_of(job.columns.n_terms);
  for (std::int64_t k = 0; k < job.n_in_leaf; ++k) {
    const GramCategory& category = job.categories[job.in_leaf[k]];
    place_numbers(job, category, tables, true, matrix);
    tables += (category.count + 1) * width;
  }
  for (std::int64_t p = 0; p < job.n_pairs; ++p) {
    const GramCategory &a = job.categories[job.pairs[p].a], &b = job.categories[job.pairs[p].b];
    for (std::int64_t k = 0; k < a.count; ++k)
      for (std::int64_t l = 0; l < b.count; ++l)
        matrix[(a.low + k) * side + b.low + l] = matrix[(b.low + l) * side + a.low + k] = tables[k * (b.count + 1) + l];
    tables += GramJob::pair_cells(a, b);
  }
}

}  // namespace

std::int64_t gram_leaf_rows(std::int64_t m, std::int64_t side) {
  std::int64_t rows = kLeastLeafRows;
  while (rows < kMostLeafRows && rows < 8 * side) rows *= 2;
  while (rows > kBlockRows && rows * 16 > m) rows /= 2;
  return rows;
}

void gram_columns(const Kernels& named, const ColumnJob& job, const std::int64_t* place, std::int64_t side, double* matrix, int threads,
                  const std::function<bool()>& interrupted, BadCode& bad) {
  const ColumnKernels& kernels = column_kernels_of(named);
  const std::int64_t m = job.rows.m;
  const Plan plan = plan_of(job, place, side);
  const auto n_numbers = static_cast<std::int64_t>(plan.numbers.size());
  const GramJob gram = job_of(job, plan, 0, n_numbers);
  bool stopped = false;
  const auto asks = [&] { return stopped = stopped || interrupted(); };
  {
    const Reading numbers = read_columns(kernels, gram.columns, threads, asks, bad);
    if (stopped) return;
    unpack(gram.columns.rows, numbers.matrix.data(), matrix, gram.place, side);
  }
  if (plan.categories.empty()) return;

  const std::int64_t leaf_rows = gram_leaf_rows(m, side), leaves = (m - 1) / leaf_rows + 1;
  const auto n_pairs = static_cast<std::int64_t>(plan.large_pairs.size());
  const std::int64_t chunks = n_numbers ? (n_numbers - 1) / kNumbersAtOnce + 1 : 1;
  const std::int64_t n_tables = chunks * static_cast<std::int64_t>(plan.large.size());
  const bool has_leaves = plan.leaf_doubles > 0;
  Tree tree(plan.leaf_doubles, plan.leaf_doubles, leaves);
  Spare scratches(kernels.gram_scratch(gram));
  std::mutex mutex;
  const auto refuse = [&](const BadCode& found) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (bad.row < 0 || found.row < bad.row || (found.row == bad.row && found.column < bad.column)) bad = found;
  };
  // Large tables first: they take longest.
  run_pieces(n_pairs + n_tables + (has_leaves ? leaves : 0), threads, asks, [&](std::int64_t piece, Watch& watch) {
    Doubles scratch = scratches.take(), sums, scratch_of_part;
    BadCode found;
    const auto all_rows = [&](const auto& add) {
      for (std::int64_t first = 0; first < m; first += kRowsToWatch) {
        if (watch.stops()) return false;
        if (add(first, std::min(m, first + kRowsToWatch))) continue;
        refuse(found);
        return false;
      }
      return true;
    };
    if (piece < n_pairs) {
      const GramPair pair = plan.large_pairs[static_cast<std::size_t>(piece)];
      all_rows(
          [&](std::int64_t first, std::int64_t end) { return kernels.gram_pair(gram, pair, first, end, matrix, scratch.data(), found); });
    } else if (piece < n_pairs + n_tables) {
      const std::int64_t chunk = (piece - n_pairs) % chunks, from = chunk * kNumbersAtOnce;
      const std::int64_t category = plan.large[static_cast<std::size_t>((piece - n_pairs) / chunks)];
      const GramJob part = job_of(job, plan, from, std::min(n_numbers - from, kNumbersAtOnce));
      const GramCategory& levels = plan.categories[static_cast<std::size_t>(category)];
      sums.assign(static_cast<std::size_t>(2 * (levels.count + 1) * GramJob::row_of(part.columns.n_terms)), 0.0);
      scratch_of_part.resize(static_cast<std::size_t>(kernels.gram_scratch(part)));
      const bool done = all_rows([&](std::int64_t first, std::int64_t end) {
        return kernels.gram_numbers(part, category, first, end, sums.data(), scratch_of_part.data(), found);
      });
      if (done) place_numbers(part, levels, sums.data(), chunk == 0, matrix);
    } else {
      const std::int64_t leaf = piece - n_pairs - n_tables, first = leaf * leaf_rows;
      sums = tree.take_buffer();
      std::fill(sums.begin(), sums.end(), 0.0);
      if (kernels.gram_leaf(gram, first, std::min(m, first + leaf_rows), sums.data(), scratch.data(), found))
        tree.add(leaf, std::move(sums));
      else
        refuse(found);
    }
    scratches.give(std::move(scratch));
  });
  if (has_leaves && !stopped && bad.row < 0) place_leaf(gram, tree.root().data(), matrix);
}

}  // namespace chainrule
