// One fused read of sparse rows along a direction: at z that are kept, the loss, the gradient, how it changes, and the Hessian's last
// column and diagonal. Compiled once per instruction set.
//
// A column's four sums lie beside each other, so that an element is added to them by one multiply-add of four lanes. Nothing from the
// standard library's templates is used here, as in kernels.cpp.
#include "csr.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace chainrule {
namespace CHAINRULE_ISA {

#include "csr_rows.hpp"

namespace {

typedef double Four __attribute__((vector_size(32)));

// Columns whose sums take more than the second cache can keep beside v and the rows: they are asked for before their turn.
constexpr std::int64_t kManyColumns = 1 << 15;

// x.v and |x|^2, their products in eight lanes. `to`: what the row will be added to, where that is asked for now; or null.
template <bool Viewed, typename T, typename I>
inline void look_along(const Row<T, I>& row, const CsrJob& job, const Four* to, Lanes& product, Lanes& square) {
  Lanes a = {}, c = {};
  for (std::int64_t k = 0; k < row.size; k += 8) {
    fetch(row, k);
    const std::int64_t count = eight_of(row.size - k);
    const Lanes x = elements<Viewed>(row, k, count, job.p);
    a += x * gather(job.w, row.column + k, count);
    c += x * x;
    for (std::int64_t l = k; to && l < k + count; ++l) __builtin_prefetch(to + row.column[l], 1, 2);
  }
  product = a;
  square = c;
}

// to += (r, e, h, h x) x, in two multiply-adds.
template <bool Viewed, typename T, typename I>
inline void scatter(const Row<T, I>& row, double r, double e, double h, const double* p, Four* to) {
  const Four first = {r, e, h, 0.0}, second = {0.0, 0.0, 0.0, h};
  for (std::int64_t l = 0; l < row.size; ++l) {
    const double x = Viewed ? static_cast<double>(row.x[l]) * p[row.column[l]] : static_cast<double>(row.x[l]);
    to[row.column[l]] += (first + second * x) * x;
  }
}

// Of a group's rows, times their weights.
struct Terms {
  Lanes r, e, h;
};

// The loss of up to eight rows and its derivatives at z, and along u. A row of weight 0 may have any z.
inline Terms terms_of(const CsrJob& job, std::int64_t first, std::int64_t rows, Lanes s, Lanes u, Totals& totals) {
  const Lanes given = eight(job.at + first, rows);
  const Lanes z = (s != splat(0.0)) ? given : splat(0.0);
  const Lanes sign = signs_of(job.y + first, rows);
  const Pointwise at = Logistic::at(z, sign);
  totals.add(at, sign, s, z);
  return {s * at.residual, s * Logistic::change(z, u), s * at.curvature};
}

// As in a plain read, the rows of one group are scattered between the dot products of the next.
template <bool Viewed, bool Folded, typename T, typename I>
void run(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums) {
  const CsrLayout layout(job);
  Four* const columns = reinterpret_cast<Four*>(sums + layout.columns);
  Totals totals(layout, sums);
  Four* const asked = job.rows.n >= kManyColumns ? columns : nullptr;
  Lanes change = load(sums + layout.change), curvature = load(sums + layout.curvature), norm = splat(sums[layout.norm]);
  Group<T, I> groups[2];
  Terms terms = {};
  std::int64_t turn = 0;
  for (std::int64_t i = first; i < end; i += 8, turn = 1 - turn) {
    Group<T, I>& group = groups[turn];
    const Group<T, I>& before = groups[1 - turn];
    group.look_at(job, i, end);
    Lanes products[8], squares[8];
    for (std::int64_t k = 0; k < 8; ++k) {
      look_along<Viewed>(group.row[k], job, asked, products[k], squares[k]);
      scatter<Viewed && !Folded>(before.row[k], terms.r[k], terms.e[k], terms.h[k], job.p, columns);
    }
    const Lanes u = sum_lanes(products) + splat(job.b);
    put(job.z + i, u, group.rows);
    terms = terms_of(job, i, group.rows, group.s, u, totals);
    totals.weight += group.s;
    totals.bias += terms.r;
    change += terms.e;
    curvature += terms.h;
    const Lanes found = (group.s != splat(0.0)) ? sum_lanes(squares) : splat(0.0);
    norm = (found <= norm) ? norm : found;
  }
  for (std::int64_t k = 0; k < 8; ++k)
    scatter<Viewed && !Folded>(groups[1 - turn].row[k], terms.r[k], terms.e[k], terms.h[k], job.p, columns);
  totals.keep(layout, sums);
  store(sums + layout.change, change);
  store(sums + layout.curvature, curvature);
  for (std::int64_t k = 0; k < 8; ++k)
    if (!(norm[k] <= sums[layout.norm])) sums[layout.norm] = norm[k];
}

}  // namespace

void csr_secant(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums) {
  by_type(job.rows, [&](auto x, auto column) {
    if (!job.p)
      run<false, false, decltype(x), decltype(column)>(job, first, end, sums);
    else if (job.folded)
      run<true, true, decltype(x), decltype(column)>(job, first, end, sums);
    else
      run<true, false, decltype(x), decltype(column)>(job, first, end, sums);
  });
}

}  // namespace CHAINRULE_ISA
}  // namespace chainrule
