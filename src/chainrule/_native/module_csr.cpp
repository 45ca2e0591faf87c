// The Python face of the reads of sparse rows.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "csr.hpp"
#include "driver.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Given = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Places = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

const chainrule::CsrKernels& kernels_named(const std::optional<std::string>& name) {
  const chainrule::Kernels* kernels = chainrule::choose_kernels(name ? name->c_str() : nullptr);
  if (!kernels) throw std::invalid_argument("no kernels called '" + *name + "' for this processor");
  return chainrule::csr_kernels_of(*kernels);
}

template <typename Array>
auto pointer(const Array& given, std::int64_t expected, const char* name) {
  if (static_cast<std::int64_t>(given.shape(0)) != expected)
    throw std::invalid_argument(std::string(name) + " must have " + std::to_string(expected) + " elements");
  return given.data();
}

template <typename Array>
auto pointer(const std::optional<Array>& given, std::int64_t expected, const char* name) {
  return given ? pointer(*given, expected, name) : nullptr;
}

bool is_wide(const Given& given, const char* name) {
  if (given.dtype() == nb::dtype<std::int64_t>()) return true;
  if (given.dtype() == nb::dtype<std::int32_t>()) return false;
  throw std::invalid_argument(std::string(name) + " must be int32 or int64");
}

// What is left of a run without the interpreter: its result, or the signal that ended it.
template <typename Run>
auto run_freely(Run run) {
  bool signalled = false;
  const std::function<bool()> interrupted = [&signalled] {
    const nb::gil_scoped_acquire acquire;
    signalled = PyErr_CheckSignals() != 0;
    return signalled;
  };
  auto result = [&] {
    const nb::gil_scoped_release release;
    return run(interrupted);
  }();
  if (signalled) throw nb::python_error();
  return result;
}

// Rows whose indices `csr_check` has found right.
chainrule::Csr rows_of(const Given& data, const Given& indices, const Given& indptr, std::int64_t n, const std::optional<Places>& index) {
  chainrule::Csr csr{};
  csr.is_float32 = data.dtype() == nb::dtype<float>();
  if (!csr.is_float32 && data.dtype() != nb::dtype<double>()) throw std::invalid_argument("data must be float64 or float32");
  csr.wide_indices = is_wide(indices, "indices");
  csr.wide_indptr = is_wide(indptr, "indptr");
  csr.data = data.data();
  csr.indices = indices.data();
  csr.indptr = indptr.data();
  csr.n = n;
  const auto rows = static_cast<std::int64_t>(indptr.shape(0)) - 1;
  if (rows < 1 || n < 1) throw std::invalid_argument("there must be a row and a column");
  csr.m = index ? static_cast<std::int64_t>(index->shape(0)) : rows;
  if (csr.m < 1) throw std::invalid_argument("index must name a row");
  csr.index = index ? index->data() : nullptr;
  for (std::int64_t i = 0; index && i < csr.m; ++i)
    if (csr.index[i] < 0 || csr.index[i] >= rows) throw std::invalid_argument("index names a row that is not there");
  return csr;
}

nb::object owned_array(std::vector<double> values) {
  auto* kept = new std::vector<double>(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<double>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, double, nb::ndim<1>>(kept->data(), {kept->size()}, owner));
}

