#include "reader.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <utility>

#include "gram_matrix.hpp"
#include "threads.hpp"

namespace chainrule {
namespace {

constexpr double kModerate = 0x1p128;  // p and its square may be multiplied into anything that is about 1 in the view

double levels_of(std::int64_t rows, std::int64_t leaf) {
  double levels = 0.0;
  for (std::int64_t leaves = (rows - 1) / leaf + 1; leaves > 1; leaves = (leaves + 1) / 2) levels += 1.0;
  return levels;
}

// The bad code of the first piece of work that has one: pieces are dealt in order, and those before it are finished.
class Refusal {
 public:
  bool before(std::int64_t piece) const { return piece_ < piece; }

  void tell(std::int64_t piece, const BadCode& bad) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (piece > piece_) return;
    piece_ = piece;
    bad_ = bad;
  }

  const BadCode& bad() const { return bad_; }

 private:
  std::atomic<std::int64_t> piece_{std::numeric_limits<std::int64_t>::max()};
  std::mutex mutex_;
  BadCode bad_;
};

}  // namespace

View::View(Job& job, const double* center, const double* p) {
  if (!p) return;
  const auto n = static_cast<std::size_t>(job.n);
  lift_.assign(n, 1.0);
  shift_.assign(n, 0.0);
  fold_.assign(n, 1.0);
  bool lifts = false, shifts = false;
  for (std::size_t j = 0; j < n; ++j) {
    const bool moderate = p[j] <= kModerate && p[j] >= 1.0 / kModerate;
    (moderate ? fold_ : lift_)[j] = p[j];
    shift_[j] = moderate ? center[j] : center[j] * p[j];
    lifts |= !moderate;
    shifts |= shift_[j] != 0.0;
  }
  job.lift = lifts ? lift_.data() : nullptr;
  job.shift = shifts ? shift_.data() : nullptr;
  job.fold = fold_.data();
  if (job.w) {
    w_.resize(n * static_cast<std::size_t>(job.points * job.outputs));
    for (std::size_t k = 0; k < w_.size(); ++k) w_[k] = job.w[k] * fold_[k % n];
    job.w = w_.data();
  }
  if (job.q) {
    q_.assign(job.q, job.q + n + 1);
    for (std::size_t j = 0; j < n; ++j) q_[j] = q_[j] * fold_[j] * fold_[j];
    job.q = q_.data();
  }
}

// Clearing and adding a leaf's sums must cost less than reading its rows.
std::int64_t leaf_rows(std::int64_t n) {
  std::int64_t rows = kBlockRows;
  while (16 * rows < n) rows *= 2;
  return rows;
}

std::int64_t matrix_leaf_rows(std::int64_t n, std::int64_t columns) {
  std::int64_t rows = leaf_rows(n);
  while (rows < 2 * columns && rows < 8 * kBlockRows) rows *= 2;
  return rows;
}

