// The Python face of mixed columns. What a column is, and which coefficients it has, kernels/columns.py checks.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <bit>
#include <deque>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "column_secant.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Vector = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Places = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Square = nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using chainrule::Kind;

// Memory that a Python object lends, as long as this lives.
class Buffer {
 public:
  explicit Buffer(nb::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_STRIDED_RO | PyBUF_FORMAT) != 0) throw nb::python_error();
  }
  ~Buffer() { PyBuffer_Release(&view_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  const char* data() const { return static_cast<const char*>(view_.buf); }
  std::ptrdiff_t stride() const { return view_.strides[0]; }
  std::int64_t size() const { return view_.ndim == 1 ? view_.shape[0] : -1; }

  // Bitmaps are of bytes that lie one after the other.
  bool is_bitmap() const { return kind() == Kind::kUint8 && (view_.strides[0] == 1 || view_.shape[0] < 2); }

  Kind kind() const {
    const std::string format(view_.format ? view_.format : "B");
    // Before a letter stands how its bytes are ordered: as they are here, or not at all.
    const std::string native = std::endian::native == std::endian::little ? "@=<" : "@=>";
    const bool alone = format.size() == 1, ordered = format.size() == 2 && native.find(format[0]) != std::string::npos;
    const char letter = alone || ordered ? format.back() : '0';
    const Kind with_sign[] = {Kind::kInt8, Kind::kInt16, Kind::kInt32, Kind::kInt64};
    const Kind without[] = {Kind::kUint8, Kind::kUint16, Kind::kUint32, Kind::kUint64};
    const int size = view_.itemsize == 1 ? 0 : view_.itemsize == 2 ? 1 : view_.itemsize == 4 ? 2 : 3;
    if (letter == 'd') return Kind::kFloat64;
    if (letter == 'f') return Kind::kFloat32;
    if (letter == '?') return Kind::kBool;
    if (std::string("bhilq").find(letter) != std::string::npos) return with_sign[size];
    if (std::string("BHILQ").find(letter) != std::string::npos) return without[size];
    throw std::invalid_argument("its values are neither numbers of float64 or float32, nor integers, nor booleans");
  }

 private:
  Py_buffer view_;
};

// Columns where they lie. Their memory is held as long as this lives.
class Columns {
 public:
  Columns(std::int64_t m, const nb::list& terms) : m_(m) {
    if (m < 1) throw std::invalid_argument("there must be a row");
    for (nb::handle given : terms) {
      const auto term = nb::cast<nb::tuple>(given);
      add(nb::cast<int>(term[0]), nb::cast<std::int64_t>(term[1]), nb::cast<std::int64_t>(term[2]), nb::cast<double>(term[3]),
          nb::cast<std::int64_t>(term[4]), nb::cast<bool>(term[5]), nb::cast<nb::tuple>(term[6]));
    }
  }

  Columns(const Columns&) = delete;
  Columns& operator=(const Columns&) = delete;

  std::int64_t m() const { return m_; }
  std::int64_t slots() const { return slots_; }

  chainrule::ColumnJob job() const {
    chainrule::ColumnJob job{};
    job.terms = terms_.data();
    job.n_terms = static_cast<std::int64_t>(terms_.size());
    job.rows.n = slots_;
    return job;
  }

 private:
  void add(int form, std::int64_t column, std::int64_t levels, double fill, std::int64_t missing, bool of_codes, const nb::tuple& parts) {
    const std::string name = "column " + std::to_string(column) + ": ";
    chainrule::Term term{};
    term.form = static_cast<chainrule::Term::Form>(form);
    const bool category = term.form == chainrule::Term::kCategory;
    if (form < 0 || form > 2) throw std::invalid_argument(name + "no such form");
    if (levels < 1 || levels >= std::numeric_limits<std::int32_t>::max() || missing >= levels || (!category && levels != 1))
      throw std::invalid_argument(name + "no such number of levels");
    parts_.emplace_back();
    std::int64_t rows = 0;
    for (nb::handle given : parts) {
      try {
        rows += add_part(nb::cast<nb::tuple>(given), rows, parts_.back());
      } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(name + error.what());
      }
      const Kind kind = parts_.back().back().kind;
      if (category && (kind == Kind::kFloat64 || kind == Kind::kFloat32 || kind >= Kind::kUint64))
        throw std::invalid_argument(name + "codes must be integers of 8 to 64 bits, if unsigned of 8 to 32");
    }
    if (rows != m_) throw std::invalid_argument(name + "its parts have " + std::to_string(rows) + " rows, not " + std::to_string(m_));
    // A search for a row's part needs none without rows.
    std::vector<chainrule::Part>& kept = parts_.back();
    std::erase_if(kept, [](const chainrule::Part& part) { return part.first == part.end; });
    term.column = column;
    term.at = slots_;
    term.levels = levels;
    term.parts = kept.data();
    term.n_parts = static_cast<std::int64_t>(kept.size());
    term.fill = fill;
    term.missing = missing;
    term.of_codes = of_codes;
    slots_ += levels;
    terms_.push_back(term);
  }

  // Returns its rows.
  std::int64_t add_part(const nb::tuple& given, std::int64_t first, std::vector<chainrule::Part>& parts) {
    const auto rows = nb::cast<std::int64_t>(given[1]);
    const auto valid_at = nb::cast<std::int64_t>(given[3]), values_at = nb::cast<std::int64_t>(given[5]);
    const bool bits = nb::cast<bool>(given[4]);
    const Buffer& values = buffers_.emplace_back(given[0]);
    if (rows < 0 || rows > m_) throw std::invalid_argument("a part has " + std::to_string(rows) + " rows");
    if (values.size() < 0) throw std::invalid_argument("a part's values must be 1-D");
    const auto covers = [rows](const Buffer& bitmap, std::int64_t at) {
      return bitmap.size() >= 0 && bitmap.is_bitmap() && at >= 0 && at / 8 <= bitmap.size() && at + rows <= 8 * bitmap.size();
    };
    if (bits ? !covers(values, values_at) : values.size() != rows)
      throw std::invalid_argument("a part has " + std::to_string(rows) + " rows, and values of another length");
    chainrule::Part part{};
    part.values = values.data();
    part.stride = bits ? 0 : values.stride();
    part.values_at = values_at;
    part.kind = bits ? Kind::kBits : values.kind();
    if (!given[2].is_none()) {
      const Buffer& valid = buffers_.emplace_back(given[2]);
      if (!covers(valid, valid_at)) throw std::invalid_argument("a part's bitmap of what is there must be bytes, a bit for each row");
      part.valid = reinterpret_cast<const std::uint8_t*>(valid.data());
    }
    part.valid_at = valid_at;
    part.first = first;
    part.end = first + rows;
    parts.push_back(part);
    return rows;
  }

  std::int64_t m_, slots_ = 0;
  std::deque<Buffer> buffers_;
  std::deque<std::vector<chainrule::Part>> parts_;
  std::vector<chainrule::Term> terms_;
};

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

