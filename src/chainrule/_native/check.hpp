// A check of sparse rows' indices, before anything uses them as addresses.
#pragma once
#include <functional>
#include <optional>

#include "design.hpp"

namespace chainrule {

inline std::int64_t row_start(const Block& block, std::int64_t row) {
  return block.wide_indptr ? static_cast<const std::int64_t*>(block.indptr)[row] : static_cast<const std::int32_t*>(block.indptr)[row];
}

// The first bad row: its elements aren't there (indptr descends, or leaves the data), or they name a column that isn't there. If there is
// none, whether a row names a column twice.
struct Check {
  std::int64_t bad_row = -1;
  bool row_is_there = true;
  bool has_duplicates = false;
};
// Checks a sparse block with m rows and nnz elements. No value if `interrupted`, called on the calling thread, returned true.
std::optional<Check> check_sparse(const Block& block, std::int64_t m, std::int64_t nnz, int threads,
                                  const std::function<bool()>& interrupted);

}  // namespace chainrule