namespace {

// How many leaves a thread takes at a time: a power of two; many for few locks, but not so many that threads end at different times.
std::int64_t leaves_together(std::int64_t leaves, int threads) {
  std::int64_t together = 1;
  while (together < 16 && leaves >= 16 * together * threads) together *= 2;
  return together;
}

// Sums and, if all slots are numbers, the matrix.
Reading read_leaves(const Kernels& kernels, const Job& job, Range range, int threads, const Interrupted& interrupted) {
  const Layout layout(job);
  const MatrixLayout matrix_layout(job.n_numbers, job.has(kHessian32));
  // A leaf of the matrix is `share` consecutive leaves of the sums.
  const std::int64_t rows = leaf_rows(job.n), share = job.has(kHessian) ? matrix_leaf_rows(job.n, job.n_numbers) / rows : 1;
  const std::int64_t matrix_size = job.has(kHessian) ? matrix_layout.size : 0;
  // Leaves by their numbers among all rows.
  const std::int64_t first_leaf = range.number / rows, end_leaf = first_leaf + (range.end - range.first - 1) / rows + 1;
  const std::int64_t together = share * leaves_together((end_leaf - first_leaf) / share, threads);
  const std::int64_t first_piece = first_leaf / together, pieces = (end_leaf - 1) / together - first_piece + 1;
  Tree tree(layout.size, layout.extremes), matrices(matrix_size, matrix_size);
  Spare scratches(kernels.scratch_doubles(job));
  Refusal refusal;
  run_pieces(pieces, threads, interrupted, [&](std::int64_t piece, Watch& watch) {
    if (refusal.before(piece)) return;
    Doubles scratch = scratches.take(), matrix;
    Branch branch(tree), of_matrices(matrices);
    const std::int64_t from = std::max(first_leaf, (first_piece + piece) * together);
    const std::int64_t to = std::min(end_leaf, (first_piece + piece + 1) * together);
    for (std::int64_t leaf = from; leaf < to; ++leaf) {
      if (leaf > from && watch.stops()) return;
      if (matrix_size && matrix.empty()) {
        matrix = of_matrices.take_buffer();
        std::fill(matrix.begin(), matrix.end(), 0.0);
      }
      Doubles sums = branch.take_buffer();
      std::fill(sums.begin(), sums.begin() + layout.extremes, 0.0);
      std::fill(sums.begin() + layout.extremes, sums.end(), job.has(kFeasible) ? 0.0 : -std::numeric_limits<double>::infinity());
      const std::int64_t first = range.first + (leaf - first_leaf) * rows;
      BadCode found;
      if (!kernels.leaf(job, first, std::min(range.end, first + rows), sums.data(), matrix.data(), scratch.data(), found))
        return refusal.tell(piece, found);
      branch.add({0, leaf, std::move(sums)});
      if (matrix_size && ((leaf + 1) % share == 0 || leaf + 1 == to)) of_matrices.add({0, leaf / share, std::exchange(matrix, {})});
    }
    branch.end();
    of_matrices.end();
    scratches.give(std::move(scratch));
  });
  return {tree.subtrees(), matrices.subtrees(), refusal.bad()};
}

}  // namespace

// The matrix of categories and sparse columns is made separately, from the curvatures that the read of the sums stored.
Reading read(const Kernels& kernels, const Job& job, Range range, int threads, const Interrupted& interrupted) {
  if (!job.has(kHessian) || job.of_numbers()) return read_leaves(kernels, job, range, threads, interrupted);
  Job sums = job, matrix = job;
  std::vector<double> h;
  sums.what &= ~unsigned{kHessian | kHessian32};
  if (job.has(kLoss)) {
    if (!job.h_out) {
      h.resize(static_cast<std::size_t>(job.m));
      sums.h_out = h.data();
    }
    matrix.h = sums.h_out;
  }
  matrix.what = kHessian;
  matrix.z_out = matrix.h_out = nullptr;
  bool stopped = false;
  const Interrupted asks = [&] { return stopped = stopped || interrupted(); };
  Reading reading;
  if (sums.what) reading = read_leaves(kernels, sums, range, threads, asks);
  if (reading.bad.row < 0 && !stopped) reading.matrices = gram(kernels, matrix, range, threads, asks, reading.bad);
  return reading;
}

// The depth in a leaf, then the levels of the tree, and 8 for a term's own products and lanes.
double sum_depth(const Kernels& kernels, const Job& job, std::int64_t rows) {
  const std::int64_t leaf = leaf_rows(job.n);
  return static_cast<double>(kernels.depth(job, std::min(rows, leaf))) + levels_of(rows, leaf) + 8.0;
}

double matrix_depth(const Kernels& kernels, const Job& job, std::int64_t rows) {
  const std::int64_t of_numbers = matrix_leaf_rows(job.n, job.n_numbers), of_gram = gram_leaf_rows(job.n_numbers + 1);
  const double numbers = static_cast<double>(kernels.matrix_depth(std::min(rows, of_numbers))) + levels_of(rows, of_numbers);
  const double others = static_cast<double>(gram_depth(job, rows)) + levels_of(rows, of_gram);
  return (job.of_numbers() ? numbers : std::max(numbers, others)) + 8.0;
}

