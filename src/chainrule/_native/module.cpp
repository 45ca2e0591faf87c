// The Python face of the core: arrays in, one array of sums out. Checks of shape are in kernels/.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "driver.hpp"
#include "labels.hpp"
#include "path.hpp"
#include "secant.hpp"
#include "stochastic.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Vector = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Places = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <typename Values>
nb::object owned_array(Values values) {
  auto* kept = new Values(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<Values*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, double, nb::ndim<1>>(kept->data(), {kept->size()}, owner));
}

const chainrule::Kernels& kernels_named(const std::optional<std::string>& name) {
  const chainrule::Kernels* kernels = chainrule::choose_kernels(name ? name->c_str() : nullptr);
  if (!kernels) throw std::invalid_argument("no kernels called '" + *name + "' for this processor");
  return *kernels;
}

template <typename Given>
auto pointer(const Given& given, std::int64_t expected, const char* name) {
  if (given && static_cast<std::int64_t>(given->shape(0)) != expected)
    throw std::invalid_argument(std::string(name) + " must have " + std::to_string(expected) + " elements");
  return given ? given->data() : nullptr;
}

// The rows and how they are seen; not the point, nor what is asked for.
chainrule::Job job_of(const Array& X, const std::optional<Bytes>& y, const std::optional<Vector>& s, const std::optional<Vector>& center,
                      const std::optional<Vector>& p, const std::optional<Vector>& cp, const std::optional<Places>& index) {
  const bool is_float32 = X.dtype() == nb::dtype<float>();
  if (X.ndim() != 2 || !(is_float32 || X.dtype() == nb::dtype<double>())) throw std::invalid_argument("X must be 2-D, float64 or float32");
  const std::ptrdiff_t size = is_float32 ? 4 : 8;
  chainrule::Job job{};
  job.data = static_cast<const char*>(X.data());
  job.row_stride = X.stride(0) * size;
  job.col_stride = X.stride(1) * size;
  job.is_float32 = is_float32;
  job.m = static_cast<std::int64_t>(index ? index->shape(0) : X.shape(0));
  job.index = index ? index->data() : nullptr;
  for (std::int64_t i = 0; index && i < job.m; ++i)
    if (job.index[i] < 0 || job.index[i] >= static_cast<std::int64_t>(X.shape(0)))
      throw std::invalid_argument("index names a row that is not there");
  job.n = static_cast<std::int64_t>(X.shape(1));
  if (job.m < 1 || job.n < 1) throw std::invalid_argument("X must have a row and a column");
  job.y = pointer(y, job.m, "y");
  job.s = pointer(s, job.m, "s");
  job.center = pointer(center, job.n, "center");
  job.p = pointer(p, job.n, "p");
  job.cp = pointer(cp, job.n, "cp");
  if ((job.p != nullptr) != (job.cp != nullptr) || (job.p != nullptr) != (job.center != nullptr))
    throw std::invalid_argument("center, p and cp go together");
  return job;
}

