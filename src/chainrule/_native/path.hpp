// Newton's method for few rows and columns: all its steps in one call, since a call's overhead would cost more than a step.
#pragma once
#include <vector>

#include "reader.hpp"

namespace chainrule {

// Points that Newton's method visited, each with its derivatives, and the next point.
struct Path {
  // Each: reads so far, objective, loss, correct share of the weight, w (n), b, gradient of F (n), dF/db; n is the number of coefficients.
  std::vector<double> points;
  std::vector<double> next;     // w (n), b: not evaluated
  std::vector<double> hessian;  // (n + 1, n + 1), at the last of the points, if `next` is one full step from there; else empty
  std::vector<double> z;        // (m), of the rows at that point
  std::vector<double> q;        // one over the last Hessian's diagonal (n + 1); ones if there is none, 0 for the bias without an intercept
  std::int64_t count = 0;       // of the points
  std::int64_t reads = 0;
};

// The view of the columns (`View`); null for none.
struct Seen {
  const double *center, *p;
};

// Elements of the coefficients in job.numbers, each in its slot; 0 in the others.
std::vector<double> in_slots(const Job& job, const double* x);

// Newton's steps from (w, b), shorter or longer ones where a full step's length is wrong, until the squared decrement is at most `near` and
// small beside F, for F = mean loss + (1/2) sum alpha_j w_j^2. `job` must ask for loss, gradient and Hessian of all coefficients, in the
// slots `job.numbers`; its w and b are not used. Ends early, at the best point, if the matrix has no Cholesky factor, no step lowers F, F
// is not finite, the classes are separated without a penalty, or `most` reads are done: then `next` is the last point itself and `points`
// ends before it.
Path newton_path(const Kernels& kernels, const Job& job, const Seen& seen, const double* alpha, bool fit_intercept, const double* w,
                 double b, double near, std::int64_t most, int threads, const Interrupted& interrupted);

}  // namespace chainrule
