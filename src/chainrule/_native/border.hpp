// What a bordered matrix takes beside BLAS: products of a border of which most numbers are 0.
#pragma once
#include <cstdint>
#include <vector>

namespace chainrule {

// Subtracts the sum over the rows x of a border (k, r) of x x' / pivot from the upper triangle of a matrix (r, r).
inline void subtract_border(const double* border, const double* pivots, std::int64_t k, std::int64_t r, double* matrix) {
  std::vector<std::int64_t> place(static_cast<std::size_t>(r) + 1);
  std::vector<double> x(static_cast<std::size_t>(r) + 1);
  for (std::int64_t j = 0; j < k; ++j, border += r) {
    std::size_t count = 0;
    for (std::int64_t i = 0; i < r; ++i) {
      place[count] = i;
      x[count] = border[i];
      count += border[i] != 0.0;
    }
    for (std::size_t a = 0; a < count; ++a) {
      const double share = x[a] / pivots[j];
      double* const row = matrix + place[a] * r;
      for (std::size_t b = a; b < count; ++b) row[place[b]] -= share * x[b];
    }
  }
}

}  // namespace chainrule