nb::object read_rows(const Array& X, unsigned what, std::optional<Bytes> y, std::optional<Vector> s, std::optional<Vector> w, double b,
                     std::optional<Vector> v, std::optional<Output> z, std::optional<Vector> center, std::optional<Vector> p,
                     std::optional<Vector> cp, std::optional<Places> index, std::optional<Vector> q, std::optional<Output> h, int threads,
                     std::optional<std::string> kernel) {
  chainrule::Job job = job_of(X, y, s, center, p, cp, index);
  job.z = pointer(z, job.m, "z");
  job.w = pointer(w, job.n, "w");
  job.v = pointer(v, job.n + 1, "v");
  job.q = pointer(q, job.n + 1, "q");
  job.h = pointer(h, job.m, "h");
  job.b = b;
  job.what = what;
  if ((what & chainrule::kLoss) && !job.w) throw std::invalid_argument("a loss needs w");
  if ((what & chainrule::kNorms) && !job.q) throw std::invalid_argument("norms need q");
  if ((what & chainrule::kHessian32) && !(what & chainrule::kHessian)) throw std::invalid_argument("HESSIAN32 goes with HESSIAN");
  if ((what & chainrule::kProduct) && (!job.v || !job.h || (what & chainrule::kLoss)))
    throw std::invalid_argument("a Hessian product needs v and h, and goes without a loss");

  const chainrule::Kernels& kernels = kernels_named(kernel);
  bool signalled = false;
  chainrule::Reading reading;
  {
    const nb::gil_scoped_release release;
    reading = chainrule::read_rows(kernels, job, threads, [&signalled] {
      const nb::gil_scoped_acquire acquire;
      signalled = PyErr_CheckSignals() != 0;
      return signalled;
    });
  }
  if (signalled) throw nb::python_error();
  const chainrule::Layout layout(job);
  nb::object matrix = nb::none();
  if (what & chainrule::kHessian) {
    const auto side = static_cast<std::size_t>(job.n + 1);
    std::unique_ptr<double[]> whole(new double[side * side]);
    chainrule::unpack(job, reading.matrix.data(), whole.get());
    reading.matrix = {};
    double* const data = whole.get();
    const nb::capsule owner(whole.release(), [](void* p) noexcept { delete[] static_cast<double*>(p); });
    matrix = nb::cast(nb::ndarray<nb::numpy, double, nb::ndim<2>>(data, {side, side}, owner));
  }
  return nb::make_tuple(owned_array(std::move(reading.sums)), matrix, layout.gradient, layout.squares, layout.sums, layout.extremes);
}

nb::object secant(const Array& X, Bytes y, std::optional<Vector> s, Vector z, Vector v, Output u, std::optional<Vector> center,
                  std::optional<Vector> p, std::optional<Vector> cp, std::optional<Places> index, int threads,
                  std::optional<std::string> kernel) {
  chainrule::SecantJob job{job_of(X, std::optional<Bytes>(y), s, center, p, cp, index), nullptr, nullptr};
  job.rows.what = chainrule::kLoss | chainrule::kGradient;
  job.rows.v = pointer(std::optional<Vector>(v), job.rows.n + 1, "v");
  job.z = pointer(std::optional<Vector>(z), job.rows.m, "z");
  job.u = pointer(std::optional<Output>(u), job.rows.m, "u");
  const chainrule::SecantKernel& own = chainrule::secant_kernel_of(kernels_named(kernel));
  const chainrule::SecantLayout layout(job.rows.n);
  bool signalled = false;
  chainrule::Doubles sums;
  {
    const nb::gil_scoped_release release;
    const std::function<bool()> interrupted = [&signalled] {
      const nb::gil_scoped_acquire acquire;
      signalled = PyErr_CheckSignals() != 0;
      return signalled;
    };
    sums = chainrule::sum_blocks(
        job.rows.m, layout.size, layout.norm, own.scratch_doubles(job), threads, interrupted,
        [&](std::int64_t first, std::int64_t end, double* out, double* scratch) { own.block(job, first, end, out, scratch); });
  }
  if (signalled) throw nb::python_error();
  return owned_array(std::move(sums));
}

nb::object newton_path(const Array& X, Bytes y, std::optional<Vector> s, std::optional<Vector> center, std::optional<Vector> p,
                       std::optional<Vector> cp, std::optional<Places> index, Vector alpha, bool fit_intercept, Vector w, double b,
                       double near, std::int64_t most, int threads, std::optional<std::string> kernel) {
  chainrule::Job job = job_of(X, std::optional<Bytes>(y), s, center, p, cp, index);
  job.what = chainrule::kLoss | chainrule::kGradient | chainrule::kHessian;
  const double* ridge = pointer(std::optional<Vector>(alpha), job.n, "alpha");
  const double* start = pointer(std::optional<Vector>(w), job.n, "w");
  const chainrule::Kernels& kernels = kernels_named(kernel);
  bool signalled = false;
  chainrule::Path path;
  {
    const nb::gil_scoped_release release;
    path = chainrule::newton_path(kernels, job, ridge, fit_intercept, start, b, near, most, threads, [&signalled] {
      const nb::gil_scoped_acquire acquire;
      signalled = PyErr_CheckSignals() != 0;
      return signalled;
    });
  }
  if (signalled) throw nb::python_error();
  return nb::make_tuple(owned_array(std::move(path.points)), owned_array(std::move(path.next)), path.count, path.reads);
}

