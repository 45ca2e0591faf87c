// Factors of a piece's rows: from z and labels to losses, residuals and curvatures, and their scalar sums. Included inside an
// instruction set's namespace. Each quantity is one function here.
#pragma once
#include "piece.hpp"

// Eight lanes that add up over a piece.
struct Sum8 {
  V a[kEight] = {};

  void add(int e, V x) { a[e] += x; }
  double total() const { return sum_eight(a); }
};

// The rows of a piece at a group of points.
struct Points {
  std::int64_t most, first, count;                    // rows of a piece at most; the group's points
  double* z;                                          // (points outputs, most)
  double* terms;                                      // (points (linear + square), most)
  double* matrix;                                     // a row's factor in the matrix of the first point
  double *weight, *loss, *curvature, *given, *other;  // (most)
  double* sums;                                       // (along or feasible sums, most): what a row adds to each
};

inline double sum_of(const double* x, std::int64_t padded) {
  Sum8 sums;
  for (std::int64_t i = 0; i < padded; i += 8)
    for (int e = 0; e < kEight; ++e) sums.add(e, load(x + i + kWide * e));
  return sums.total();
}

// Rows from row i on that are processed together.
inline std::int64_t some(const Piece& piece, std::int64_t i) { return piece.padded - i < Odds::most ? piece.padded - i : Odds::most; }

// x <- s x, to <- x.
inline void weigh(const double* s, std::int64_t padded, double* x) {
  for (std::int64_t i = 0; i < padded; i += kWide) store(x + i, load(s + i) * load(x + i));
}
inline void copy(const double* x, std::int64_t padded, double* to) {
  for (std::int64_t i = 0; i < padded; i += kWide) store(to + i, load(x + i));
}

// A row's weight at a point: the data's weight times the point's.
inline const double* weights_at(const Job& job, const Piece& piece, std::int64_t point, double* memory) {
  if (!job.row_weights) return piece.s;
  piece.take(job.row_weights + point * job.m, memory);
  weigh(piece.s, piece.padded, memory);
  return memory;
}

template <typename Loss>
inline void point_losses(const Job& job, const Piece& piece, const Points& at, double* scalars) {
  const std::int64_t each = job.linear() + job.square(), outputs = job.outputs, step = at.most;
  for (std::int64_t p = 0; p < at.count; ++p) {
    const double* const s = weights_at(job, piece, at.first + p, at.weight);
    const double* const z = at.z + p * outputs * step;
    double* term = at.terms + p * each * step;
    // Residuals need a place even if the gradient isn't asked for.
    double* const residual = job.has(kGradient) ? term : at.other;
    double* const curvature = at.first + p == 0 ? at.matrix : at.curvature;
    double* const to = scalars + p * scalar::kSize;
    if constexpr (!Loss::is_given) {
      Sum8 loss, correct, weight;
      Odds odds;
      for (std::int64_t i = 0; i < piece.padded; i += 8) {
        if (Loss::is_binary && i % Odds::most == 0) odds.look_at_loss(z + i, some(piece, i));
        for (int e = 0; e < kEight; ++e) {
          const std::int64_t k = i + kWide * e;
          const V sk = load(s + k);
          const Pointwise found = Loss::point(z + k, odds, k % Odds::most, outputs, step, load(piece.label + k), sk, residual + k);
          store(curvature + k, found.curvature);
          loss.add(e, sk * found.loss);
          correct.add(e, found.right ? sk : splat(0.0));
          weight.add(e, sk);
        }
      }
      to[scalar::kLoss] += loss.total();
      to[scalar::kCorrect] += correct.total();
      to[scalar::kWeight] += weight.total();
    } else {
      Loss::points(job, piece, z, step, s, residual, at.loss, curvature, to);
    }
    to[scalar::kRows] += static_cast<double>(piece.rows);
    if (job.h_out) piece.give(curvature, job.h_out + (at.first + p) * job.m);
    if (job.has(kHessian)) weigh(s, piece.padded, curvature);
    for (std::int64_t k = 0; job.has(kGradient) && k < outputs; ++k, term += step)
      if (Loss::is_given) weigh(s, piece.padded, term);
    if (job.has(kSums)) copy(s, piece.padded, term), term += step;
    if (job.has(kSquares)) copy(s, piece.padded, term);
  }
}

// A loss given as a function of the rows' z.
struct Given {
  static constexpr bool is_given = true;

