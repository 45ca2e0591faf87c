// Labels as 0 and 1, in one go over numbers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace chainrule {

// Codes of y's two labels, 1 for the larger, and both labels, smaller first; nothing where y has not exactly two.
template <typename T>
std::optional<std::pair<T, T>> two_labels(const T* y, std::size_t m, std::uint8_t* codes) {
  std::size_t k = 1;
  while (k < m && y[k] == y[0]) ++k;
  if (k >= m) return std::nullopt;
  const T low = y[k] < y[0] ? y[k] : y[0], high = y[k] < y[0] ? y[0] : y[k];
  std::uint8_t strange = !(low < high);  // a NaN is neither smaller nor larger
  for (std::size_t i = 0; i < m; ++i) {
    const std::uint8_t is_high = y[i] == high, is_low = y[i] == low;
    codes[i] = is_high;
    strange |= static_cast<std::uint8_t>(is_high == is_low);
  }
  if (strange) return std::nullopt;
  return std::make_pair(low, high);
}

}  // namespace chainrule
