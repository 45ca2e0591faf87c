// Passes over vectors of the rows, eight at a time. Compiled once per instruction set. Nothing from the standard library's templates is
// used here, as in kernels.cpp.
#include "vectors.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace chainrule {
namespace CHAINRULE_ISA {

#include "lanes.hpp"
#include "losses.hpp"

namespace {

// Eight rows; those past the end, and those of weight 0, have zeros for z, u and z'.
struct Eight {
  Lanes z, u, next, s, sign;  // sign = 1 - 2y

  Eight(const VectorJob& job, std::int64_t i, std::int64_t end) {
    const std::int64_t rows = end - i;
    if (rows >= 8) {
      z = load(job.z + i);
      u = load(job.u + i);
      s = job.s ? load(job.s + i) : splat(1.0);
      sign = signs_of(job.y + i);
    } else {
      double zs[8] = {}, us[8] = {}, weights[8] = {};
      std::uint8_t y[8] = {};
      for (std::int64_t k = 0; k < rows; ++k) {
        zs[k] = job.z[i + k];
        us[k] = job.u[i + k];
        weights[k] = job.s ? job.s[i + k] : 1.0;
        y[k] = job.y[i + k];
      }
      z = load(zs);
      u = load(us);
      s = load(weights);
      sign = signs_of(y);
    }
    next = z + splat(job.t) * u + splat(job.shift);
    if (job.next && rows >= 8) store(job.next + i, next);
    for (std::int64_t k = 0; job.next && rows < 8 && k < rows; ++k) job.next[i + k] = next[k];
    const auto counts = s > splat(0.0);
    z = counts ? z : splat(0.0);
    u = counts ? u : splat(0.0);
    next = counts ? next : splat(0.0);
  }
};

inline Lanes size_of(Lanes x) { return (x < splat(0.0)) ? -x : x; }

void along_block(const VectorJob& job, std::int64_t first, std::int64_t end, double* sums) {
  Lanes a[along::kSize] = {};
  for (std::int64_t i = first; i < end; i += 8) {
    const Eight rows(job, i, end);
    const Pointwise at = Logistic::at(rows.next, rows.sign);
    const Lanes r = rows.s * at.residual, h = rows.s * at.curvature, hu = h * rows.u;
    a[along::kLoss] += rows.s * at.loss;
    a[along::kSlopeT] += r * rows.u;
    a[along::kSlopeB] += r;
    a[along::kBendTT] += hu * rows.u;
    a[along::kBendTB] += hu;
    a[along::kBendBB] += h;
  }
  for (int k = 0; k < along::kSize; ++k) sums[k] = sum(a[k]);
}

// At least KL(D || R) of two points of the unit interval that are `moved` = D - R apart; other = 1 - R. The terms of
// a k(c/a) + b k(-c/b), k(x) = (1 + x) log(1 + x) - x, are at most x^2/2 each, and one with x < 0, where |x| <= 1, at most |x|^3/2 more.
inline Lanes divergence(Lanes moved, Lanes size, Lanes R, Lanes other) {
  const Lanes left = size / ((moved < splat(0.0)) ? R : other);
  const Lanes bound = splat(0.5) * size * (size / (R * other) + left * left);
  const Lanes finite = (bound >= splat(0.0)) ? bound : splat(__builtin_inf());
  return (moved == splat(0.0)) ? splat(0.0) : finite;
}

void feasible_block(const VectorJob& job, std::int64_t first, std::int64_t end, double* sums) {
  Lanes a[feasible::kLargest] = {}, largest = {};
  for (std::int64_t i = first; i < end; i += 8) {
    const Eight rows(job, i, end);
    const Pointwise at = Logistic::at(rows.z, rows.sign), there = Logistic::at(rows.z + rows.u, rows.sign),
                    next = Logistic::at(rows.next, rows.sign);
    // All as of the wrong class: D = (1 - 2y) d, its part of the dual point, and R, its part of g'.
    const Lanes before = rows.sign * at.residual;
    const Lanes free = before + splat(job.t) * (rows.sign * there.residual - before) - splat(job.pull) * (rows.sign * at.curvature);
    const Lanes least = (free > splat(0.0)) ? free : splat(0.0);
    const Lanes D = (least < splat(1.0)) ? least : splat(1.0);
    const Lanes R = rows.sign * next.residual;
    const Lanes other = (R <= splat(0.5)) ? splat(1.0) - R : next.curvature / R;
    // On the side where nothing large cancels: 1 - D is exact for D >= 1/2.
    const Lanes moved = (D < splat(0.5)) ? D - R : other - (splat(1.0) - D);
    const Lanes size = size_of(moved);
    const Lanes sD = rows.s * D;
    const auto is_one = rows.sign < splat(0.0), right = is_one ? rows.next > splat(0.0) : rows.next <= splat(0.0);
    a[feasible::kLoss] += rows.s * next.loss;
    a[feasible::kCorrect] += right ? rows.s : splat(0.0);
    a[feasible::kDivergence] += rows.s * divergence(moved, size, R, other);
    a[feasible::kClipped] += rows.s * size_of(D - free);
    a[feasible::kOnes] += is_one ? sD : splat(0.0);
    a[feasible::kZeros] += is_one ? splat(0.0) : sD;
    a[feasible::kSquare] += sD * D;
    a[feasible::kMoved] += rows.s * size;
    const Lanes far = size_of(rows.next);
    largest = (far > largest) ? far : largest;
  }
  for (int k = 0; k < feasible::kLargest; ++k) sums[k] = sum(a[k]);
  sums[feasible::kLargest] = 0.0;
  for (int k = 0; k < 8; ++k)
    if (largest[k] > sums[feasible::kLargest]) sums[feasible::kLargest] = largest[k];
}

}  // namespace

extern const VectorKernels vector_kernels;
const VectorKernels vector_kernels = {along_block, feasible_block};

}  // namespace CHAINRULE_ISA
}  // namespace chainrule
