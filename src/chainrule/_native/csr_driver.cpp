// Leaves of sparse rows to threads, and their sums into one, column by column in a tree that sizes alone decide.
#include <algorithm>
#include <limits>
#include <memory>

#include "csr.hpp"
#include "driver.hpp"
#include "threads.hpp"

namespace chainrule {
namespace {

constexpr std::int64_t kLeastWork = 16384;      // of a leaf: less isn't worth a leaf
constexpr std::int64_t kWorkPerColumn = 16;     // of a leaf: its columns, cleared and added, cost a tenth of its elements
constexpr std::int64_t kLeastLeaves = 4;        // for threads to share, where their columns cost no more than half
constexpr std::int64_t kLeastPerColumn = 2;     // of the work in such a leaf
constexpr std::int64_t kFewLeaves = 16;         // that may be, however many columns there are
constexpr std::int64_t kLeafDoubles = 1 << 19;  // that all leaves take, where there are more
constexpr std::int64_t kRowsBetweenAsking = 4096;
constexpr std::int64_t kAddedAtOnce = 2048;
constexpr std::int64_t kWorthThreads = 200'000;  // numbers to add

// Powers of two, 1/most to most, by which sums can be multiplied as well as their terms.
bool is_tame(const double* p, std::int64_t n, double most) {
  bool tame = true;
  for (std::int64_t j = 0; j < n; ++j) tame = tame && p[j] >= 1.0 / most && p[j] <= most;
  return tame;
}

}  // namespace

std::int64_t CsrCuts::most_rows() const { return std::min(rows, work() / (row_work() * pieces) + 2); }

std::vector<std::int64_t> CsrCuts::of(const Csr& csr) const {
  std::vector<std::int64_t> cuts(static_cast<std::size_t>(pieces) + 1, rows);
  cuts[0] = 0;
  const std::int64_t each = row_work(), total = work();
  // The work of a piece's start: total k / pieces, rounded up, without the product.
  const auto target = [&](std::int64_t k) { return total / pieces * k + (total % pieces * k + pieces - 1) / pieces; };
  if (!csr.index) {
    for (std::int64_t k = 1; k < pieces; ++k) {
      std::int64_t low = cuts[static_cast<std::size_t>(k - 1)], high = rows;
      while (low < high) {
        const std::int64_t middle = low + (high - low) / 2;
        if (row_start(csr, middle) + each * middle < target(k))
          low = middle + 1;
        else
          high = middle;
      }
      cuts[static_cast<std::size_t>(k)] = low;
    }
    return cuts;
  }
  std::int64_t done = 0, k = 1;
  for (std::int64_t i = 0; i < rows; ++i) {
    while (k < pieces && done >= target(k)) cuts[static_cast<std::size_t>(k++)] = i;
    done += each + row_start(csr, csr.index[i] + 1) - row_start(csr, csr.index[i]);
  }
  return cuts;
}

std::int64_t csr_elements(const Csr& csr) {
  if (!csr.index) return row_start(csr, csr.m);
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < csr.m; ++i) sum += row_start(csr, csr.index[i] + 1) - row_start(csr, csr.index[i]);
  return sum;
}

CsrCuts csr_leaves(std::int64_t rows, std::int64_t n, std::int64_t nnz, std::int64_t width) {
  CsrCuts cuts{rows, nnz, 1};
  const std::int64_t per_column = cuts.work() / (width * n);
  const std::int64_t worth = std::max(per_column / kWorkPerColumn, std::min(per_column / kLeastPerColumn, kLeastLeaves));
  const std::int64_t room = std::max(kFewLeaves, kLeafDoubles / (width * n));
  const std::int64_t most = std::min({worth, room, cuts.work() / kLeastWork, rows / 8});
  while (2 * cuts.pieces <= most) cuts.pieces *= 2;  // a power of two falls evenly to most numbers of threads
  return cuts;
}

const CsrKernels& csr_kernels_of([[maybe_unused]] const Kernels& kernels) {
#ifdef CHAINRULE_HAS_AVX512
  if (&kernels == &avx512::kernels) return avx512::csr_kernels;
#endif
#ifdef CHAINRULE_HAS_AVX2
  if (&kernels == &avx2::kernels) return avx2::csr_kernels;
#endif
  return baseline::csr_kernels;
}