nb::object descend(const Array& X, Bytes y, std::optional<Vector> s, std::optional<Vector> center, std::optional<Vector> p,
                   std::optional<Vector> cp, std::optional<Places> kept, Vector step, double alpha, bool fit_intercept, Vector w, double b,
                   double rate, int schedule, std::int64_t batch, double per_weight, std::uint64_t seed, std::int64_t epoch,
                   std::int64_t first, std::int64_t end, std::optional<std::string> kernel) {
  chainrule::Job job = job_of(X, std::optional<Bytes>(y), s, center, p, cp, std::nullopt);
  job.what = chainrule::kLoss | chainrule::kGradient;
  const std::int64_t rows = kept ? static_cast<std::int64_t>(kept->shape(0)) : job.m;
  for (std::int64_t k = 0; kept && k < rows; ++k)
    if (kept->data()[k] < 0 || kept->data()[k] >= job.m) throw std::invalid_argument("kept names a row that is not there");
  if (batch < 1 || batch > rows || schedule < 0 || schedule > 2) throw std::invalid_argument("no such batches or schedule");
  const std::int64_t updates = (rows - 1) / batch + 1;
  if (epoch < 0 || first < 0 || end < first || end > updates) throw std::invalid_argument("an epoch has no such updates");
  const double* start = pointer(std::optional<Vector>(w), job.n, "w");
  std::vector<double> point(start, start + job.n), gradient(static_cast<std::size_t>(job.n));
  point.push_back(b);
  chainrule::Descent descent{};
  descent.batch = batch;
  descent.rate = rate;
  descent.schedule = static_cast<chainrule::Schedule>(schedule);
  descent.period = static_cast<double>(updates);
  descent.per_weight = per_weight;
  descent.alpha = alpha;
  descent.fit_intercept = fit_intercept;
  descent.step = pointer(std::optional<Vector>(step), job.n, "step");
  descent.updates = epoch * updates + first;
  descent.w = point.data();
  descent.b = b;
  descent.gradient = gradient.data();
  const chainrule::Order order(static_cast<std::uint64_t>(rows), seed, static_cast<std::uint64_t>(epoch));
  const chainrule::Kernels& kernels = kernels_named(kernel);
  bool signalled = false;
  {
    const nb::gil_scoped_release release;
    chainrule::descend(kernels, job, descent, order, kept ? kept->data() : nullptr, rows, first, end, [&signalled] {
      const nb::gil_scoped_acquire acquire;
      signalled = PyErr_CheckSignals() != 0;
      return signalled;
    });
  }
  if (signalled) throw nb::python_error();
  point.back() = descent.b;
  return owned_array(std::move(point));
}

void visiting_order(const nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& places, std::uint64_t seed,
                    std::int64_t epoch) {
  const std::size_t size = places.shape(0);
  if (size < 1 || epoch < 0) throw std::invalid_argument("there must be a row, and an epoch from 0");
  const chainrule::Order order(size, seed, static_cast<std::uint64_t>(epoch));
  for (std::size_t k = 0; k < size; ++k) places.data()[k] = static_cast<std::int64_t>(order(k));
}

template <typename T>
nb::object labels_of(const chainrule::Kernels& kernels, chainrule::Number number, const void* y, std::int64_t m, std::uint8_t* codes) {
  const std::optional<std::pair<T, T>> found = chainrule::two_labels(kernels, number, static_cast<const T*>(y), m, codes);
  return found ? nb::object(nb::make_tuple(found->first, found->second)) : nb::object(nb::none());
}

