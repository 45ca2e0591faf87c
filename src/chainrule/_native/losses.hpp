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
    const Lanes size = (t < splat(0.0)) ? -t : t;
    const Lanes e = exp_negative(size);  // e^-|t|
    const Lanes inverse = splat(1.0) / (splat(1.0) + e);
    const Lanes small = e * inverse;
    const Lanes log1p_e = log1p_unit(e);
    const auto right = t < splat(0.0);  // the model is on the right side
    Pointwise p;
    p.loss = right ? log1p_e : t + log1p_e;
    p.residual = sign * (right ? small : inverse);
    p.curvature = small * inverse;
    return p;
  }
};
