// What a bordered matrix takes beside BLAS: products of a border of which most numbers are 0.
#pragma once
#include <cstdint>
#include <vector>

namespace chainrule {

// The numbers of a row that aren't 0, and their places.
class Nonzero {
 public:
  explicit Nonzero(std::int64_t r) : place(static_cast<std::size_t>(r) + 1), x(static_cast<std::size_t>(r) + 1) {}

  void look_at(const double* row) {
    count = 0;
    for (std::size_t i = 0; i + 1 < x.size(); ++i) {
      place[count] = static_cast<std::int64_t>(i);
      x[count] = row[i];
      count += row[i] != 0.0;
    }
  }

  std::size_t count = 0;
  std::vector<std::int64_t> place;
  std::vector<double> x;
};

// Subtracts the sum over the rows x of a border (k, r) of x x' / pivot from the upper triangle of a matrix (r, r).
inline void subtract_border(const double* border, const double* pivots, std::int64_t k, std::int64_t r, double* matrix) {
  Nonzero some(r);
  for (std::int64_t j = 0; j < k; ++j, border += r) {
    some.look_at(border);
    for (std::size_t a = 0; a < some.count; ++a) {
      const double share = some.x[a] / pivots[j];
      double* const row = matrix + some.place[a] * r;
      for (std::size_t b = a; b < some.count; ++b) row[some.place[b]] -= share * some.x[b];
    }
  }
}

// x' M x for each row x of a border (k, r), from the upper triangle of M (r, r).
inline std::vector<double> border_products(const double* border, const double* matrix, std::int64_t k, std::int64_t r) {
  std::vector<double> products(static_cast<std::size_t>(k));
  Nonzero some(r);
  for (double& product : products) {
    some.look_at(border);
    border += r;
    for (std::size_t a = 0; a < some.count; ++a) {
      const double* const row = matrix + some.place[a] * r;
      double sum = 0.0;
      for (std::size_t b = a + 1; b < some.count; ++b) sum += row[some.place[b]] * some.x[b];
      product += some.x[a] * (row[some.place[a]] * some.x[a] + 2.0 * sum);
    }
  }
  return products;
}

}  // namespace chainrule
