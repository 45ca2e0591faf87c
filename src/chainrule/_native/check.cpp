#include "check.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "threads.hpp"

namespace chainrule {
namespace {

// The first bad row, if any, and whether a row names a column twice.
struct Found {
  std::int64_t bad_row = -1;
  bool twice = false;
};

// Whether all of the columns exist, and how often one isn't above the one before it.
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

// All rows in one pass, which shows whether any must be checked separately.
template <typename I>
Found look(const Block& csr, std::int64_t nnz, std::int64_t first, std::int64_t end) {
  const I* const indices = static_cast<const I*>(csr.indices);
  for (std::int64_t i = first; i < end; ++i)
    if (row_start(csr, i) < 0 || row_start(csr, i) > row_start(csr, i + 1) || row_start(csr, i + 1) > nnz) return {i, false};
  const auto from = row_start(csr, first);
  const auto [inside, descents] = scan(indices + from, row_start(csr, end) - from, csr.slots);
  std::int64_t between = 0;  // descents from one row to the next
  for (std::int64_t i = first; i < end; ++i) {
    const std::int64_t start = row_start(csr, i);
    if (start > from && start < row_start(csr, i + 1)) between += indices[start] <= indices[start - 1];
  }
  if (inside && descents == between) return {};
  std::vector<std::uint64_t> seen(static_cast<std::size_t>(csr.slots / 64 + 1));  // one bit per column
  Found found;
  for (std::int64_t i = first; i < end; ++i) {
    const I* const column = indices + row_start(csr, i);
    const std::int64_t size = row_start(csr, i + 1) - row_start(csr, i);
    const auto [row_inside, row_descents] = scan(column, size, csr.slots);
    if (!row_inside) return {i, false};
    if (row_descents && !found.twice) found.twice = names_twice(column, size, seen);
  }
  return found;
}

template <typename I>
std::optional<Check> check_as(const Block& csr, std::int64_t m, std::int64_t nnz, int threads, const std::function<bool()>& interrupted) {
  const std::int64_t pieces = (m + kBlockRows - 1) / kBlockRows;
  std::vector<Found> found(static_cast<std::size_t>(pieces));
  const auto look_at = [&](std::int64_t piece, Watch&) {
    found[static_cast<std::size_t>(piece)] = look<I>(csr, nnz, piece * kBlockRows, std::min((piece + 1) * kBlockRows, m));
  };
  if (!run_pieces(pieces, threads, interrupted, look_at)) return std::nullopt;
  Check check;
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

std::optional<Check> check_sparse(const Block& block, std::int64_t m, std::int64_t nnz, int threads,
                                  const std::function<bool()>& interrupted) {
  return block.wide_indices ? check_as<std::int64_t>(block, m, nnz, threads, interrupted)
                            : check_as<std::int32_t>(block, m, nnz, threads, interrupted);
}

}  // namespace chainrule