namespace {

using Kernel = void (*)(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums);

// Sums of a job's rows in leaves, added up in the first of them: leaf i of a level is the sum of leaves 2i and 2i + 1 below it.
class Leaves {
 public:
  Leaves(const CsrJob& job, const CsrCuts& cuts, int threads, const std::function<bool()>& interrupted)
      : job_(job), layout_(job), cuts_(cuts), threads_(threads), interrupted_(interrupted) {
    // Each thread clears its own leaves.
    sums_.reset(Aligned<double>().allocate(static_cast<std::size_t>(cuts.pieces * layout_.size)));
  }

  const CsrLayout& layout() const { return layout_; }
  double* sums(std::int64_t leaf) const { return sums_.get() + leaf * layout_.size; }

  bool fill(Kernel kernel, const std::function<void(double*)>& clear) {
    const std::vector<std::int64_t> starts = cuts_.of(job_.rows);
    return run_pieces(cuts_.pieces, threads_, interrupted_, [&](std::int64_t leaf, Watch& watch) {
      clear(sums(leaf));
      const std::int64_t end = starts[static_cast<std::size_t>(leaf + 1)];
      for (std::int64_t first = starts[static_cast<std::size_t>(leaf)]; first < end && !watch.stops(); first += kRowsBetweenAsking)
        kernel(job_, first, std::min(first + kRowsBetweenAsking, end), sums(leaf));
    });
  }

  // combine(to, other, from, end): elements `from` to `end` of two leaves. The columns' are added in strips that stay in the first cache.
  bool add(const std::function<void(double*, const double*, std::int64_t, std::int64_t)>& combine) {
    const std::int64_t strips = (layout_.size + kAddedAtOnce - 1) / kAddedAtOnce;
    const int threads = cuts_.pieces * layout_.size > kWorthThreads ? threads_ : 1;
    return run_pieces(strips, threads, interrupted_, [&](std::int64_t strip, Watch&) {
      const std::int64_t from = strip * kAddedAtOnce, end = std::min(from + kAddedAtOnce, layout_.size);
      for (std::int64_t step = 1; step < cuts_.pieces; step *= 2)
        for (std::int64_t leaf = 0; leaf + step < cuts_.pieces; leaf += 2 * step) combine(sums(leaf), sums(leaf + step), from, end);
    });
  }

 private:
  const CsrJob& job_;
  const CsrLayout layout_;
  const CsrCuts cuts_;
  const int threads_;
  const std::function<bool()>& interrupted_;
  struct Free {
    void operator()(double* memory) const { Aligned<double>().deallocate(memory, 0); }
  };
  std::unique_ptr<double[], Free> sums_;
};

double sum_eight(const double* a) { return ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7])); }

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Everything is added but the norm, of which the largest is kept.
bool sum_and_norm(Leaves& leaves, Kernel kernel) {
  const CsrLayout& layout = leaves.layout();
  const auto clear = [&](double* sums) {
    std::fill(sums, sums + layout.size, 0.0);
    sums[layout.norm] = -kInfinity;
  };
  const auto combine = [&](double* to, const double* other, std::int64_t from, std::int64_t end) {
    const double norm = other[layout.norm] > to[layout.norm] ? other[layout.norm] : to[layout.norm];
    for (std::int64_t j = from; j < end; ++j) to[j] += other[j];
    if (from <= layout.norm && layout.norm < end) to[layout.norm] = norm;
  };
  return leaves.fill(kernel, clear) && leaves.add(combine);
}

}  // namespace

std::optional<std::vector<double>> csr_read(const CsrKernels& kernels, const CsrJob& given, int threads,
                                            const std::function<bool()>& interrupted) {
  CsrJob job = given;
  const std::int64_t n = job.rows.n, gradient = (job.what & kGradient) ? n : 0, squares = (job.what & kSquares) ? n : 0;
  std::vector<double> folded;
  job.folded = job.p && is_tame(job.p, n, 0x1p256);
  if (job.folded && job.w) {
    folded.resize(static_cast<std::size_t>(n));
    for (std::int64_t j = 0; j < n; ++j) folded[static_cast<std::size_t>(j)] = job.w[j] * job.p[j];
    job.w = folded.data();
  }
  Leaves leaves(job, csr_leaves(job.rows.m, n, csr_elements(job.rows), 1), threads, interrupted);  // whatever is asked for: one loss
  const CsrLayout& layout = leaves.layout();
  if (!sum_and_norm(leaves, kernels.read)) return std::nullopt;

  const double* const first = leaves.sums(0);
  std::vector<double> sums{sum_eight(first + layout.loss), sum_eight(first + layout.correct), sum_eight(first + layout.weight),
                           first[layout.norm]};
  sums.reserve(static_cast<std::size_t>(5 + gradient + squares));
  for (std::int64_t j = 0; j < gradient; ++j) sums.push_back(first[layout.columns + j] * (job.folded ? job.p[j] : 1.0));
  if (gradient) sums.push_back(sum_eight(first + layout.bias));
  sums.insert(sums.end(), first + layout.squares, first + layout.squares + squares);
  return sums;
}

