#include "path.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "reader.hpp"

namespace chainrule {
namespace {

constexpr double kArmijo = 1e-4;
constexpr double kFlat = 1e-13;  // of F: a smaller predicted decrease is lost in rounding
constexpr double kSmall = 0.01;  // of F: the most that a step may promise whose end isn't compared with its start
constexpr double kBent = 1.15;   // times the decrease that a step promised: after one that lowered F by more, longer ones are looked for
constexpr double kMuch = 0.1;    // of F: the least fall after which they are
constexpr double kNear = 0.1;    // of a step's length: as near as the search comes to the least F along it
constexpr double kLonger = 4.0, kEdge = 0.1;  // the search goes at most so many times as far, and stays inside a bracket by this part of it
constexpr double kFar = 50.0;                 // beyond |z|: no step that changes z by more is tried first
constexpr int kTrials = 60;
constexpr double kNullRidge = 1e-9;  // of the diagonal; keeps steps short along collinear columns, as Python's

// A point with its F, gradient (n + 1,) and Hessian (n + 1, n + 1), the bias last, and the rows' z (m,).
struct Point {
  std::vector<double> theta, gradient, hessian, z;
  double objective = std::numeric_limits<double>::quiet_NaN(), loss = 0.0, weight = 0.0, correct = 0.0, reads = 0.0;
};

class Problem {
 public:
  Problem(const Kernels& kernels, const Job& job, const Seen& seen, const double* alpha, bool fit_intercept, int threads,
          const Interrupted& interrupted)
      : kernels_(kernels),
        job_(job),
        seen_(seen),
        alpha_(alpha),
        k_(job.n_numbers + (fit_intercept ? 1 : 0)),
        threads_(threads),
        interrupted_(interrupted) {}

  std::int64_t size() const { return k_; }

  Point at(std::vector<double> theta) const {
    const std::int64_t n = job_.n_numbers;
    Job job = job_;
    const std::vector<double> w = in_slots(job, theta.data());
    job.w = w.data();
    job.b = theta.data() + n;
    Point point;
    point.z.resize(static_cast<std::size_t>(job.m));
    job.z_out = point.z.data();
    const View view(job, seen_.center, seen_.p);
    Reading reading = read(kernels_, job, {0, job.m, 0}, threads_, interrupted_);
    const Doubles sums = combine(std::move(reading.sums), Layout(job).extremes);
    if (sums.empty() || reading.bad.row >= 0) {  // interrupted, or a row without a level: the last read says which
      point.theta = std::move(theta);
      return point;
    }
    const Doubles gradient = decode(job, sums);
    const double weight = point.weight = sums[scalar::kWeight];
    point.loss = sums[scalar::kLoss] / weight;
    point.correct = sums[scalar::kCorrect] / weight;
    double penalty = 0.0;
    point.gradient.assign(static_cast<std::size_t>(n + 1), 0.0);
    std::vector<double> fold;
    for (std::int64_t j = 0; j < n; ++j) {
      const auto i = static_cast<std::size_t>(j), slot = static_cast<std::size_t>(job.numbers[j]);
      penalty += alpha_[j] * theta[i] * theta[i];
      point.gradient[i] = gradient[slot] / weight + alpha_[j] * theta[i];
      if (job.fold) fold.push_back(job.fold[slot]);
    }
    if (k_ > n) point.gradient[static_cast<std::size_t>(n)] = gradient[static_cast<std::size_t>(job.n)] / weight;
    point.objective = point.loss + 0.5 * penalty;
    const std::int64_t cells = (n + 1) * (n + 1);
    if (job.of_numbers()) {
      const MatrixLayout layout(n, false);
      point.hessian.resize(static_cast<std::size_t>(cells));
      unpack(layout, combine(std::move(reading.matrices), layout.size).data(), job.fold ? fold.data() : nullptr, point.hessian.data());
    } else {
      const Doubles whole = combine(std::move(reading.matrices), cells);
      point.hessian.assign(whole.begin(), whole.end());
    }
    for (double& h : point.hessian) h /= weight;
    for (std::int64_t j = 0; k_ == n && j <= n; ++j)  // without an intercept
      point.hessian[static_cast<std::size_t>(j * (n + 1) + n)] = point.hessian[static_cast<std::size_t>(n * (n + 1) + j)] = 0.0;
    for (std::int64_t j = 0; j < n; ++j) point.hessian[static_cast<std::size_t>(j * (n + 2))] += alpha_[j];
    point.theta = std::move(theta);
    return point;
  }