chainrule::ColumnJob job_of(const Columns& columns, const std::optional<Vector>& s, const std::optional<Vector>& h,
                            const std::optional<Vector>& center, const std::optional<Vector>& p, const std::optional<Vector>& cp,
                            const std::optional<Places>& index) {
  chainrule::ColumnJob job = columns.job();
  chainrule::Job& rows = job.rows;
  rows.m = index ? static_cast<std::int64_t>(index->shape(0)) : columns.m();
  if (rows.m < 1) throw std::invalid_argument("there must be a row");
  rows.index = index ? index->data() : nullptr;
  for (std::int64_t i = 0; index && i < rows.m; ++i)
    if (rows.index[i] < 0 || rows.index[i] >= columns.m()) throw std::invalid_argument("index names a row that is not there");
  rows.s = pointer(s, rows.m, "s");
  job.h = pointer(h, rows.m, "h");
  rows.center = pointer(center, rows.n, "center");
  rows.p = pointer(p, rows.n, "p");
  rows.cp = pointer(cp, rows.n, "cp");
  if ((rows.p != nullptr) != (rows.cp != nullptr) || (rows.p != nullptr) != (rows.center != nullptr))
    throw std::invalid_argument("center, p and cp go together");
  return job;
}

// Runs a read without the interpreter's lock; raises what a signal asks for. The bad code, (row, column, code, is_missing), or None.
template <typename Read>
nb::object run(const Read& read) {
  bool signalled = false;
  chainrule::BadCode bad;
  {
    const nb::gil_scoped_release release;
    read(
        [&signalled] {
          const nb::gil_scoped_acquire acquire;
          signalled = signalled || PyErr_CheckSignals() != 0;
          return signalled;
        },
        bad);
  }
  if (signalled) throw nb::python_error();
  if (bad.row < 0) return nb::none();
  return nb::make_tuple(bad.row, bad.column, bad.code, bad.is_missing);
}