std::optional<std::vector<double>> csr_moments(const CsrKernels& kernels, const CsrJob& given, int threads,
                                               const std::function<bool()>& interrupted) {
  CsrJob job = given;
  job.what = kMoments;
  const std::int64_t n = job.rows.n, per = CsrLayout::kColumnMoments;
  Leaves leaves(job, csr_leaves(job.rows.m, n, csr_elements(job.rows), per), threads, interrupted);
  const CsrLayout& layout = leaves.layout();
  const auto clear = [&](double* sums) {
    std::fill(sums, sums + layout.size, 0.0);
    for (std::int64_t j = 0; j < n; ++j) {
      sums[layout.columns + per * j + 2] = kInfinity;
      sums[layout.columns + per * j + 3] = -kInfinity;
    }
  };
  // Strips begin at any of a column's numbers.
  const auto combine = [&](double* to, const double* other, std::int64_t from, std::int64_t end) {
    for (std::int64_t j = from; j < end; ++j) {
      const std::int64_t of = j < layout.columns ? 0 : (j - layout.columns) % per;
      to[j] = of == 2 ? std::min(to[j], other[j]) : of == 3 ? std::max(to[j], other[j]) : to[j] + other[j];
    }
  };
  if (!leaves.fill(kernels.moments, clear) || !leaves.add(combine)) return std::nullopt;

  const double* const first = leaves.sums(0);
  const double rows = first[layout.norm];
  std::vector<double> sums{sum_eight(first + layout.weight)};
  sums.reserve(static_cast<std::size_t>(1 + 4 * n));
  for (std::int64_t part = 0; part < 4; ++part)
    for (std::int64_t j = 0; j < n; ++j) {
      const double* const of = first + layout.columns + per * j;
      const bool has_zero = of[4] < rows;  // a row that stores nothing here
      sums.push_back(part == 2 && has_zero ? std::min(of[2], 0.0) : part == 3 && has_zero ? std::max(of[3], 0.0) : of[part]);
    }
  return sums;
}

std::optional<std::vector<double>> csr_secant(const CsrKernels& kernels, const CsrJob& given, int threads,
                                              const std::function<bool()>& interrupted) {
  CsrJob job = given;
  job.what = kSecant;
  const std::int64_t n = job.rows.n, per = CsrLayout::kColumnSecants;
  job.folded = job.p && is_tame(job.p, n, 0x1p64);  // it multiplies squares, twice
  Leaves leaves(job, csr_leaves(job.rows.m, n, csr_elements(job.rows), per), threads, interrupted);
  if (!sum_and_norm(leaves, kernels.secant)) return std::nullopt;

  const CsrLayout& layout = leaves.layout();
  const double* const first = leaves.sums(0);
  std::vector<double> sums(static_cast<std::size_t>(4 + per * (n + 1)));
  sums[0] = sum_eight(first + layout.loss);
  sums[1] = sum_eight(first + layout.correct);
  sums[2] = sum_eight(first + layout.weight);
  sums[3] = first[layout.norm];
  double* const parts = sums.data() + 4;
  for (std::int64_t j = 0; j < n; ++j) {
    const double* const of = first + layout.columns + per * j;
    const double p = job.folded ? job.p[j] : 1.0;
    for (std::int64_t part = 0; part < per; ++part) parts[part * (n + 1) + j] = of[part] * (part == 3 ? p * p : p);
  }
  const std::int64_t biases[] = {layout.bias, layout.change, layout.curvature, layout.curvature};
  for (std::int64_t part = 0; part < per; ++part) parts[part * (n + 1) + n] = sum_eight(first + biases[part]);
  return sums;
}