  // The rows' z at a point, (m,): one read; empty if it was interrupted.
  std::vector<double> scores(const std::vector<double>& theta) const {
    Job job = job_;
    const std::vector<double> w = in_slots(job, theta.data());
    std::vector<double> z(static_cast<std::size_t>(job.m));
    job.what = kLoss;
    job.n_numbers = 0;
    job.w = w.data(), job.b = theta.data() + job_.n_numbers, job.z_out = z.data();
    const View view(job, seen_.center, seen_.p);
    if (combine(read(kernels_, job, {0, job.m, 0}, threads_, interrupted_).sums, Layout(job).extremes).empty()) z.clear();
    return z;
  }

  // How far to go along a step so that F is least there, found on the line between the rows' z at its ends, without a read: Newton's
  // method in one variable, inside a bracket. 0 if F falls nowhere. square: the squared decrement.
  double search(const Point& point, const std::vector<double>& end, const std::vector<double>& step, double square) const {
    if (end.empty()) return 0.0;
    std::vector<double> u(end.size());
    double size = 0.0, far = kFar;
    for (std::size_t i = 0; i < u.size(); ++i) {
      u[i] = end[i] - point.z[i];
      size = std::max(size, std::fabs(point.z[i]));
      far = std::max(far, std::fabs(u[i]));
    }
    if (!std::isfinite(far)) return 0.0;
    double bent = 0.0, slope = 0.0;
    for (std::int64_t j = 0; j < job_.n_numbers; ++j) {
      const auto i = static_cast<std::size_t>(j);
      bent += alpha_[j] * step[i] * step[i];
      slope += alpha_[j] * point.theta[i] * step[i];
    }
    Job job = job_;
    job.what = kAlong;
    job.n = job.n_blocks = job.n_numbers = 0;
    job.z = point.z.data(), job.u = u.data();
    job.step = 0.0, job.t = std::min(1.0, (kFar + size) / far);
    double low = 0.0, high = 0.0;  // F falls enough and still falls at `low`; not at `high`, if that is known
    for (int k = 0; k < kTrials; ++k) {
      const double t = job.t;
      const Doubles sums = combine(read(kernels_, job, {0, job.m, 0}, threads_, interrupted_).sums, along::kSize);
      if (sums.empty()) return 0.0;  // interrupted
      const double change = sums[along::kLoss] / point.weight - point.loss + t * (slope + 0.5 * t * bent);
      const double rise = sums[along::kSlopeT] / point.weight + slope + t * bent;
      const double next = t - rise / (sums[along::kBendTT] / point.weight + bent);
      const bool is_less = change <= -kArmijo * t * square;
      if (is_less && std::fabs(next - t) <= kNear * t) return t;
      (is_less && rise < 0.0 ? low : high) = t;
      const double edge = kEdge * (high - low);
      job.t = high == 0.0 ? std::min(kLonger * t, std::max(t, next)) : std::min(high - edge, std::max(low + edge, next));
    }
    return low;
  }

