// Leaves of mixed columns to threads, and their sums into one.
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <mutex>

#include "column_secant.hpp"
#include "threads.hpp"

namespace chainrule {
namespace {

constexpr std::int64_t kMostLeafBlocks = 64;

// The bad code of the first piece that has one: pieces are dealt in order, and those before it end.
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

// A power of two, at least `least` and at most `most`, from `size` on.
std::int64_t power_from(std::int64_t size, std::int64_t least, std::int64_t most) {
  std::int64_t power = least;
  while (power < size && power < most) power *= 2;
  return power;
}

std::int64_t leaf_blocks_of(const ColumnJob& job) {
  std::int64_t large = 0;
  for (std::int64_t t = 0; t < job.n_terms; ++t) large += job.terms[t].in_lanes() ? 0 : job.terms[t].levels;
  return column_leaf_blocks(job.rows.m, large);
}

// As `column_leaf_blocks`. Lanes of many slots cost as much to add up as a block's rows: where there are so many coefficients that a sum
// may be as deep as a block has rows, a leaf has as many rows as lanes add up to that depth.
std::int64_t leaf_blocks_of(const ColumnSecantJob& job) {
  const Job& rows = job.columns.rows;
  const std::int64_t coefficients = std::count_if(rows.q, rows.q + rows.n, [](double q) { return q != 0.0; });
  const std::int64_t usual = leaf_blocks_of(job.columns);
  if (coefficients < kFewLevels) return usual;
  std::int64_t together = kLaneRows / kBlockRows;
  while (together > 1 && together * 16 * kBlockRows > rows.m) together /= 2;
  return std::max(usual, together);
}

const ColumnSecantKernel& column_secant_of([[maybe_unused]] const Kernels& kernels) {
#ifdef CHAINRULE_HAS_AVX512
  if (&kernels == &avx512::kernels) return avx512::column_secant;
#endif
#ifdef CHAINRULE_HAS_AVX2
  if (&kernels == &avx2::kernels) return avx2::column_secant;
#endif
  return baseline::column_secant;
}

}  // namespace

// A large category's sums are as long as a leaf, and cost what they are long: a leaf has as many rows as they have slots, as far as
// there are leaves enough.
std::int64_t column_leaf_blocks(std::int64_t m, std::int64_t large_slots) {
  const std::int64_t blocks = (m + kBlockRows - 1) / kBlockRows;
  std::int64_t together = power_from((large_slots + kBlockRows - 1) / kBlockRows, 1, kMostLeafBlocks);
  while (together > 1 && together * 16 > blocks) together /= 2;
  return together;
}

Reading read_columns(const ColumnKernels& kernels, const ColumnJob& job, int threads, const std::function<bool()>& interrupted,
                     BadCode& bad) {
  const std::int64_t m = job.rows.m, blocks = (m + kBlockRows - 1) / kBlockRows;
  const std::int64_t per_leaf = leaf_blocks_of(job), leaves = (blocks + per_leaf - 1) / per_leaf;
  // The matrix of several leaves, one after the other, is one leaf of its own tree.
  const std::int64_t share = std::min<std::int64_t>(8, blocks / 16);
  const std::int64_t per_piece = (job.rows.what & kHessian) ? std::max<std::int64_t>(1, share / per_leaf) : 1;
  const std::int64_t pieces = (leaves + per_piece - 1) / per_piece;
  const Layout layout(job.rows);
  const std::int64_t matrix_size = MatrixLayout(job.rows).size;
  Tree tree(layout.size, layout.extremes, leaves), matrices(matrix_size, matrix_size, pieces);
  Spare scratches(kernels.scratch_doubles(job));
  Refusal refusal;
  run_pieces(pieces, threads, interrupted, [&](std::int64_t piece, Watch& watch) {
    if (refusal.before(piece)) return;
    Doubles scratch = scratches.take(), matrix = matrices.take_buffer();
    std::fill(matrix.begin(), matrix.end(), 0.0);
    for (std::int64_t leaf = piece * per_piece; leaf < std::min(leaves, (piece + 1) * per_piece); ++leaf) {
      if (leaf > piece * per_piece && watch.stops()) return;
      Doubles sums = tree.take_buffer();
      std::fill(sums.begin(), sums.begin() + layout.extremes, 0.0);
      std::fill(sums.begin() + layout.extremes, sums.end(), -std::numeric_limits<double>::infinity());
      const std::int64_t first = leaf * per_leaf * kBlockRows, end = std::min(m, first + per_leaf * kBlockRows);
      BadCode found;
      if (!kernels.leaf(job, first, end, sums.data(), matrix.data(), scratch.data(), found)) return refusal.tell(piece, found);
      tree.add(leaf, std::move(sums));
    }
    if (matrix_size) matrices.add(piece, std::move(matrix));
    scratches.give(std::move(scratch));
  });
  bad = refusal.bad();
  return {tree.root(), matrices.root()};
}

Doubles secant_columns(const Kernels& kernels, const ColumnSecantJob& job, int threads, const std::function<bool()>& interrupted,
                       BadCode& bad) {
  const ColumnSecantKernel& kernel = column_secant_of(kernels);
  const ColumnSecantLayout layout(job.columns.rows.n);
  const std::int64_t m = job.columns.rows.m, rows = leaf_blocks_of(job) * kBlockRows, leaves = (m - 1) / rows + 1;
  Tree tree(layout.size, layout.norm, leaves);
  Spare scratches(kernel.scratch_doubles(job));
  Refusal refusal;
  run_pieces(leaves, threads, interrupted, [&](std::int64_t leaf, Watch&) {
    if (refusal.before(leaf)) return;
    Doubles scratch = scratches.take(), sums = tree.take_buffer();
    std::fill(sums.begin(), sums.end(), 0.0);
    const std::int64_t first = leaf * rows;
    BadCode found;
    if (!kernel.leaf(job, first, std::min(m, first + rows), sums.data(), scratch.data(), found)) return refusal.tell(leaf, found);
    tree.add(leaf, std::move(sums));
    scratches.give(std::move(scratch));
  });
  bad = refusal.bad();
  return tree.root();
}

bool lies_in_columns(const Job& job) { return job.n == 1 || std::abs(job.row_stride) < std::abs(job.col_stride); }

Reading read_dense_columns(const Kernels& kernels, const Job& job, int threads, const std::function<bool()>& interrupted) {
  const auto n = static_cast<std::size_t>(job.n);
  std::vector<Part> parts(n);
  std::vector<Term> terms(n);
  for (std::size_t j = 0; j < n; ++j) {
    Part& part = parts[j];
    part.values = job.data + static_cast<std::ptrdiff_t>(j) * job.col_stride;
    part.stride = job.row_stride;
    part.end = std::numeric_limits<std::int64_t>::max();  // places are checked where they are given
    part.kind = job.is_float32 ? Kind::kFloat32 : Kind::kFloat64;
    Term& term = terms[j];
    term.at = term.column = static_cast<std::int64_t>(j);
    term.levels = 1;
    term.parts = &part;
    term.n_parts = 1;
    term.fill = std::numeric_limits<double>::quiet_NaN();
  }
  ColumnJob columns{};
  columns.rows = job;
  columns.terms = terms.data();
  columns.n_terms = job.n;
  if (job.what & kProduct) {
    columns.h = job.h;
    columns.product = job.z;
    columns.rows.z = nullptr;
  } else {
    columns.curvature = job.h;
  }
  BadCode none;
  return read_columns(column_kernels_of(kernels), columns, threads, interrupted, none);
}

const ColumnKernels& column_kernels_of(const Kernels& kernels) {
#ifdef CHAINRULE_HAS_AVX512
  if (&kernels == &avx512::kernels) return avx512::column_kernels;
#endif
#ifdef CHAINRULE_HAS_AVX2
  if (&kernels == &avx2::kernels) return avx2::column_kernels;
#endif
  return baseline::column_kernels;
}

}  // namespace chainrule