namespace {

// What is wrong with some rows, and whether one of them names a column twice.
struct Found {
  std::int64_t bad_row = -1;
  bool twice = false;
};

// Whether all of the columns are there; how often one isn't above the one before it.
template <typename I>
std::pair<bool, std::int64_t> scan(const I* column, std::int64_t size, std::int64_t n) {
  I smallest = 0, largest = 0;
  std::int64_t descents = 0;
  for (std::int64_t k = 0; k < size; ++k) {
    smallest = column[k] < smallest ? column[k] : smallest;
    largest = column[k] > largest ? column[k] : largest;
  }
  for (std::int64_t k = 1; k < size; ++k) descents += column[k] <= column[k - 1];
  return {smallest >= 0 && largest < n, descents};
}

template <typename I>
bool names_twice(const I* column, std::int64_t size, std::vector<std::uint64_t>& seen) {
  bool twice = false;
  for (std::int64_t k = 0; k < size; ++k) {
    std::uint64_t& word = seen[static_cast<std::size_t>(column[k]) / 64];
    const std::uint64_t bit = std::uint64_t{1} << (static_cast<std::uint64_t>(column[k]) % 64);
    twice = twice || (word & bit);
    word |= bit;
  }
  for (std::int64_t k = 0; k < size; ++k) seen[static_cast<std::size_t>(column[k]) / 64] = 0;
  return twice;
}

// All rows in one go, which tells whether any must be looked at by itself.
template <typename I>
Found look(const Csr& csr, std::int64_t nnz, std::int64_t first, std::int64_t end) {
  const I* const indices = static_cast<const I*>(csr.indices);
  for (std::int64_t i = first; i < end; ++i)
    if (row_start(csr, i) < 0 || row_start(csr, i) > row_start(csr, i + 1) || row_start(csr, i + 1) > nnz) return {i, false};
  const auto from = row_start(csr, first);
  const auto [inside, descents] = scan(indices + from, row_start(csr, end) - from, csr.n);
  std::int64_t between = 0;  // descents from one row to the next
  for (std::int64_t i = first; i < end; ++i) {
    const std::int64_t start = row_start(csr, i);
    if (start > from && start < row_start(csr, i + 1)) between += indices[start] <= indices[start - 1];
  }
  if (inside && descents == between) return {};
  std::vector<std::uint64_t> seen(static_cast<std::size_t>(csr.n / 64 + 1));  // a bit a column
  Found found;
  for (std::int64_t i = first; i < end; ++i) {
    const I* const column = indices + row_start(csr, i);
    const std::int64_t size = row_start(csr, i + 1) - row_start(csr, i);
    const auto [row_inside, row_descents] = scan(column, size, csr.n);
    if (!row_inside) return {i, false};
    if (row_descents && !found.twice) found.twice = names_twice(column, size, seen);
  }
  return found;
}

template <typename I>
std::optional<CsrCheck> check_as(const Csr& csr, std::int64_t nnz, int threads, const std::function<bool()>& interrupted) {
  constexpr std::int64_t kRows = 16384;
  const std::int64_t pieces = (csr.m + kRows - 1) / kRows;
  std::vector<Found> found(static_cast<std::size_t>(pieces));
  const auto look_at = [&](std::int64_t piece, Watch&) {
    found[static_cast<std::size_t>(piece)] = look<I>(csr, nnz, piece * kRows, std::min((piece + 1) * kRows, csr.m));
  };
  if (!run_pieces(pieces, threads, interrupted, look_at)) return std::nullopt;
  CsrCheck check;
  for (const Found& of : found) {
    check.has_duplicates = check.has_duplicates || of.twice;
    if (check.bad_row < 0) check.bad_row = of.bad_row;
  }
  if (check.bad_row < 0) return check;
  const std::int64_t from = row_start(csr, check.bad_row), to = row_start(csr, check.bad_row + 1);
  check.row_is_there = from >= 0 && from <= to && to <= nnz;
  return check;
}

}  // namespace

std::optional<CsrCheck> csr_check(const Csr& csr, std::int64_t nnz, int threads, const std::function<bool()>& interrupted) {
  return csr.wide_indices ? check_as<std::int64_t>(csr, nnz, threads, interrupted) : check_as<std::int32_t>(csr, nnz, threads, interrupted);
}

}  // namespace chainrule