nb::object encode_labels(const nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>& y,
                         const nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& codes,
                         std::optional<std::string> kernel) {
  using chainrule::Number;
  const auto m = static_cast<std::int64_t>(y.shape(0));
  if (m == 0 || static_cast<std::int64_t>(codes.shape(0)) != m) throw std::invalid_argument("y and codes must have one length");
  const nb::dlpack::dtype type = y.dtype();
  const chainrule::Kernels& kernels = kernels_named(kernel);
  const auto labels = [&](auto label, Number number) { return labels_of<decltype(label)>(kernels, number, y.data(), m, codes.data()); };
  if (type == nb::dtype<double>()) return labels(double{}, Number::kDouble);
  if (type == nb::dtype<float>()) return labels(float{}, Number::kFloat);
  if (type == nb::dtype<std::int64_t>()) return labels(std::int64_t{}, Number::kInt64);
  if (type == nb::dtype<std::int32_t>()) return labels(std::int32_t{}, Number::kInt32);
  if (type == nb::dtype<std::int8_t>()) return labels(std::int8_t{}, Number::kInt8);
  if (type == nb::dtype<std::uint8_t>()) return labels(std::uint8_t{}, Number::kUint8);
  if (type == nb::dtype<bool>()) return labels(bool{}, Number::kUint8);
  return nb::none();
}

void pointwise(const Vector& z, const Bytes& y, const Output& loss, const Output& residual, const Output& curvature,
               std::optional<std::string> kernel) {
  const std::size_t m = z.shape(0);
  if (y.shape(0) != m || loss.shape(0) != m || residual.shape(0) != m || curvature.shape(0) != m)
    throw std::invalid_argument("z, y and the outputs must have one length");
  kernels_named(kernel).pointwise(static_cast<std::int64_t>(m), z.data(), y.data(), loss.data(), residual.data(), curvature.data());
}

}  // namespace

void register_csr(nb::module_& module);      // in module_csr.cpp
void register_vectors(nb::module_& module);  // in module_vectors.cpp
void register_columns(nb::module_& module);  // in module_columns.cpp

NB_MODULE(_core, module) {
  register_columns(module);
  module.def("read_rows", &read_rows, "X"_a, "what"_a, "y"_a = nb::none(), "s"_a = nb::none(), "w"_a = nb::none(), "b"_a = 0.0,
             "v"_a = nb::none(), "z"_a = nb::none(), "center"_a = nb::none(), "p"_a = nb::none(), "cp"_a = nb::none(),
             "index"_a = nb::none(), "q"_a = nb::none(), "h"_a = nb::none(), "threads"_a = 1, "kernel"_a = nb::none());
  // What is written must not be a copy.
  module.def("secant", &secant, "X"_a, "y"_a, "s"_a.none(), "z"_a, "v"_a, "u"_a.noconvert(), "center"_a.none(), "p"_a.none(), "cp"_a.none(),
             "index"_a.none(), "threads"_a, "kernel"_a.none());
  module.def("newton_path", &newton_path, "X"_a, "y"_a, "s"_a.none(), "center"_a.none(), "p"_a.none(), "cp"_a.none(), "index"_a.none(),
             "alpha"_a, "fit_intercept"_a, "w"_a, "b"_a, "near"_a, "most"_a, "threads"_a, "kernel"_a.none());
  module.def("descend", &descend, "X"_a, "y"_a, "s"_a.none(), "center"_a.none(), "p"_a.none(), "cp"_a.none(), "kept"_a.none(), "step"_a,
             "alpha"_a, "fit_intercept"_a, "w"_a, "b"_a, "rate"_a, "schedule"_a, "batch"_a, "per_weight"_a, "seed"_a, "epoch"_a, "first"_a,
             "end"_a, "kernel"_a.none());
  module.def("visiting_order", &visiting_order, "places"_a, "seed"_a, "epoch"_a);
  module.def("pointwise", &pointwise, "z"_a, "y"_a, "loss"_a, "residual"_a, "curvature"_a, "kernel"_a = nb::none());
  module.def("encode_labels", &encode_labels, "y"_a, "codes"_a, "kernel"_a = nb::none());
  module.def(
      "kernel_name", [](std::optional<std::string> kernel) { return std::string(kernels_named(kernel).name); }, "kernel"_a = nb::none());
  register_csr(module);
  register_vectors(module);
  module.attr("BLOCK_ROWS") = chainrule::kBlockRows;
  module.attr("FLOAT32_BLOCK") = chainrule::kFloat32Block;
}