 private:
  const Kernels& kernels_;
  const Job& job_;
  const Seen& seen_;
  const double* alpha_;
  const std::int64_t k_;
  const int threads_;
  const Interrupted& interrupted_;
};

// Solves H d = -gradient by the Cholesky factor of H scaled to a unit diagonal; returns the squared decrement gradient.H^-1 gradient, or
// -1 if there is no factor. Uses the first k = n + 1 rows and columns, n without an intercept; overwrites H, its upper triangle with the
// factor U, H = D U'U D. q: filled with D^-2. lift: added to the unit diagonal.
double newton_step(const Kernels& kernels, Point& point, std::int64_t k, double lift, std::vector<double>& step, std::vector<double>& q) {
  double* H = point.hessian.data();
  const auto ld = static_cast<std::int64_t>(point.theta.size());
  std::vector<double> scale(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < k; ++i) {
    const double d = H[i * ld + i];
    if (!(d > 1e-280 && d < 1e280)) return -1.0;
    scale[static_cast<std::size_t>(i)] = 1.0 / std::sqrt(d);
  }
  for (std::int64_t i = 0; i < k; ++i)
    for (std::int64_t j = i; j < k; ++j) H[i * ld + j] *= scale[static_cast<std::size_t>(i)] * scale[static_cast<std::size_t>(j)];
  for (std::int64_t i = 0; i < k; ++i)
    q[static_cast<std::size_t>(i)] = scale[static_cast<std::size_t>(i)] * scale[static_cast<std::size_t>(i)];
  for (std::int64_t i = 0; i < k; ++i) H[i * ld + i] += lift;
  if (!kernels.cholesky(H, k, ld)) return -1.0;
  double square = 0.0;
  step.assign(point.theta.size(), 0.0);
  for (std::int64_t i = 0; i < k; ++i)
    step[static_cast<std::size_t>(i)] = point.gradient[static_cast<std::size_t>(i)] * scale[static_cast<std::size_t>(i)];
  for (std::int64_t i = 0; i < k; ++i) {  // U' y = D^-1 gradient
    const double y = step[static_cast<std::size_t>(i)] /= H[i * ld + i];
    square += y * y;
    for (std::int64_t j = i + 1; j < k; ++j) step[static_cast<std::size_t>(j)] -= H[i * ld + j] * y;
  }
  for (std::int64_t i = k - 1; i >= 0; --i) {  // U x = y
    double x = step[static_cast<std::size_t>(i)];
    for (std::int64_t j = i + 1; j < k; ++j) x -= H[i * ld + j] * step[static_cast<std::size_t>(j)];
    step[static_cast<std::size_t>(i)] = x / H[i * ld + i];
  }
  for (std::int64_t i = 0; i < k; ++i) step[static_cast<std::size_t>(i)] *= -scale[static_cast<std::size_t>(i)];
  return std::isfinite(square) ? square : -1.0;
}

void keep(const Point& point, Path& path) {
  path.points.insert(path.points.end(), {point.reads, point.objective, point.loss, point.correct});
  path.points.insert(path.points.end(), point.theta.begin(), point.theta.end());
  path.points.insert(path.points.end(), point.gradient.begin(), point.gradient.end());
  ++path.count;
}

}  // namespace

std::vector<double> in_slots(const Job& job, const double* x) {
  std::vector<double> out(static_cast<std::size_t>(job.n), 0.0);
  for (std::int64_t j = 0; j < job.n_numbers; ++j) out[static_cast<std::size_t>(job.numbers[j])] = x[j];
  return out;
}

Path newton_path(const Kernels& kernels, const Job& job, const Seen& seen, const double* alpha, bool fit_intercept, const double* w,
                 double b, double near, std::int64_t most, int threads, const Interrupted& interrupted) {
  bool stop = false;
  const Interrupted asked = [&] { return stop = interrupted(); };
  const Problem problem(kernels, job, seen, alpha, fit_intercept, threads, asked);
  Path path;
  std::vector<double> theta(w, w + job.n_numbers);
  theta.push_back(b);
  path.q.assign(theta.size(), 1.0);
  if (!fit_intercept) path.q.back() = 0.0;
  Point point = problem.at(theta);
  point.reads = static_cast<double>(++path.reads);
  std::vector<double> step;
  bool bends = false;
  const bool is_free = std::all_of(alpha, alpha + job.n_numbers, [](double a) { return a == 0.0; });
  while (!stop && std::isfinite(point.objective)) {
    if (is_free && point.correct == 1.0) break;         // no optimum: the classes are separated
    const std::vector<double> hessian = point.hessian;  // the step overwrites it
    double square = newton_step(kernels, point, problem.size(), 0.0, step, path.q);
    if (square < 0.0 && is_free) {  // collinear columns
      point.hessian = hessian;
      square = newton_step(kernels, point, problem.size(), kNullRidge, step, path.q);
    }
    if (square < 0.0) break;
    const auto moved = [&](double t) {
      std::vector<double> to = point.theta;
      for (std::size_t j = 0; j < to.size(); ++j) to[j] += t * step[j];
      return to;
    };
    if (square <= near && square <= kSmall * point.objective) {
      keep(point, path);
      path.next = moved(1.0);
      path.hessian = hessian;
      path.z = std::move(point.z);
      return path;
    }
    if (path.reads >= most) break;
    double t = 1.0;
    if (bends && path.reads + 1 < most) {
      ++path.reads;
      t = problem.search(point, problem.scores(moved(t)), step, square);
      if (t == 0.0) break;
    }
    Point candidate = problem.at(moved(t));
    candidate.reads = static_cast<double>(++path.reads);
    const bool flat = square <= kFlat * std::fabs(point.objective);
    const bool is_less = candidate.objective <= point.objective - kArmijo * t * square;
    if (!is_less && !(flat && std::isfinite(candidate.objective))) {
      t = t == 1.0 && path.reads < most && !stop ? problem.search(point, candidate.z, step, square) : 0.0;
      if (t == 0.0) break;
      candidate = problem.at(moved(t));
      candidate.reads = static_cast<double>(++path.reads);
      if (!(candidate.objective < point.objective)) break;
    }
    const double fall = point.objective - candidate.objective;
    bends = t == 1.0 && fall > kBent * 0.5 * square && fall > kMuch * candidate.objective;
    keep(point, path);
    point = std::move(candidate);
  }
  path.next = point.theta;
  return path;
}

}  // namespace chainrule
