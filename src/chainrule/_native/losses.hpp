// One struct for each loss, of static functions, inlined by template. Included inside an instruction set's namespace.
//
// For `kWide` rows, from numeric labels and z (`outputs` vectors, `step` doubles apart), a loss computes: the loss, the residuals dL_dz
// times the rows' weights (as many), the curvature d2L_dz2 if there is one output, and whether the largest output is the label's.
// What binary losses need of z is computed for some rows in advance, in short loops (`Odds`): a row's chain of operations is so long that
// the processor could not work on enough rows at once.
#pragma once
#include "simd.hpp"

struct Pointwise {
  V loss, curvature;
  I right;
};

// For the z of some rows: e^-|z|, 1/(1 + e^-|z|), log(1 + e^-|z|).
struct Odds {
  static constexpr std::int64_t most = 64;  // rows, few enough that their numbers stay in the L1 cache
  alignas(64) double e[most], large[most], log1p[most];

  void look_at(const double* z, std::int64_t rows) {
    for (std::int64_t i = 0; i < rows; i += kWide) store(e + i, exp_negative(size_of(load(z + i))));
    for (std::int64_t i = 0; i < rows; i += kWide) store(large + i, splat(1.0) / (splat(1.0) + load(e + i)));
  }
  void look_at_loss(const double* z, std::int64_t rows) {
    look_at(z, rows);
    for (std::int64_t i = 0; i < rows; i += kWide) store(log1p + i, log1p_unit(load(e + i)));
  }
};

// Binary cross-entropy of z. With t = (1 - 2y) z:  loss = log(1 + e^t),  dL_dz = (1 - 2y) sigmoid(t),  d2L_dz2 = sigmoid(t) sigmoid(-t).
// Each has full relative accuracy, since neither g - y nor the log of a rounded g is computed.
struct Logistic {
  static constexpr bool is_given = false, is_binary = true;
  V loss, residual, curvature;
  V wrong, rest, over;  // probability of the other class, sigmoid(t); 1 - wrong; 1 over the larger of both

  static inline Logistic at(V z, const Odds& odds, std::int64_t k, V label) {
    const V sign = splat(1.0) - splat(2.0) * label, t = sign * z;
    const Sides sides(odds, k);
    const V log1p_e = load(odds.log1p + k);
    const auto right = t < splat(0.0);  // z is on the correct side
    const V wrong = right ? sides.small : sides.large, rest = right ? sides.large : sides.small;
    return {right ? log1p_e : t + log1p_e, sign * wrong, sides.small * sides.large, wrong, rest, splat(1.0) + load(odds.e + k)};
  }
  // Class 1 if z > 0.
  static inline I is_right(V z, V label) { return (label > splat(0.5)) == (z > splat(0.0)); }

  static inline Pointwise point(const double* z, const Odds& odds, std::int64_t k, std::int64_t, std::int64_t, V label, V weight,
                                double* residual) {
    const V at_z = load(z);
    const Logistic found = at(at_z, odds, k, label);
    store(residual, weight * found.residual);
    return {found.loss, found.curvature, is_right(at_z, label)};
  }

  // dL_dz at z + u minus dL_dz at z, the same for both classes, to full relative accuracy however small u is: with d = |u|,
  //   sigmoid(z + u) - sigmoid(z) = sigmoid(z + u) sigmoid(-z) (1 - e^-d) for u >= 0,  -sigmoid(z) sigmoid(-z - u) (1 - e^-d) for u < 0.
  // rest: 1 - e^-d.
  static inline V change(V z, V u, const Odds& at_z, const Odds& there, std::int64_t k, V rest) {
    const auto up = u >= splat(0.0);
    const V before = up ? -z : z, after = up ? z + u : -z - u;
    const V size = Sides(at_z, k).of(before) * Sides(there, k).of(after) * rest;
    return up ? size : -size;
  }

 private:
  struct Sides {
    V large, small;  // sigmoid(|t|), sigmoid(-|t|)

    inline Sides(const Odds& odds, std::int64_t k) : large(load(odds.large + k)), small(load(odds.e + k) * large) {}
    inline V of(V t) const { return (t < splat(0.0)) ? small : large; }  // sigmoid(t), of this t or -t
  };
};

// Cross-entropy over K classes, l = log sum_k e^z_k - z_y, with probabilities p: dL_dz_k = p_k - [k = y], for k = y minus the sum of the
// others. Its curvature is a matrix, which is not computed yet.
struct Softmax {
  static constexpr bool is_given = false, is_binary = false;

  static inline Pointwise point(const double* z, const Odds&, std::int64_t, std::int64_t outputs, std::int64_t step, V label, V weight,
                                double* residual) {
    V most = load(z), own = most, first = V{};
    for (std::int64_t k = 1; k < outputs; ++k) {
      const V zk = load(z + k * step), at = splat(static_cast<double>(k));
      first = (zk > most) ? at : first;
      most = (zk > most) ? zk : most;
      own = (label == at) ? zk : own;
    }
    V rest = {}, others = {};  // sums of e^(z_k - most): of all but the first largest, and of all but the label's
    for (std::int64_t k = 0; k < outputs; ++k) {
      const V e = exp_negative(most - load(z + k * step)), at = splat(static_cast<double>(k));
      rest += (first == at) ? splat(0.0) : e;
      others += (label == at) ? splat(0.0) : e;
      store(residual + k * step, e);
    }
    const V inverse = splat(1.0) / (splat(1.0) + rest);
    for (std::int64_t k = 0; k < outputs; ++k) {
      const auto is_own = label == splat(static_cast<double>(k));
      store(residual + k * step, weight * (inverse * (is_own ? -others : load(residual + k * step))));
    }
    return {(most - own) + log1p_positive(rest), V{}, first == label};
  }
};