  static void points(const Job& job, const Piece& piece, const double* z, std::int64_t step, const double* s, double* residual,
                     double* loss, double* curvature, double* scalars) {
    job.given.call(job.given.context, piece.rows, step, z, piece.label, loss, residual, curvature);
    for (std::int64_t i = piece.rows; i < piece.padded; ++i) {
      loss[i] = curvature[i] = 0.0;
      for (std::int64_t k = 0; k < job.outputs; ++k) residual[k * step + i] = 0.0;
    }
    Sum8 total, correct;
    for (std::int64_t i = 0; i < piece.padded; i += 8)
      for (int e = 0; e < kEight; ++e) {
        const std::int64_t k = i + kWide * e;
        const V sk = load(s + k);
        total.add(e, sk * load(loss + k));
        correct.add(e, Logistic::is_right(load(z + k), load(piece.label + k)) ? sk : splat(0.0));
      }
    scalars[scalar::kLoss] += total.total();
    scalars[scalar::kCorrect] += correct.total();
    scalars[scalar::kWeight] += sum_of(s, piece.padded);
  }
};

// Without a loss: a row's weight is s h, or s if no h is given.
inline void point_weights(const Job& job, const Piece& piece, const Points& at, double* scalars) {
  const std::int64_t each = job.linear() + job.square(), step = at.most;
  if (job.h) piece.take(job.h, at.given);
  for (std::int64_t p = 0; p < at.count; ++p) {
    const double* const s = weights_at(job, piece, at.first + p, at.weight);
    double* const c = at.first + p == 0 ? at.matrix : at.curvature;
    double* term = at.terms + p * each * step;
    copy(job.h ? at.given : s, piece.padded, c);
    if (job.h) weigh(s, piece.padded, c);
    if (job.has(kProduct)) {
      copy(at.z + p * step, piece.padded, term);
      weigh(c, piece.padded, term);
      term += step;
    }
    if (job.has(kSums)) copy(c, piece.padded, term), term += step;
    if (job.has(kSquares)) copy(c, piece.padded, term);
    scalars[p * scalar::kSize + scalar::kWeight] += sum_of(c, piece.padded);
    scalars[p * scalar::kSize + scalar::kRows] += static_cast<double>(piece.rows);
  }
}

// At given z, with u = x~.v in the place of z: the gradient's residual, its change along u, and, for kSums and kSquares, the curvature.
inline void point_secant(const Job& job, const Piece& piece, const Points& at, double* scalars) {
  Sum8 loss, correct, weight;
  const double* const given = piece.seen(job.z, at.given);
  double* const curvature = job.has(kSums) ? at.terms + 2 * at.most : nullptr;
  double* const square = job.has(kSquares) ? at.terms + job.linear() * at.most : nullptr;
  Odds odds, there;
  for (std::int64_t i = 0; i < piece.padded; i += 8) {
    if (i % Odds::most == 0) {
      odds.look_at_loss(given + i, some(piece, i));
      for (std::int64_t k = i; k < i + some(piece, i); k += kWide) {
        store(at.other + k, load(given + k) + load(at.z + k));
        store(at.curvature + k, one_minus_exp(size_of(load(at.z + k))));
      }
      there.look_at(at.other + i, some(piece, i));
    }
    for (int e = 0; e < kEight; ++e) {
      const std::int64_t k = i + kWide * e, j = k % Odds::most;
      const V s = load(piece.s + k), label = load(piece.label + k), z = load(given + k), u = load(at.z + k);
      const Logistic found = Logistic::at(z, odds, j, label);
      loss.add(e, s * found.loss);
      correct.add(e, Logistic::is_right(z, label) ? s : splat(0.0));
      weight.add(e, s);
      const V h = s * found.curvature;
      const V change = Logistic::change(z, u, odds, there, j, load(at.curvature + k));
      store(at.loss + k, found.residual);
      store(at.weight + k, change);
      store(at.terms + k, s * found.residual);
      store(at.terms + at.most + k, s * change);
      store(at.matrix + k, found.curvature);
      if (curvature) store(curvature + k, h);
      if (square) store(square + k, h);
    }
  }
  if (job.h_out) piece.give(at.matrix, job.h_out);
  if (job.r_out) {
    piece.give(at.loss, job.r_out);
    piece.give(at.weight, job.r_out + job.m);
  }
  scalars[scalar::kLoss] += loss.total();
  scalars[scalar::kCorrect] += correct.total();
  scalars[scalar::kWeight] += weight.total();
  scalars[scalar::kRows] += static_cast<double>(piece.rows);
}