nb::object read_sparse(const Given& data, const Given& indices, const Given& indptr, std::int64_t n, unsigned what, std::optional<Bytes> y,
                       std::optional<Vector> s, std::optional<Vector> h, std::optional<Vector> w, double b, std::optional<Output> z,
                       std::optional<Output> curvature, std::optional<Vector> p, std::optional<Places> index, std::optional<Vector> q,
                       int threads, std::optional<std::string> kernel) {
  chainrule::CsrJob job{};
  job.rows = rows_of(data, indices, indptr, n, index);
  const std::int64_t m = job.rows.m;
  job.y = pointer(y, m, "y");
  job.s = pointer(s, m, "s");
  job.h = pointer(h, m, "h");
  job.w = pointer(w, n, "w");
  job.b = b;
  job.z = pointer(z, m, "z");
  job.curvature = pointer(curvature, m, "curvature");
  job.p = pointer(p, n, "p");
  job.q = pointer(q, n + 1, "q");
  job.what = what;
  if ((what & chainrule::kLoss) && !job.w) throw std::invalid_argument("a loss needs w");
  if ((what & chainrule::kNorms) && !job.q) throw std::invalid_argument("norms need q");
  const chainrule::CsrKernels& kernels = kernels_named(kernel);
  return owned_array(*run_freely([&](const auto& interrupted) { return chainrule::csr_read(kernels, job, threads, interrupted); }));
}

nb::object secant(const Given& data, const Given& indices, const Given& indptr, std::int64_t n, Bytes y, std::optional<Vector> s, Vector w,
                  double b, Vector at, Output z, std::optional<Vector> p, std::optional<Places> index, int threads,
                  std::optional<std::string> kernel) {
  chainrule::CsrJob job{};
  job.rows = rows_of(data, indices, indptr, n, index);
  const std::int64_t m = job.rows.m;
  job.y = pointer(y, m, "y");
  job.s = pointer(s, m, "s");
  job.w = pointer(w, n, "w");
  job.b = b;
  job.at = pointer(at, m, "z");
  job.z = pointer(z, m, "u");
  job.p = pointer(p, n, "p");
  const chainrule::CsrKernels& kernels = kernels_named(kernel);
  return owned_array(*run_freely([&](const auto& interrupted) { return chainrule::csr_secant(kernels, job, threads, interrupted); }));
}

nb::object moments(const Given& data, const Given& indices, const Given& indptr, std::int64_t n, std::optional<Vector> s,
                   std::optional<Places> index, int threads, std::optional<std::string> kernel) {
  chainrule::CsrJob job{};
  job.rows = rows_of(data, indices, indptr, n, index);
  job.s = pointer(s, job.rows.m, "s");
  const chainrule::CsrKernels& kernels = kernels_named(kernel);
  return owned_array(*run_freely([&](const auto& interrupted) { return chainrule::csr_moments(kernels, job, threads, interrupted); }));
}

