// The Python interface of the core: a design of column blocks, and reads of it. `chainrule.kernels` checks and documents it.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "border.hpp"
#include "check.hpp"
#include "gram_matrix.hpp"
#include "labels.hpp"
#include "path.hpp"
#include "reader.hpp"
#include "stochastic.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace chainrule;

namespace {

using Vector = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <typename Values>
nb::object owned_array(Values values, std::vector<std::size_t> shape) {
  auto* kept = new Values(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<Values*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, typename Values::value_type>(kept->data(), shape.size(), shape.data(), owner));
}
template <typename Values>
nb::object owned_array(Values values) {
  const std::size_t size = values.size();
  return owned_array(std::move(values), {size});
}

// The named kernels; without a name those that CHAINRULE_KERNEL asks for, or the best.
const Kernels& kernels_named(const std::optional<std::string>& name) {
  const char* asked = name ? name->c_str() : std::getenv("CHAINRULE_KERNEL");
  if (asked && !*asked) asked = nullptr;
  const Kernels* kernels = choose_kernels(asked);
  if (!kernels) throw std::invalid_argument("no kernels called '" + std::string(asked) + "' for this processor");
  return *kernels;
}

// Numbers borrowed from a Python array, of any shape, while it lives; none for None. If T isn't const, they are written, never to a copy.
template <typename T>
std::span<T> lent(const nb::object& given, const char* name) {
  if (given.is_none()) return {};
  nb::ndarray<T, nb::c_contig, nb::device::cpu> array;
  if (!nb::try_cast(given, array, false)) {
    using Number = std::remove_const_t<T>;
    const std::string kind = std::is_same_v<Number, double> ? "float64" : std::is_same_v<Number, std::uint8_t> ? "uint8" : "int64";
    throw std::invalid_argument(std::string(name) + " must be a contiguous array of " + kind +
                                (std::is_const_v<T> ? "" : " that can be written to"));
  }
  return {array.data(), array.size()};
}

// The same, for this many numbers; nullptr for None.
template <typename T = const double>
T* lent(const nb::object& given, std::int64_t expected, const char* name) {
  const std::span<T> found = lent<T>(given, name);
  if (!given.is_none() && static_cast<std::int64_t>(found.size()) != expected)
    throw std::invalid_argument(std::string(name) + " must have " + std::to_string(expected) + " elements");
  return given.is_none() ? nullptr : found.data();
}

// Runs without the interpreter's lock; raises the exception of a signal.
template <typename Act>
auto without_lock(const Act& act) {
  bool signalled = false;
  const Interrupted interrupted = [&signalled] {
    const nb::gil_scoped_acquire acquire;
    signalled = signalled || PyErr_CheckSignals() != 0;
    return signalled;
  };
  const auto found = [&] {
    const nb::gil_scoped_release release;
    return std::make_unique<decltype(act(interrupted))>(act(interrupted));
  }();
  if (signalled) throw nb::python_error();
  return std::move(*found);
}

// Memory borrowed from a Python object, as long as this lives.
class Buffer {
 public:
  explicit Buffer(nb::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_STRIDED_RO | PyBUF_FORMAT) != 0) throw nb::python_error();
  }
  ~Buffer() { PyBuffer_Release(&view_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  const char* data() const { return static_cast<const char*>(view_.buf); }
  std::ptrdiff_t stride(int axis = 0) const { return view_.strides[axis]; }
  std::int64_t size(int axis = 0) const { return view_.shape[axis]; }
  int axes() const { return view_.ndim; }

  // Bitmaps are contiguous bytes.
  bool is_bitmap() const { return axes() == 1 && kind() == Kind::kUint8 && (view_.strides[0] == 1 || view_.shape[0] < 2); }

  // Refuses anything but a contiguous vector of one of two types.
  void require(const char* name, Kind one, Kind other, const char* kinds) const {
    const bool lies = axes() == 1 && (view_.shape[0] < 2 || view_.strides[0] == view_.itemsize);
    if (!lies || (kind() != one && kind() != other))
      throw std::invalid_argument(std::string(name) + " must be a contiguous vector of " + kinds);
  }

  Kind kind() const {
    const std::string format(view_.format ? view_.format : "B");
    // The character before the type's letter is the byte order, which must be native or missing.
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

// Column blocks, not copied. Their memory is held as long as this lives.
class Design {
 public:
  explicit Design(std::int64_t m) : m_(m) {
    if (m < 1) throw std::invalid_argument("there must be a row");
  }
  Design(const Design&) = delete;
  Design& operator=(const Design&) = delete;

  std::int64_t m() const { return m_; }
  std::int64_t slots() const { return slots_; }
  const std::vector<Block>& blocks() const { return blocks_; }

  void add_rows(nb::handle X) {
    const Buffer& buffer = buffers_.emplace_back(X);
    const Kind kind = buffer.kind();
    if (buffer.axes() != 2 || (kind != Kind::kFloat64 && kind != Kind::kFloat32))
      throw std::invalid_argument("X must be 2-D, float64 or float32");
    if (buffer.size() != m_ || buffer.size(1) < 1) throw std::invalid_argument("X must have a row and a column");
    Block block{};
    block.form = Block::kRows;
    block.data = buffer.data();
    block.row_stride = buffer.stride(0);
    block.col_stride = buffer.stride(1);
    block.is_float32 = kind == Kind::kFloat32;
    push(block, buffer.size(1));
  }

  void add_sparse(nb::handle data, nb::handle indices, nb::handle indptr, std::int64_t n) {
    const Buffer &values = buffers_.emplace_back(data), &columns = buffers_.emplace_back(indices), &starts = buffers_.emplace_back(indptr);
    Block block{};
    block.form = Block::kSparse;
    block.data = values.data();
    block.is_float32 = values.kind() == Kind::kFloat32;
    block.indices = columns.data();
    block.indptr = starts.data();
    block.wide_indices = columns.kind() == Kind::kInt64;
    block.wide_indptr = starts.kind() == Kind::kInt64;
    if (starts.size() != m_ + 1) throw std::invalid_argument("indptr must have a start for each row");
    push(block, n);
  }

  // Numbers (0), indicators (1) of missing ones, or a category (2); parts: (values, rows, valid, valid_at, bits, values_at) each.
  void add_column(int form, std::int64_t column, std::int64_t levels, double fill, std::int64_t missing, bool of_codes,
                  const nb::tuple& parts) {
    const std::string name = "column " + std::to_string(column) + ": ";
    const bool category = form == 2;
    if (form < 0 || form > 2) throw std::invalid_argument(name + "no such form");
    if (levels < 1 || levels >= std::numeric_limits<std::int32_t>::max() || missing >= levels || (!category && levels != 1))
      throw std::invalid_argument(name + "no such number of levels");
    Block block{};
    block.form = category ? Block::kCategory : form ? Block::kIndicator : Block::kNumber;
    std::vector<Part>& kept = parts_.emplace_back();
    std::int64_t rows = 0;
    for (nb::handle given : parts) {
      try {
        rows += add_part(nb::cast<nb::tuple>(given), rows, kept);
      } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(name + error.what());
      }
      const Kind kind = kept.back().kind;
      if (category && (kind == Kind::kFloat64 || kind == Kind::kFloat32 || kind >= Kind::kUint64))
        throw std::invalid_argument(name + "codes must be integers of 8 to 64 bits, if unsigned of 8 to 32");
    }
    if (rows != m_) throw std::invalid_argument(name + "its parts have " + std::to_string(rows) + " rows, not " + std::to_string(m_));
    std::erase_if(kept, [](const Part& part) { return part.first == part.end; });  // the search for a row's part doesn't need empty parts
    block.column = column;
    block.parts = kept.data();
    block.n_parts = static_cast<std::int64_t>(kept.size());
    block.fill = fill;
    block.missing = missing;
    block.of_codes = of_codes;
    push(block, levels);
  }

 private:
  void push(Block block, std::int64_t slots) {
    block.at = slots_;
    block.slots = slots;
    slots_ += slots;
    blocks_.push_back(block);
  }

  // Returns its rows.
  std::int64_t add_part(const nb::tuple& given, std::int64_t first, std::vector<Part>& parts) {
    const auto rows = nb::cast<std::int64_t>(given[1]);
    const auto valid_at = nb::cast<std::int64_t>(given[3]), values_at = nb::cast<std::int64_t>(given[5]);
    const bool bits = nb::cast<bool>(given[4]);
    const Buffer& values = buffers_.emplace_back(given[0]);
    if (rows < 0 || rows > m_) throw std::invalid_argument("a part has " + std::to_string(rows) + " rows");
    if (values.axes() != 1) throw std::invalid_argument("a part's values must be 1-D");
    const auto covers = [rows](const Buffer& bitmap, std::int64_t at) {
      return bitmap.is_bitmap() && at >= 0 && at / 8 <= bitmap.size() && at + rows <= 8 * bitmap.size();
    };
    if (bits ? !covers(values, values_at) : values.size() != rows)
      throw std::invalid_argument("a part has " + std::to_string(rows) + " rows, and values of another length");
    Part part{};
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
  std::deque<std::vector<Part>> parts_;
  std::vector<Block> blocks_;
};

// The result of reading some rows, with the layout to decode it, which outlives the design.
struct Found {
  Job job{};  // what was asked for: points, flags, n
  std::vector<Block> blocks;
  std::vector<double> fold, matrix_fold, center;
  Reading reading;

  void own() {
    job.blocks = blocks.data();
    job.fold = fold.empty() ? nullptr : fold.data();
  }
};

// The rows of a read: which ones, their labels and weights, and the view.
struct Given {
  nb::object y = nb::none(), s = nb::none(), center = nb::none(), p = nb::none(), index = nb::none();

  Job job(const Design& design, std::vector<Block>& blocks) const {
    Job job{};
    blocks = design.blocks();
    job.blocks = blocks.data();
    job.n_blocks = static_cast<std::int64_t>(blocks.size());
    job.n = design.slots();
    const std::span<const std::int64_t> some = lent<const std::int64_t>(index, "index");
    job.m = index.is_none() ? design.m() : static_cast<std::int64_t>(some.size());
    if (job.m < 1) throw std::invalid_argument("index must name a row");
    job.index = index.is_none() ? nullptr : some.data();
    for (const std::int64_t row : some)
      if (row < 0 || row >= design.m()) throw std::invalid_argument("index names a row that is not there");
    job.y = lent<const std::uint8_t>(y, job.m, "y");
    job.s = lent(s, job.m, "s");
    job.points = job.outputs = 1;
    return job;
  }
  Seen seen(const std::vector<Block>& blocks, std::int64_t n) const {
    const Seen seen{lent(center, n, "center"), lent(p, n, "p")};
    if (!seen.center != !seen.p) throw std::invalid_argument("center and p go together");
    for (const Block& block : blocks) {
      const bool is_fixed = block.form == Block::kCategory || block.form == Block::kIndicator;
      for (std::int64_t k = block.at; is_fixed && seen.p && k < block.at + block.slots; ++k)
        if (seen.center[k] != 0.0 || seen.p[k] != 1.0) throw std::invalid_argument("levels and indicators are neither centred nor scaled");
    }
    return seen;
  }
};

// A loss in Python: (z, label) -> (loss, residual, curvature), arrays over rows; z and residual (outputs, rows) if there are several.
void call_python(void* context, std::int64_t rows, std::int64_t step, const double* z, const double* label, double* loss, double* residual,
                 double* curvature) {
  const nb::gil_scoped_acquire acquire;
  const auto size = static_cast<std::size_t>(rows);
  const auto array = [size](const double* from) { return owned_array(std::vector<double>(from, from + size)); };
  (void)step;
  const nb::object found = nb::borrow<nb::object>(static_cast<PyObject*>(context))(array(z), array(label));
  nb::tuple parts;
  if (!nb::try_cast(found, parts) || parts.size() != 3) throw std::invalid_argument("a loss must give losses, residuals and curvatures");
  double* const to[] = {loss, residual, curvature};
  for (std::size_t k = 0; k < 3; ++k) {
    Vector part;
    if (!nb::try_cast(parts[k], part) || part.shape(0) != size)
      throw std::invalid_argument("a loss must give arrays of an element for each row");
    std::copy(part.data(), part.data() + size, to[k]);
  }
}

// Checks that every row of positive weight has a valid class.
void refuse_labels(const Job& job) {
  const auto most = static_cast<std::uint8_t>(std::min<std::int64_t>(std::max<std::int64_t>(job.outputs, 2) - 1, 255));
  std::uint8_t largest = 0;
  for (std::int64_t i = 0; job.y && i < job.m; ++i) largest = std::max(largest, job.y[i]);
  for (std::int64_t i = 0; largest > most && i < job.m; ++i)
    if (job.y[i] > most && !(job.s && job.s[i] == 0.0))
      throw std::invalid_argument("y has class " + std::to_string(job.y[i]) + " in row " + std::to_string(i + 1) + ", not one of 0 to " +
                                  std::to_string(most));
}

// The slots of the columns that are asked for; of all by default.
std::vector<std::int64_t> slots_of(nb::object columns, const std::vector<Block>& blocks, std::int64_t n) {
  std::vector<std::int64_t> numbers;
  if (columns.is_none()) {
    for (const Block& block : blocks)
      for (std::int64_t k = 0; k < block.slots; ++k) numbers.push_back(block.at + k);
    return numbers;
  }
  const std::span<const std::int64_t> some = lent<const std::int64_t>(columns, "columns");
  numbers.assign(some.begin(), some.end());
  for (std::size_t k = 0; k < numbers.size(); ++k)
    if (numbers[k] < 0 || numbers[k] >= n || (k && numbers[k] <= numbers[k - 1])) throw std::invalid_argument("columns must be ascending");
  return numbers;
}

// Reads what found.job asks for. numbers: the slots of its matrix.
void finish(Found& found, const Seen& seen, const std::vector<std::int64_t>& numbers, Range range, int threads, const Kernels& kernels) {
  Job& job = found.job;
  const View view(job, seen.center, seen.p);
  if (job.fold) found.fold.assign(job.fold, job.fold + job.n);
  if (seen.center) found.center.assign(seen.center, seen.center + job.n);
  for (const std::int64_t slot : numbers)
    if (job.fold && !job.has(kHessian32)) found.matrix_fold.push_back(job.fold[slot]);
  found.reading = without_lock([&](const Interrupted& interrupted) { return read(kernels, job, range, threads, interrupted); });
  found.own();
  job.numbers = nullptr;
}

Found read_design(const Design& design, unsigned what, nb::object y, nb::object s, nb::object w, nb::object b, std::int64_t points,
                  std::int64_t outputs, nb::object row_weights, nb::object q, nb::object h, nb::object z, nb::object u, nb::object r,
                  double t, double step, double pull, nb::object z_out, nb::object h_out, nb::object r_out, nb::object center, nb::object p,
                  nb::object index, nb::object columns, nb::object loss, std::optional<std::pair<std::int64_t, std::int64_t>> rows,
                  std::int64_t number, std::optional<std::pair<std::int64_t, std::int64_t>> head, int threads,
                  std::optional<std::string> kernel) {
  Found found;
  const Given given{y, s, center, p, index};
  Job& job = found.job = given.job(design, found.blocks);
  job.what = what;
  job.points = points;
  job.outputs = outputs;
  if (points < 1 || outputs < 1) throw std::invalid_argument("there must be a point and an output");
  job.loss = !loss.is_none() ? LossKind::kGiven : outputs > 1 ? LossKind::kSoftmax : LossKind::kLogistic;
  job.given = {loss.ptr(), call_python};
  job.w = lent(w, points * outputs * job.n, "w");
  job.b = lent(b, points * outputs, "b");
  job.row_weights = lent(row_weights, points * job.m, "row_weights");
  job.q = lent(q, job.n + 1, "q");
  job.h = lent(h, job.m, "h");
  job.z = lent(z, job.m, "z");
  job.u = lent(u, job.m, "u");
  job.z_out = lent<double>(z_out, (job.dots() ? points * outputs : 1) * job.m, what & kSecant ? "u" : "z");
  job.r = lent(r, 2 * job.m, "r");
  job.r_out = lent<double>(r_out, 2 * job.m, "r");
  job.h_out = lent<double>(h_out, points * job.m, "h");
  job.t = t;
  job.step = step;
  job.pull = pull;
  const auto need = [what](unsigned flags, bool there, const char* says) {
    if ((what & flags) && !there) throw std::invalid_argument(says);
  };
  need(kLoss | kProduct | kSecant, job.w && job.b, "a point needs w and b");
  need(kGradient, what & kLoss, "a gradient goes with a loss");
  need(kGradient | kSecant | kAlong | kFeasible, job.y, "y is missing");
  need(what & kLoss ? unsigned{kHessian} : 0U, job.y, "y is missing");
  refuse_labels(job);
  need(kHessian32, what & kHessian, "HESSIAN32 goes with HESSIAN");
  need(kProduct, job.h && !(what & kLoss), "a Hessian product needs h, and goes without a loss");
  need(kNorms, job.q, "norms need q");
  need(kSecant, job.z, "a secant needs z");
  need(kAlong | kFeasible, job.z && job.u, "a step needs z and u");
  need(kFeasible, job.r && job.h, "a dual point needs r and h");
  need(kHessian, points == 1 && outputs == 1, "a matrix is made at one point, of one output");
  if (job.h_out && !job.y) throw std::invalid_argument("curvatures need y");
  if (job.loss == LossKind::kGiven && outputs > 1) throw std::invalid_argument("a given loss has one output");

  std::vector<std::int64_t> numbers;
  if (what & kHessian) numbers = slots_of(columns, found.blocks, job.n);
  job.numbers = numbers.data();
  job.n_numbers = static_cast<std::int64_t>(numbers.size());
  if (head) {
    const auto from = std::find(numbers.begin(), numbers.end(), head->first), to = std::find(from, numbers.end(), head->second - 1);
    if (to == numbers.end() || to - from != head->second - 1 - head->first || job.of_numbers())
      throw std::invalid_argument("the head must be some of the columns, of a matrix of levels or sparse columns");
    job.head_at = from - numbers.begin();
    job.head = head->second - head->first;
  }
  Range range{0, job.m, number};
  if (rows) range.first = rows->first, range.end = rows->second;
  const std::int64_t leaf = leaf_of(job);
  if (range.first < 0 || range.end <= range.first || range.end > job.m) throw std::invalid_argument("there are no such rows");
  if (number < 0 || number % leaf) throw std::invalid_argument("a range must begin at a multiple of " + std::to_string(leaf) + " rows");

  finish(found, given.seen(found.blocks, job.n), numbers, range, threads, kernels_named(kernel));
  return found;
}

nb::object bad_code(const Found& found) {
  const BadCode& bad = found.reading.bad;
  return bad.row < 0 ? nb::object(nb::none()) : nb::object(nb::make_tuple(bad.row, bad.column, bad.code, bad.is_missing));
}

// (scalars, terms (T, n + 1), counts, extremes (2, n), norm, matrix)
nb::object result(Found& found) {
  const Job& job = found.job;
  const Layout layout(job);
  const auto n = static_cast<std::size_t>(job.n);
  Doubles sums = combine(std::move(found.reading.sums), layout.extremes);
  found.reading.sums.clear();
  if (sums.empty()) sums.assign(static_cast<std::size_t>(layout.size), 0.0);  // only a matrix was read
  const auto part = [&](std::int64_t from, std::size_t size) {
    const double* const at = sums.data() + from;
    return std::vector<double>(at, at + size);
  };
  nb::object counts = nb::none(), extremes = nb::none(), matrix = nb::none();
  if (job.has(kCounts)) counts = owned_array(part(layout.counts, n));
  if (job.has(kExtremes)) extremes = owned_array(part(layout.extremes, 2 * n), {2, n});
  const double norm = layout.size > layout.norm ? sums[static_cast<std::size_t>(layout.norm)] : 0.0;
  if (job.has(kHessian)) {
    const MatrixLayout of(job.n_numbers, job.has(kHessian32));
    const auto side = static_cast<std::size_t>(of.n + 1);
    Doubles packed = combine(std::move(found.reading.matrices), job.of_numbers() ? of.size : gram_size(job));
    found.reading.matrices.clear();
    if (job.of_numbers()) {
      std::vector<double> whole(side * side);
      unpack(of, packed.data(), found.matrix_fold.empty() ? nullptr : found.matrix_fold.data(), whole.data());
      matrix = owned_array(std::move(whole), {side, side});
    } else if (job.head) {
      matrix = owned_array(std::move(packed));
    } else {
      matrix = owned_array(std::move(packed), {side, side});
    }
  }
  return nb::make_tuple(owned_array(part(0, static_cast<std::size_t>(layout.scalars))),
                        owned_array(decode(job, sums), {static_cast<std::size_t>(layout.terms), n + 1}), counts, extremes, norm, matrix);
}

// Checks that subtrees cover all rows from the first on, each once.
void refuse_gaps(const std::vector<Subtree>& nodes) {
  std::vector<std::pair<std::int64_t, std::int64_t>> leaves;
  for (const Subtree& node : nodes) leaves.emplace_back(node.first(), node.first() + (std::int64_t{1} << node.level));
  std::sort(leaves.begin(), leaves.end());
  std::int64_t next = 0;
  for (const auto& [first, end] : leaves) {
    if (first != next)
      throw std::invalid_argument(first < next ? "ranges must be adjacent: one is there twice" : "ranges must be adjacent: one is missing");
    next = end;
  }
}

// Combines readings of adjacent ranges into one.
Found combined(const nb::list& readings) {
  Found all;
  bool first = true;
  for (nb::handle each : readings) {
    const Found& found = nb::cast<const Found&>(each);
    if (first) {
      all.job = found.job;
      all.blocks = found.blocks;
      all.fold = found.fold;
      all.matrix_fold = found.matrix_fold;
      all.center = found.center;
    } else if (found.job.what != all.job.what || found.job.n != all.job.n || found.job.points != all.job.points ||
               found.job.outputs != all.job.outputs || found.job.n_numbers != all.job.n_numbers || found.job.head_at != all.job.head_at ||
               found.job.head != all.job.head || found.fold != all.fold || found.center != all.center) {
      throw std::invalid_argument("readings of other quantities can't be combined");
    }
    first = false;
    all.reading.sums.insert(all.reading.sums.end(), found.reading.sums.begin(), found.reading.sums.end());
    all.reading.matrices.insert(all.reading.matrices.end(), found.reading.matrices.begin(), found.reading.matrices.end());
  }
  if (first) throw std::invalid_argument("there must be a reading");
  for (const std::vector<Subtree>* nodes : {&all.reading.sums, &all.reading.matrices}) refuse_gaps(*nodes);
  all.own();
  return all;
}

// Roundings that a term goes through: (in a sum, in the matrix).
nb::tuple depths(const Design& design, std::int64_t rows, std::optional<std::string> kernel) {
  std::vector<Block> blocks;
  const Job job = Given{}.job(design, blocks);
  Job matrix = job;
  matrix.n_numbers = job.n;
  const Kernels& kernels = kernels_named(kernel);
  return nb::make_tuple(sum_depth(kernels, job, rows), matrix_depth(kernels, matrix, rows));
}

// Rows of a leaf in a read of `what`.
std::int64_t rows_of_leaf(const Design& design, unsigned what) {
  std::vector<Block> blocks;
  Job job = Given{}.job(design, blocks);
  job.what = what;
  job.n_numbers = job.n;
  return leaf_of(job);
}

// Whether a row names a column twice; throws if the arrays of a sparse matrix are not valid.
bool check_arrays(nb::handle data, nb::handle indices, nb::handle indptr, std::int64_t n, int threads) {
  const Buffer values(data), columns(indices), starts(indptr);
  values.require("data", Kind::kFloat64, Kind::kFloat32, "float64 or float32");
  columns.require("indices", Kind::kInt32, Kind::kInt64, "int32 or int64");
  starts.require("indptr", Kind::kInt32, Kind::kInt64, "int32 or int64");
  if (values.size() != columns.size())
    throw std::invalid_argument("data has " + std::to_string(values.size()) + " elements, but indices has " +
                                std::to_string(columns.size()));
  Block block{};
  block.indices = columns.data();
  block.indptr = starts.data();
  block.wide_indices = columns.kind() == Kind::kInt64;
  block.wide_indptr = starts.kind() == Kind::kInt64;
  block.slots = n;
  const std::int64_t m = starts.size() - 1, nnz = columns.size();
  if (m < 1 || n < 1) throw std::invalid_argument("there must be a row and a column");
  const auto found = without_lock([&](const Interrupted& interrupted) { return check_sparse(block, m, nnz, threads, interrupted); });
  const std::string elements = std::to_string(nnz) + (nnz == 1 ? " element" : " elements");
  if (found->bad_row >= 0 && found->row_is_there)
    throw std::invalid_argument("row " + std::to_string(found->bad_row) + " names a column outside 0 to " + std::to_string(n - 1));
  if (found->bad_row >= 0)
    throw std::invalid_argument("indptr of row " + std::to_string(found->bad_row) + " descends or leaves the " + elements);
  if (row_start(block, 0) != 0) throw std::invalid_argument("indptr must begin with 0");
  if (row_start(block, m) != nnz)
    throw std::invalid_argument("indptr ends at " + std::to_string(row_start(block, m)) + ", but there are " + elements);
  return found->has_duplicates;
}

nb::list subtrees(const std::vector<Subtree>& nodes) {
  nb::list list;
  for (const Subtree& node : nodes) list.append(nb::make_tuple(node.level, node.index, owned_array(node.sums)));
  return list;
}

// (points, the next point, q, number of points, reads, Hessian and z at the last of the points, the next point's reading); the last
// three if z is given, the reading with a Hessian if there is none before
nb::object newton(const Design& design, nb::object y, nb::object s, nb::object center, nb::object p, nb::object index, nb::object columns,
                  nb::object alpha, bool fit_intercept, nb::object w, double b, double near, std::int64_t most, nb::object z, int threads,
                  std::optional<std::string> kernel) {
  const Given given{y, s, center, p, index};
  Found found;
  Job& job = found.job = given.job(design, found.blocks);
  job.what = kLoss | kGradient | kHessian;
  const std::vector<std::int64_t> numbers = slots_of(columns, found.blocks, job.n);
  job.numbers = numbers.data();
  job.n_numbers = static_cast<std::int64_t>(numbers.size());
  const double* ridge = lent(alpha, job.n_numbers, "alpha");
  const double* start = lent(w, job.n_numbers, "w");
  if (!job.y || !ridge || !start) throw std::invalid_argument("a path needs y, alpha and w");
  const Seen seen = given.seen(found.blocks, job.n);
  const Kernels& kernels = kernels_named(kernel);
  Path path = without_lock([&](const Interrupted& interrupted) {
    return newton_path(kernels, job, seen, ridge, fit_intercept, start, b, near, most, threads, interrupted);
  });
  nb::object hessian = nb::none(), z_there = nb::none(), last = nb::none();
  if (!z.is_none()) {
    const auto side = static_cast<std::size_t>(job.n_numbers + 1);
    job.what = kLoss | kGradient | kSums | kSquares | kNorms | (path.hessian.empty() ? unsigned{kHessian} : 0U);
    if (!path.hessian.empty()) hessian = owned_array(std::move(path.hessian), {side, side}), z_there = owned_array(std::move(path.z));
    const std::vector<double> at = in_slots(job, path.next.data());
    std::vector<double> q = in_slots(job, path.q.data());
    q.push_back(path.q.back());
    job.w = at.data();
    job.b = &path.next.back();
    job.q = q.data();
    job.z_out = lent<double>(z, job.m, "z");
    finish(found, seen, numbers, {0, job.m, 0}, threads, kernels);
    last = nb::cast(std::move(found));
  }
  return nb::make_tuple(owned_array(std::move(path.points)), owned_array(std::move(path.next)), owned_array(std::move(path.q)), path.count,
                        path.reads, hessian, z_there, last);
}

nb::object descend_design(const Design& design, nb::object y, nb::object s, nb::object center, nb::object p, nb::object kept,
                          nb::object step, nb::object ridge, bool fit_intercept, nb::object w, double b, double rate, int schedule,
                          std::int64_t batch, double per_weight, std::uint64_t seed, std::int64_t epoch, std::int64_t first,
                          std::int64_t end, std::optional<std::string> kernel) {
  const Given given{y, s, center, p};
  std::vector<Block> blocks;
  Job job = given.job(design, blocks);
  job.what = kLoss | kGradient;
  const std::span<const std::int64_t> some = lent<const std::int64_t>(kept, "kept");
  const std::int64_t rows = kept.is_none() ? job.m : static_cast<std::int64_t>(some.size());
  for (const std::int64_t row : some)
    if (row < 0 || row >= job.m) throw std::invalid_argument("kept names a row that is not there");
  if (blocks.size() != 1 || blocks[0].form != Block::kRows) throw std::invalid_argument("mini-batches are of dense rows");
  if (batch < 1 || batch > rows || schedule < 0 || schedule > 2) throw std::invalid_argument("no such batches or schedule");
  const std::int64_t updates = (rows - 1) / batch + 1;
  if (epoch < 0 || first < 0 || end < first || end > updates) throw std::invalid_argument("an epoch has no such updates");
  // Converts the point to the kernels' view of the columns, and back.
  const double* start = lent(w, job.n, "w");
  const double* steps = lent(step, job.n, "step");
  const double* penalties = lent(ridge, job.n, "ridge");
  if (!job.y || !start || !steps || !penalties) throw std::invalid_argument("mini-batches need y, w, step and ridge");
  job.w = start;
  job.b = &b;
  const Seen seen = given.seen(blocks, job.n);
  const View view(job, seen.center, seen.p);
  const auto n = static_cast<std::size_t>(job.n);
  std::vector<double> point(job.w, job.w + n), gradient(n), of_fold(n);
  for (std::size_t j = 0; j < n; ++j) of_fold[j] = steps[j] * (job.fold ? job.fold[j] * job.fold[j] : 1.0);
  Descent descent{};
  descent.batch = batch;
  descent.rate = rate;
  descent.schedule = static_cast<Schedule>(schedule);
  descent.period = static_cast<double>(updates);
  descent.per_weight = per_weight;
  descent.ridge = penalties;
  descent.fit_intercept = fit_intercept;
  descent.step = of_fold.data();
  descent.updates = epoch * updates + first;
  descent.w = point.data();
  descent.b = b;
  descent.gradient = gradient.data();
  const Order order(static_cast<std::uint64_t>(rows), seed, static_cast<std::uint64_t>(epoch));
  const Kernels& kernels = kernels_named(kernel);
  without_lock([&](const Interrupted& interrupted) {
    descend(kernels, job, descent, order, kept.is_none() ? nullptr : some.data(), rows, first, end, interrupted);
    return 0;
  });
  for (std::size_t j = 0; j < n && job.fold; ++j) point[j] /= job.fold[j];
  point.push_back(descent.b);
  return owned_array(std::move(point));
}

nb::object visiting_order(std::int64_t rows, std::uint64_t seed, std::int64_t epoch) {
  if (rows < 1 || epoch < 0) throw std::invalid_argument("there must be a row, and an epoch from 0");
  const Order order(static_cast<std::uint64_t>(rows), seed, static_cast<std::uint64_t>(epoch));
  std::vector<std::int64_t> places(static_cast<std::size_t>(rows));
  for (std::size_t k = 0; k < places.size(); ++k) places[k] = static_cast<std::int64_t>(order(k));
  return owned_array(std::move(places));
}

template <typename T>
nb::object labels_of(const Kernels& kernels, Number number, const void* y, std::int64_t m, std::uint8_t* codes) {
  const std::optional<std::pair<T, T>> found = two_labels(kernels, number, static_cast<const T*>(y), m, codes);
  return found ? nb::object(nb::make_tuple(found->first, found->second)) : nb::object(nb::none());
}

nb::object encode_labels(const nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>& y,
                         const nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& codes,
                         std::optional<std::string> kernel) {
  const auto m = static_cast<std::int64_t>(y.shape(0));
  if (m == 0 || static_cast<std::int64_t>(codes.shape(0)) != m) throw std::invalid_argument("y and codes must have one length");
  const nb::dlpack::dtype type = y.dtype();
  const Kernels& kernels = kernels_named(kernel);
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

void subtract(nb::object border, nb::object pivots, nb::object matrix) {
  const std::span<const double> x = lent<const double>(border, "border"), of = lent<const double>(pivots, "pivots");
  const std::span<double> to = lent<double>(matrix, "matrix");
  if (of.empty() || x.size() % of.size() || to.size() != x.size() / of.size() * (x.size() / of.size()))
    throw std::invalid_argument("border, pivots and matrix must be of one size");
  const nb::gil_scoped_release release;
  subtract_border(x.data(), of.data(), static_cast<std::int64_t>(of.size()), static_cast<std::int64_t>(x.size() / of.size()), to.data());
}

nb::object products_of(nb::object border, nb::object matrix) {
  const std::span<const double> x = lent<const double>(border, "border"), M = lent<const double>(matrix, "matrix");
  const auto r = static_cast<std::size_t>(std::llround(std::sqrt(static_cast<double>(M.size()))));
  if (r == 0 || r * r != M.size() || x.size() % r) throw std::invalid_argument("border and matrix must be of one size");
  std::vector<double> products;
  {
    const nb::gil_scoped_release release;
    products = border_products(x.data(), M.data(), static_cast<std::int64_t>(x.size() / r), static_cast<std::int64_t>(r));
  }
  return owned_array(std::move(products));
}

// (loss, residual, curvature) of each row.
nb::object pointwise(nb::object z, nb::object y, std::optional<std::string> kernel) {
  const std::span<const double> at = lent<const double>(z, "z");
  const std::size_t m = at.size();
  const std::uint8_t* labels = lent<const std::uint8_t>(y, static_cast<std::int64_t>(m), "y");
  std::vector<double> loss(m), residual(m), curvature(m);
  if (m && !labels) throw std::invalid_argument("y is missing");
  kernels_named(kernel).pointwise(static_cast<std::int64_t>(m), at.data(), labels, loss.data(), residual.data(), curvature.data());
  return nb::make_tuple(owned_array(std::move(loss)), owned_array(std::move(residual)), owned_array(std::move(curvature)));
}

}  // namespace

NB_MODULE(_core, module) {
  nb::class_<Design>(module, "Design")
      .def(nb::init<std::int64_t>(), "m"_a)
      .def("add_rows", &Design::add_rows, "X"_a)
      .def("add_sparse", &Design::add_sparse, "data"_a, "indices"_a, "indptr"_a, "n"_a)
      .def("add_column", &Design::add_column, "form"_a, "column"_a, "levels"_a, "fill"_a, "missing"_a, "of_codes"_a, "parts"_a)
      .def_prop_ro("m", &Design::m)
      .def_prop_ro("slots", &Design::slots);
  nb::class_<Found>(module, "Reading")
      .def("result", &result)
      .def_prop_ro("bad", &bad_code)
      .def_prop_ro("subtrees", [](const Found& found) { return subtrees(found.reading.sums); })
      .def_prop_ro("matrices", [](const Found& found) { return subtrees(found.reading.matrices); });
  const auto none = nb::none();
  module.def("read", &read_design, "design"_a, "what"_a, "y"_a = none, "s"_a = none, "w"_a = none, "b"_a = none, "points"_a = 1,
             "outputs"_a = 1, "row_weights"_a = none, "q"_a = none, "h"_a = none, "z"_a = none, "u"_a = none, "r"_a = none, "t"_a = 0.0,
             "step"_a = 0.0, "pull"_a = 0.0, "z_out"_a = none, "h_out"_a = none, "r_out"_a = none, "center"_a = none, "p"_a = none,
             "index"_a = none, "columns"_a = none, "loss"_a = none, "rows"_a = none, "number"_a = 0, "head"_a = none, "threads"_a = 1,
             "kernel"_a = none);
  module.def("combine", &combined, "readings"_a);
  module.def("leaf_rows", &rows_of_leaf, "design"_a, "what"_a);
  module.def("depths", &depths, "design"_a, "rows"_a, "kernel"_a = none);
  module.def("check_sparse", &check_arrays, "data"_a, "indices"_a, "indptr"_a, "n"_a, "threads"_a = 1);
  module.def("subtract_border", &subtract, "border"_a, "pivots"_a, "matrix"_a);
  module.def("border_products", &products_of, "border"_a, "matrix"_a);
  module.def("newton_path", &newton, "design"_a, "y"_a, "s"_a.none(), "center"_a.none(), "p"_a.none(), "index"_a.none(), "columns"_a.none(),
             "alpha"_a, "fit_intercept"_a, "w"_a, "b"_a, "near"_a, "most"_a, "z"_a.none(), "threads"_a, "kernel"_a = none);
  module.def("descend", &descend_design, "design"_a, "y"_a, "s"_a.none(), "center"_a.none(), "p"_a.none(), "kept"_a.none(), "step"_a,
             "ridge"_a, "fit_intercept"_a, "w"_a, "b"_a, "rate"_a, "schedule"_a, "batch"_a, "per_weight"_a, "seed"_a, "epoch"_a, "first"_a,
             "end"_a, "kernel"_a = none);
  module.def("visiting_order", &visiting_order, "rows"_a, "seed"_a, "epoch"_a);
  module.def("pointwise", &pointwise, "z"_a, "y"_a, "kernel"_a = none);
  module.def("encode_labels", &encode_labels, "y"_a, "codes"_a.noconvert(), "kernel"_a = none);
  module.def("kernel_name", [](std::optional<std::string> kernel) { return std::string(kernels_named(kernel).name); }, "kernel"_a = none);
  module.def("kernel_names", &kernel_names);
  module.attr("BLOCK_ROWS") = kBlockRows;
  module.attr("FLOAT32_BLOCK") = kFloat32Block;
  module.attr("FEW_LEVELS") = kFewLevels;
}