std::int64_t leaf_of(const Job& job) {
  if (!job.has(kHessian)) return leaf_rows(job.n);
  return job.of_numbers() ? matrix_leaf_rows(job.n, job.n_numbers) : std::max(leaf_rows(job.n), gram_leaf_rows(job.n_numbers + 1));
}

Doubles combine(std::vector<Subtree> subtrees, std::int64_t added) {
  if (subtrees.empty()) return {};
  Tree tree(static_cast<std::int64_t>(subtrees[0].sums.size()), added);
  for (Subtree& node : subtrees) tree.add(std::move(node));
  return tree.root();
}

Doubles decode(const Job& job, const Doubles& sums) {
  const Layout layout(job);
  const std::int64_t each = job.linear() + job.square();
  Doubles out(static_cast<std::size_t>(layout.terms * (job.n + 1)));
  for (std::int64_t b = 0; b < job.n_blocks; ++b) {
    const Block& block = job.blocks[b];
    const std::int64_t step = layout.of(block, 1, 0) - layout.of(block, 0, 0), together = 512;  // slots that stay in the L1 cache
    const double* const fold = job.fold ? job.fold + block.at : nullptr;
    for (std::int64_t first = 0; first < block.slots; first += together)
      for (std::int64_t t = 0; t < layout.terms; ++t) {
        const std::int64_t end = std::min(first + together, block.slots);
        const double* const from = sums.data() + layout.of(block, 0, t);
        double* const to = out.data() + t * (job.n + 1) + block.at;
        for (std::int64_t k = first; k < end; ++k) to[k] = from[step * k];
        for (std::int64_t k = first; fold && k < end; ++k) to[k] *= fold[k];
        for (std::int64_t k = first; fold && t % each >= job.linear() && k < end; ++k) to[k] *= fold[k];
      }
  }
  for (std::int64_t t = 0; t < layout.terms; ++t)
    out[static_cast<std::size_t>(t * (job.n + 1) + job.n)] = sums[static_cast<std::size_t>(layout.bias + t)];
  return out;
}

void unpack(const MatrixLayout& layout, const double* packed, const double* fold, double* matrix, const std::int64_t* place,
            std::int64_t side) {
  const auto left = [&](std::int64_t column) { return fold && column < layout.n ? fold[column] : 1.0; };
  const std::int64_t ld = place ? side : layout.n + 1;
  for (std::int64_t j = 0; j < layout.strips; ++j)
    for (std::int64_t i = 0; i <= j; ++i) {
      const double* block = packed + layout.block(i, j);
      for (std::int64_t a = 0; a < layout.lanes; ++a)
        for (std::int64_t b = i == j ? a : 0; b < layout.lanes; ++b) {
          std::int64_t row = layout.column(i, a), column = layout.column(j, b);
          if (row < 0 || column < 0) continue;
          const double x = block[layout.lanes * a + b] * left(row) * left(column);
          if (place) row = place[row], column = place[column];
          matrix[row * ld + column] = matrix[column * ld + row] = x;
        }
    }
}

namespace {

struct Candidate {
  const Kernels* kernels;
  bool runs;
};

// From the best to those that every processor of the architecture can run.
std::vector<Candidate> candidates() {
  return {
#ifdef CHAINRULE_HAS_AVX512
      {&avx512::kernels, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                             __builtin_cpu_supports("fma")},
#endif
#ifdef CHAINRULE_HAS_AVX2
      {&avx2::kernels, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
#ifdef CHAINRULE_HAS_NEON
      {&neon::kernels, true},
#endif
#ifdef CHAINRULE_HAS_BASELINE
      {&baseline::kernels, true},
#endif
  };
}

}  // namespace

const Kernels* choose_kernels(const char* name) {
  for (const Candidate& candidate : candidates())
    if (candidate.runs && (!name || std::strcmp(name, candidate.kernels->name) == 0)) return candidate.kernels;
  return nullptr;
}

std::vector<std::string> kernel_names() {
  std::vector<std::string> names;
  for (const Candidate& candidate : candidates())
    if (candidate.runs) names.emplace_back(candidate.kernels->name);
  return names;
}

}  // namespace chainrule
