// Numeric labels as 0 and 1, in one pass.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>

#include "design.hpp"

namespace chainrule {

// Writes codes, 1 for the larger label, and returns both labels, smaller first; nothing if y has not exactly two.
template <typename T>
std::optional<std::pair<T, T>> two_labels(const Kernels& kernels, Number number, const T* y, std::int64_t m, std::uint8_t* codes) {
  std::int64_t k = 1;
  while (k < m && y[k] == y[0]) ++k;
  if (k >= m) return std::nullopt;
  const T low = y[k] < y[0] ? y[k] : y[0], high = y[k] < y[0] ? y[0] : y[k];
  if (!(low < high)) return std::nullopt;  // a NaN is neither smaller nor larger
  if (!kernels.encode(number, y, m, &low, &high, codes)) return std::nullopt;
  return std::make_pair(low, high);
}

}  // namespace chainrule