nb::object owned_array(chainrule::Doubles values) {
  auto* kept = new chainrule::Doubles(std::move(values));
  const nb::capsule owner(kept, [](void* memory) noexcept { delete static_cast<chainrule::Doubles*>(memory); });
  return nb::cast(nb::ndarray<nb::numpy, double, nb::ndim<1>>(kept->data(), {kept->size()}, owner));
}

nb::object read_columns(const Columns& columns, unsigned what, std::optional<Bytes> y, std::optional<Vector> s, std::optional<Vector> h,
                        std::optional<Vector> w, double b, std::optional<Vector> v, std::optional<Vector> q, std::optional<Output> z,
                        std::optional<Output> curvature, std::optional<Output> product, bool by_class, std::optional<Vector> center,
                        std::optional<Vector> p, std::optional<Vector> cp, std::optional<Places> index, int threads,
                        std::optional<std::string> kernel) {
  chainrule::ColumnJob job = job_of(columns, s, h, center, p, cp, index);
  job.rows.what = what;
  job.rows.y = pointer(y, job.rows.m, "y");
  job.rows.w = pointer(w, job.rows.n, "w");
  job.rows.b = b;
  job.rows.v = pointer(v, job.rows.n + 1, "v");
  job.rows.q = pointer(q, job.rows.n + 1, "q");
  job.rows.z = pointer(z, job.rows.m, "z");
  job.curvature = pointer(curvature, job.rows.m, "curvature");
  job.product = pointer(product, job.rows.m, "product");
  job.by_class = by_class;
  if ((what & chainrule::kLoss) && !job.rows.w) throw std::invalid_argument("a loss needs w");
  if ((what & chainrule::kNorms) && !job.rows.q) throw std::invalid_argument("norms need q");
  if ((what & chainrule::kProduct) && !job.rows.v) throw std::invalid_argument("a Hessian product needs v");
  if (what & (chainrule::kHessian | chainrule::kHessian32)) throw std::invalid_argument("of columns the matrix is gram_columns");
  if (what & chainrule::kLoss) job.h = nullptr;
  chainrule::Reading reading;
  const chainrule::ColumnKernels& kernels = chainrule::column_kernels_of(kernels_named(kernel));
  nb::object bad = run([&](const auto& interrupted, chainrule::BadCode& found) {
    reading = chainrule::read_columns(kernels, job, threads, interrupted, found);
  });
  const chainrule::Layout layout(job.rows);
  return nb::make_tuple(owned_array(std::move(reading.sums)), bad, layout.gradient, layout.squares, layout.sums, layout.extremes);
}