// z' = z + t u + step, written to z_out if that is given; returns u.
inline const double* step_along(const Job& job, const Piece& piece, const Points& at) {
  const double *const z = piece.seen(job.z, at.z), *const u = piece.seen(job.u, at.given);
  for (std::int64_t i = 0; i < piece.padded; i += kWide)
    store(at.other + i, multiply_add(splat(job.t), load(u + i), load(z + i)) + splat(job.step));
  if (job.z_out) piece.give(at.other, job.z_out);
  return u;
}

// What rows add to each sum is stored for a piece: with more sums than registers, it would be in memory in any case.
inline void add_sums(const Piece& piece, const Points& at, int count, double* scalars) {
  for (int k = 0; k < count; ++k) scalars[k] += sum_of(at.sums + k * at.most, piece.padded);
}

inline void point_along(const Job& job, const Piece& piece, const Points& at, double* scalars) {
  const double* const line = step_along(job, piece, at);
  Odds odds;
  odds.look_at_loss(at.other, piece.padded);
  for (std::int64_t k = 0; k < piece.padded; k += kWide) {
    const V s = load(piece.s + k), u = load(line + k);
    const Logistic found = Logistic::at(load(at.other + k), odds, k, load(piece.label + k));
    const V r = s * found.residual, h = s * found.curvature, hu = h * u;
    const auto put = [&](int sum, V x) { store(at.sums + sum * at.most + k, x); };
    put(along::kLoss, s * found.loss);
    put(along::kSlopeT, r * u);
    put(along::kSlopeB, r);
    put(along::kBendTT, hu * u);
    put(along::kBendTB, hu);
    put(along::kBendBB, h);
  }
  add_sums(piece, at, along::kSize, scalars);
}

// The dual point of a step. Returns the largest |z'|.
inline double point_feasible(const Job& job, const Piece& piece, const Points& at, double* scalars) {
  step_along(job, piece, at);
  const double *const r = piece.seen(job.r, at.z), *const change = piece.seen(job.r + job.m, at.given);
  const double* const curvature = piece.seen(job.h, at.curvature);
  Odds odds;
  odds.look_at_loss(at.other, piece.padded);
  V largest = {};
  for (std::int64_t k = 0; k < piece.padded; k += kWide) {
    const auto put = [&](int sum, V x) { store(at.sums + sum * at.most + k, x); };
    const V s = load(piece.s + k), label = load(piece.label + k), sign = splat(1.0) - splat(2.0) * label, next = load(at.other + k);
    const Logistic found = Logistic::at(next, odds, k, label);
    // All for the wrong class: D = (1 - 2y) d, its part of the dual point, and R, its part of g'.
    const V free = sign * (multiply_add(splat(job.t), load(change + k), load(r + k)) - splat(job.pull) * load(curvature + k));
    const V D = smaller((free > splat(0.0)) ? free : splat(0.0), splat(1.0));
    const V R = found.wrong, other = found.rest;
    // From the side on which nothing large cancels: 1 - D is exact for D >= 1/2.
    const V moved = (D < splat(0.5)) ? D - R : other - (splat(1.0) - D);
    const V size = size_of(moved), sD = s * D, ones = label * sD;
    // KL(D || R) = R k(moved/R) + other k(-moved/other), k(x) = (1 + x) log(1 + x) - x, which is at most x^2/2, and |x|^3/2 more for
    // -1 <= x < 0. The smaller of the two sides has the larger x.
    const auto is_small = R < other;
    const V by_small = size / (is_small ? R : other), by_large = size * found.over;
    const V left = ((moved < splat(0.0)) == is_small) ? by_small : by_large;
    const V divergence = splat(0.5) * s * (by_small * by_large + size * left * left);
    put(feasible::kLoss, s * found.loss);
    put(feasible::kCorrect, Logistic::is_right(next, label) ? s : splat(0.0));
    put(feasible::kDivergence, (size == splat(0.0)) ? splat(0.0) : divergence);
    put(feasible::kClipped, s * size_of(D - free));
    put(feasible::kOnes, ones);
    put(feasible::kZeros, sD - ones);
    put(feasible::kMoved, s * size);
    put(feasible::kBend, s * found.curvature);
    const V far = (s > splat(0.0)) ? size_of(next) : splat(0.0);
    largest = (far > largest) ? far : largest;
  }
  add_sums(piece, at, feasible::kSize, scalars);
  double& divergence = scalars[feasible::kDivergence];
  if (!(divergence >= 0.0)) divergence = __builtin_inf();
  double most = 0.0;
  for (int k = 0; k < kWide; ++k) most = largest[k] > most ? largest[k] : most;
  return most;
}
