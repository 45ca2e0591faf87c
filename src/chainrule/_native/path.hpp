// Newton's method where rows and columns are few: its steps in one call, since a call's overhead would cost more than a step.
#pragma once
#include <vector>

#include "reader.hpp"

namespace chainrule {

// Points that Newton went through, each with its derivatives, and the one that it would go to next.
struct Path {
  std::vector<double> points;  // each: reads so far, objective, loss, share of the weight that is right, w (n), b, gradient of F (n), dF/db
  std::vector<double> next;    // w (n), b: not evaluated
  std::int64_t count = 0;      // of the points
  std::int64_t reads = 0;
};

// How the columns are seen (`View`); null for as they are.
struct Seen {
  const double *center, *p;
};

// Damped Newton from (w, b) until the squared decrement is at most `near`, for F = mean loss + (1/2) sum alpha_j w_j^2. `job` is
// asked for loss, gradient and Hessian; its w and b are not used. Ends early, at the best point, where the matrix has no
// Cholesky factor, no step lowers F, F is not finite, or `most` reads are done: then `next` is the last point itself and `points` ends
// before it.
Path newton_path(const Kernels& kernels, const Job& job, const Seen& seen, const double* alpha, bool fit_intercept, const double* w,
                 double b, double near, std::int64_t most, int threads, const Interrupted& interrupted);

}  // namespace chainrule