nb::object gram(const Given& data, const Given& indices, const Given& indptr, std::int64_t n, std::optional<Vector> s,
                std::optional<Vector> h, std::optional<Vector> p, std::optional<Places> index, Places columns, int threads) {
  chainrule::CsrJob job{};
  job.rows = rows_of(data, indices, indptr, n, index);
  job.s = pointer(s, job.rows.m, "s");
  job.h = pointer(h, job.rows.m, "h");
  job.p = pointer(p, n, "p");
  const auto k = static_cast<std::int64_t>(columns.shape(0));
  std::vector<bool> named(static_cast<std::size_t>(n));
  for (std::int64_t j = 0; j < k; ++j) {
    const std::int64_t column = columns.data()[j];
    if (column < 0 || column >= n) throw std::invalid_argument("columns names a column that is not there");
    if (named[static_cast<std::size_t>(column)]) throw std::invalid_argument("columns names a column twice");
    named[static_cast<std::size_t>(column)] = true;
  }
  const auto side = static_cast<std::size_t>(k + 1);
  std::unique_ptr<double[]> whole(new double[side * side]);
  run_freely([&](const auto& interrupted) { return chainrule::csr_gram(job, columns.data(), k, whole.get(), threads, interrupted); });
  double* const values = whole.get();
  const nb::capsule owner(whole.release(), [](void* p) noexcept { delete[] static_cast<double*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, double, nb::ndim<2>>(values, {side, side}, owner));
}

std::string plural(std::int64_t count, const char* what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

// Whether a row names a column twice; what is wrong is said.
bool check(const Given& indptr, const Given& indices, std::int64_t n, int threads) {
  chainrule::Csr csr{};
  csr.wide_indices = is_wide(indices, "indices");
  csr.wide_indptr = is_wide(indptr, "indptr");
  csr.indices = indices.data();
  csr.indptr = indptr.data();
  csr.n = n;
  csr.m = static_cast<std::int64_t>(indptr.shape(0)) - 1;
  const auto nnz = static_cast<std::int64_t>(indices.shape(0));
  if (csr.m < 1 || n < 1) throw std::invalid_argument("there must be a row and a column");
  const auto found = *run_freely([&](const auto& interrupted) { return chainrule::csr_check(csr, nnz, threads, interrupted); });
  if (found.bad_row >= 0 && found.row_is_there)
    throw std::invalid_argument("row " + std::to_string(found.bad_row) + " names a column outside 0 to " + std::to_string(n - 1));
  if (found.bad_row >= 0)
    throw std::invalid_argument("indptr of row " + std::to_string(found.bad_row) + " descends or leaves the " + plural(nnz, "element"));
  if (chainrule::row_start(csr, 0) != 0) throw std::invalid_argument("indptr must begin with 0");
  if (chainrule::row_start(csr, csr.m) != nnz)
    throw std::invalid_argument("indptr ends at " + std::to_string(chainrule::row_start(csr, csr.m)) + ", but there are " +
                                plural(nnz, "element"));
  return found.has_duplicates;
}

// Most rows of a leaf, and how many leaves there are; `width` numbers a column are summed.
nb::tuple leaves(std::int64_t m, std::int64_t n, std::int64_t nnz, std::int64_t width) {
  if (m < 1 || n < 1 || nnz < 0) throw std::invalid_argument("there must be a row and a column");
  const chainrule::CsrCuts cuts = chainrule::csr_leaves(m, n, nnz, width);
  return nb::make_tuple(cuts.most_rows(), cuts.pieces);
}

// The same of the blocks of a Gram matrix of k columns.
nb::tuple blocks(std::int64_t m, std::int64_t nnz, std::int64_t k) {
  if (m < 1 || nnz < 0 || k < 0) throw std::invalid_argument("there must be a row");
  const chainrule::CsrCuts cuts = chainrule::csr_blocks(m, nnz, k);
  return nb::make_tuple(cuts.most_rows(), cuts.pieces);
}

}  // namespace

void register_csr(nb::module_& module) {
  module.def("csr_read", &read_sparse, "data"_a, "indices"_a, "indptr"_a, "n"_a, "what"_a, "y"_a = nb::none(), "s"_a = nb::none(),
             "h"_a = nb::none(), "w"_a = nb::none(), "b"_a = 0.0, "z"_a = nb::none(), "curvature"_a = nb::none(), "p"_a = nb::none(),
             "index"_a = nb::none(), "q"_a = nb::none(), "threads"_a = 1, "kernel"_a = nb::none());
  module.def("csr_secant", &secant, "data"_a, "indices"_a, "indptr"_a, "n"_a, "y"_a, "s"_a.none(), "w"_a, "b"_a, "at"_a, "u"_a,
             "p"_a.none(), "index"_a.none(), "threads"_a, "kernel"_a);
  module.def("csr_moments", &moments, "data"_a, "indices"_a, "indptr"_a, "n"_a, "s"_a.none(), "index"_a.none(), "threads"_a, "kernel"_a);
  module.def("csr_gram", &gram, "data"_a, "indices"_a, "indptr"_a, "n"_a, "s"_a.none(), "h"_a.none(), "p"_a.none(), "index"_a.none(),
             "columns"_a, "threads"_a);
  module.def("csr_check", &check, "indptr"_a, "indices"_a, "n"_a, "threads"_a);
  module.def("csr_leaves", &leaves, "m"_a, "n"_a, "nnz"_a, "width"_a);
  module.def("csr_blocks", &blocks, "m"_a, "nnz"_a, "k"_a);
}
