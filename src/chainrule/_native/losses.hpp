// One struct a loss, of static functions, inlined by template. Included by what is compiled once per instruction set.
#pragma once

// The loss of one row and its derivatives in z, for eight rows.
struct Pointwise {
  Lanes loss, residual, curvature;
};

// Binary cross-entropy of z. With t = (1 - 2y) z:  loss = log(1 + e^t),  dL_dz = (1 - 2y) sigmoid(t),  d2L_dz2 = sigmoid(t) sigmoid(-t).
// Each keeps full relative accuracy, since neither g - y nor the log of a rounded g occurs.
struct Logistic {
  static inline Pointwise at(Lanes z, Lanes sign) {  // sign = 1 - 2y
    const Lanes t = sign * z;
    const Sides sides(z);
    const Lanes inverse = sides.large, small = sides.small;
    const Lanes log1p_e = log1p_unit(sides.e);
    const auto right = t < splat(0.0);  // the model is on the right side
    Pointwise p;
    p.loss = right ? log1p_e : t + log1p_e;
    p.residual = sign * (right ? small : inverse);
    p.curvature = small * inverse;
    return p;
  }

  // dL_dz at z + u minus dL_dz at z, the same for both classes, to full relative accuracy however small u is: with d = |u|,
  //   sigmoid(z + u) - sigmoid(z) = sigmoid(z + u) sigmoid(-z) (1 - e^-d) for u >= 0,  -sigmoid(z) sigmoid(-z - u) (1 - e^-d) for u < 0.
  static inline Lanes change(Lanes z, Lanes u) {
    const auto up = u >= splat(0.0);
    const Lanes before = up ? -z : z, after = up ? z + u : -z - u, rest = one_minus_exp(up ? u : -u);
    const Lanes size = Sides(z).of(before) * Sides(after).of(after) * rest;
    return up ? size : -size;
  }

 private:
  struct Sides {
    Lanes e, large, small;  // e^-|t|, sigmoid(|t|), sigmoid(-|t|)

    explicit inline Sides(Lanes t) {
      e = exp_negative((t < splat(0.0)) ? -t : t);
      large = splat(1.0) / (splat(1.0) + e);
      small = e * large;
    }
    inline Lanes of(Lanes t) const {  // sigmoid(t), of this t or -t
      return (t < splat(0.0)) ? small : large;
    }
  };
};
