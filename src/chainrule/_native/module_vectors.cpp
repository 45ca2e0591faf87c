// The Python face of the passes over vectors of the rows.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "driver.hpp"
#include "vectors.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Vector = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Block = void (*)(const chainrule::VectorJob& job, std::int64_t first, std::int64_t end, double* sums);

const chainrule::VectorKernels& kernels_named(const std::optional<std::string>& name) {
  const chainrule::Kernels* kernels = chainrule::choose_kernels(name ? name->c_str() : nullptr);
  if (!kernels) throw std::invalid_argument("no kernels called '" + *name + "' for this processor");
#ifdef CHAINRULE_HAS_AVX512
  if (kernels == &chainrule::avx512::kernels) return chainrule::avx512::vector_kernels;
#endif
#ifdef CHAINRULE_HAS_AVX2
  if (kernels == &chainrule::avx2::kernels) return chainrule::avx2::vector_kernels;
#endif
  return chainrule::baseline::vector_kernels;
}

template <typename Given>
chainrule::VectorJob job_of(const Given& z, const Vector& u, const Bytes& y, const std::optional<Vector>& s, double t, double shift) {
  const std::size_t m = z.shape(0);
  if (m < 1) throw std::invalid_argument("there must be a row");
  if (u.shape(0) != m || y.shape(0) != m || (s && s->shape(0) != m)) throw std::invalid_argument("z, u, y and s must have one length");
  chainrule::VectorJob job{};
  job.m = static_cast<std::int64_t>(m);
  job.z = z.data();
  job.u = u.data();
  job.y = y.data();
  job.s = s ? s->data() : nullptr;
  job.t = t;
  job.shift = shift;
  return job;
}

nb::tuple run(Block block, const chainrule::VectorJob& job, std::int64_t size, std::int64_t added, int threads) {
  bool signalled = false;
  chainrule::Doubles sums;
  {
    const std::function<bool()> interrupted = [&signalled] {
      const nb::gil_scoped_acquire acquire;
      signalled = PyErr_CheckSignals() != 0;
      return signalled;
    };
    const nb::gil_scoped_release release;
    sums = chainrule::sum_blocks(job.m, size, added, 0, threads, interrupted,
                                 [&](std::int64_t first, std::int64_t end, double* out, double*) { block(job, first, end, out); });
  }
  if (signalled) throw nb::python_error();
  nb::list values;
  for (const double value : sums) values.append(value);
  return nb::tuple(values);
}

nb::tuple along(const Vector& z, const Vector& u, const Bytes& y, std::optional<Vector> s, double t, double shift, int threads,
                std::optional<std::string> kernel) {
  const chainrule::VectorJob job = job_of(z, u, y, s, t, shift);
  return run(kernels_named(kernel).along, job, chainrule::along::kSize, chainrule::along::kSize, threads);
}

nb::tuple feasible(const Output& z, const Vector& u, const Bytes& y, std::optional<Vector> s, double t, double shift, double pull,
                   int threads, std::optional<std::string> kernel) {
  chainrule::VectorJob job = job_of(z, u, y, s, t, shift);
  job.pull = pull;
  job.next = z.data();
  return run(kernels_named(kernel).feasible, job, chainrule::feasible::kSize, chainrule::feasible::kLargest, threads);
}

}  // namespace

void register_vectors(nb::module_& module) {
  module.def("along", &along, "z"_a, "u"_a, "y"_a, "s"_a.none(), "t"_a, "shift"_a, "threads"_a, "kernel"_a.none());
  // What is written must not be a copy.
  module.def("feasible", &feasible, "z"_a.noconvert(), "u"_a, "y"_a, "s"_a.none(), "t"_a, "shift"_a, "pull"_a, "threads"_a,
             "kernel"_a.none());
}
