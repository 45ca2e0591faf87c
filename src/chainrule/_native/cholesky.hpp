// The Cholesky factor of a small symmetric matrix. Included inside an instruction set's namespace.
#pragma once

// Subtracts from `count` rows of the trailing matrix, one or two, what four pivot rows give: each number is read and written once for four.
template <int count>
inline void subtract_pivots(const double* pivots, std::int64_t ld, double* rows, std::int64_t r, std::int64_t k) {
  double factor[count][4];
  for (int i = 0; i < count; ++i)
    for (int p = 0; p < 4; ++p) factor[i][p] = -pivots[p * ld + r + i];
  std::int64_t j = r;
  for (; j + kWide <= k; j += kWide)
    for (int i = 0; i < count; ++i) {
      V x = load(rows + i * ld + j);
      for (int p = 0; p < 4; ++p) x = multiply_add(splat(factor[i][p]), load(pivots + p * ld + j), x);
      store(rows + i * ld + j, x);
    }
  for (; j < k; ++j)
    for (int i = 0; i < count; ++i)
      for (int p = 0; p < 4; ++p) rows[i * ld + j] = multiply_add(factor[i][p], pivots[p * ld + j], rows[i * ld + j]);
}

// U with U'U = H in the upper triangle of H (k, k), whose rows are ld apart; the lower one is overwritten. False if a pivot is too small.
inline bool cholesky(double* H, std::int64_t k, std::int64_t ld) {
  for (std::int64_t first = 0; first < k; first += 4) {
    const std::int64_t end = first + 4 < k ? first + 4 : k;
    for (std::int64_t i = first; i < end; ++i) {
      double* const row = H + i * ld;
      if (!(row[i] > 1e-12)) return false;
      const double pivot = 1.0 / __builtin_sqrt(row[i]);
      for (std::int64_t j = i; j < k; ++j) row[j] *= pivot;
      for (std::int64_t r = i + 1; r < end; ++r)
        for (std::int64_t j = r; j < k; ++j) H[r * ld + j] = multiply_add(-row[r], row[j], H[r * ld + j]);
    }
    if (end - first < 4) break;  // nothing is left below
    const double* const pivots = H + first * ld;
    std::int64_t r = end;
    for (; r + 2 <= k; r += 2) subtract_pivots<2>(pivots, ld, H + r * ld, r, k);
    if (r < k) subtract_pivots<1>(pivots, ld, H + r * ld, r, k);
  }
  return true;
}