nb::object secant_columns(const Columns& columns, Bytes y, std::optional<Vector> s, Vector z, Vector v, Vector q, Output u,
                          std::optional<Vector> center, std::optional<Vector> p, std::optional<Vector> cp, std::optional<Places> index,
                          int threads, std::optional<std::string> kernel) {
  chainrule::ColumnSecantJob job{job_of(columns, s, std::nullopt, center, p, cp, index), nullptr, nullptr};
  chainrule::Job& rows = job.columns.rows;
  rows.what = chainrule::kLoss | chainrule::kGradient;
  rows.y = pointer(std::optional<Bytes>(y), rows.m, "y");
  rows.v = pointer(std::optional<Vector>(v), rows.n + 1, "v");
  rows.q = pointer(std::optional<Vector>(q), rows.n + 1, "q");
  job.z = pointer(std::optional<Vector>(z), rows.m, "z");
  job.u = pointer(std::optional<Output>(u), rows.m, "u");
  const chainrule::Kernels& kernels = kernels_named(kernel);
  chainrule::Doubles sums;
  nb::object bad = run([&](const auto& interrupted, chainrule::BadCode& found) {
    sums = chainrule::secant_columns(kernels, job, threads, interrupted, found);
  });
  const chainrule::ColumnSecantLayout layout(rows.n);
  return nb::make_tuple(owned_array(std::move(sums)), bad, layout.slots, layout.norm);
}

nb::object gram_columns(const Columns& columns, Vector h, std::optional<Vector> s, Places place, Square matrix,
                        std::optional<Vector> center, std::optional<Vector> p, std::optional<Vector> cp, std::optional<Places> index,
                        int threads, std::optional<std::string> kernel) {
  const chainrule::ColumnJob job = job_of(columns, s, h, center, p, cp, index);
  const std::int64_t* const places = pointer(std::optional<Places>(place), job.rows.n, "place");
  const auto side = static_cast<std::int64_t>(matrix.shape(0));
  std::int64_t next = 0;
  for (std::int64_t j = 0; j < job.rows.n; ++j)
    if (places[j] >= 0 && places[j] != next++) throw std::invalid_argument("places must be 0, 1, ... in the order of the slots, or -1");
  if (static_cast<std::int64_t>(matrix.shape(1)) != side || side != next + 1)
    throw std::invalid_argument("the matrix must have a row and a column for each place and the bias");
  const chainrule::Kernels& kernels = kernels_named(kernel);
  return run([&](const auto& interrupted, chainrule::BadCode& found) {
    chainrule::gram_columns(kernels, job, places, side, matrix.data(), threads, interrupted, found);
  });
}

}  // namespace

void register_columns(nb::module_& module) {
  nb::class_<Columns>(module, "Columns")
      .def(nb::init<std::int64_t, const nb::list&>(), "m"_a, "terms"_a)
      .def_prop_ro("slots", &Columns::slots);
  module.def("read_columns", &read_columns, "columns"_a, "what"_a, "y"_a = nb::none(), "s"_a = nb::none(), "h"_a = nb::none(),
             "w"_a = nb::none(), "b"_a = 0.0, "v"_a = nb::none(), "q"_a = nb::none(), "z"_a = nb::none(), "curvature"_a = nb::none(),
             "product"_a = nb::none(), "by_class"_a = false, "center"_a = nb::none(), "p"_a = nb::none(), "cp"_a = nb::none(),
             "index"_a = nb::none(), "threads"_a = 1, "kernel"_a = nb::none());
  // What is written must not be a copy.
  module.def("secant_columns", &secant_columns, "columns"_a, "y"_a, "s"_a.none(), "z"_a, "v"_a, "q"_a, "u"_a.noconvert(), "center"_a.none(),
             "p"_a.none(), "cp"_a.none(), "index"_a.none(), "threads"_a, "kernel"_a.none());
  module.def("gram_columns", &gram_columns, "columns"_a, "h"_a, "s"_a.none(), "place"_a, "matrix"_a, "center"_a = nb::none(),
             "p"_a = nb::none(), "cp"_a = nb::none(), "index"_a = nb::none(), "threads"_a = 1, "kernel"_a = nb::none());
  module.def("column_leaf_blocks", &chainrule::column_leaf_blocks, "m"_a, "large_slots"_a);
  module.def("gram_leaf_rows", &chainrule::gram_leaf_rows, "m"_a, "side"_a);
  module.attr("FEW_LEVELS") = chainrule::kFewLevels;
}
