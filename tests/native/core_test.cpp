// The core without Python: designs by hand, read by the kernels of this processor, against stored answers (answers.inc, which answers.py
// makes by itself). core_test [kernel]: 0 where all is right, 77 where this processor does not run that kernel.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "gram_matrix.hpp"
#include "reader.hpp"

using namespace chainrule;

namespace {

struct Stored {
  const char* name;
  std::size_t first, pairs, numbers;
};

#include "answers.inc"

constexpr double kTolerance = 1e-13;  // of the absolute terms
// What 64 rows of float32 lose: two roundings of each factor, one of the product and 64 of the sum.
constexpr double kTolerance32 = 69 * 0x1p-24;
// Below 2^-1022 doubles are 2^-1074 apart: two of these for a number that is the product of two.
constexpr double kSubnormal = 0x1p-1073;

const Kernels* kernels = nullptr;
int compared = 0, wrong = 0;
double farthest = 0.0;  // in units of the tolerance

void complain(const std::string& what) {
  if (++wrong <= 40) std::printf("%s\n", what.c_str());
}

// --- against what is stored ------------------------------------------------------------------------------------------------

void compare(const std::string& name, const std::vector<double>& got, double tolerance = kTolerance) {
  const auto* const end = kStored + std::size(kStored);
  const auto* const stored = std::find_if(kStored, end, [&](const Stored& each) { return name == each.name; });
  if (stored == end) return complain(name + ": no stored answer");
  if (stored->numbers != got.size()) return complain(name + ": " + std::to_string(got.size()) + " numbers, not as many as are stored");
  const double* pair = kNumbers + 2 * stored->first;
  std::size_t zeros = 0;
  for (std::size_t k = 0; k < got.size(); ++k) {
    double value = 0.0, terms = 0.0;
    if (zeros) {
      --zeros;
    } else if (pair[1] < 0.0) {
      zeros = static_cast<std::size_t>(-pair[1]) - 1;
      pair += 2;
    } else {
      value = pair[0], terms = pair[1];
      pair += 2;
    }
    const double allowed = tolerance * terms + (terms > 0.0 ? kSubnormal : 0.0), apart = std::fabs(got[k] - value);
    ++compared;
    if (got[k] == value) continue;
    farthest = std::max(farthest, apart / allowed);
    if (apart <= allowed) continue;
    char says[200];
    std::snprintf(says, sizeof says, "%s[%zu]: %.17g, stored %.17g, of terms %.3g (%.3g of the tolerance)", name.c_str(), k, got[k], value,
                  terms, apart / allowed);
    complain(says);
  }
}

void same_bits(const std::string& name, const Doubles& a, const Doubles& b) {
  ++compared;
  if (a.size() != b.size() || (!a.empty() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) != 0))
    complain(name + ": other bits");
}

// --- the data: each function has its twin in answers.py --------------------------------------------------------------------

constexpr double kEdges[] = {18.0, -18.0, 37.0, -37.0, 710.0, -710.0, 1e4, -1e4};
constexpr std::int64_t kM = 2500, kIndexed = 1700, kOfPairs = 150, kOfWide = 60, kEvery = 61;
constexpr double kT = 0.3, kStep = 0.0625, kPull = 0.05;

std::uint64_t draw(std::int64_t stream, std::int64_t at) {
  std::uint64_t x = ((static_cast<std::uint64_t>(stream) << 32) + static_cast<std::uint64_t>(at) + 1) * 0x9E3779B97F4A7C15U;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
  x = (x ^ x >> 27) * 0x94D049BB133111EBU;
  return x ^ x >> 31;
}
std::int64_t below(std::int64_t stream, std::int64_t at, std::uint64_t end) { return static_cast<std::int64_t>(draw(stream, at) % end); }
double real(std::int64_t stream, std::int64_t at) { return static_cast<double>(draw(stream, at) >> 11) * 0x1p-52 - 1.0; }
double short_real(std::int64_t stream, std::int64_t at) { return static_cast<double>(draw(stream, at) >> 40) * 0x1p-23 - 1.0; }
bool at_edge(std::int64_t i) { return i % 50 == 7; }
double edge(std::int64_t i) { return kEdges[i / 50 % 8]; }
double first(std::int64_t i, double x) { return at_edge(i) ? edge(i) - 0.5 : x; }
std::uint8_t label(std::int64_t i, std::int64_t classes) {
  return static_cast<std::uint8_t>(at_edge(i) ? i / 400 % classes : below(1, i, static_cast<std::uint64_t>(classes)));
}
bool there(std::int64_t stream, std::int64_t i) { return draw(stream, i) % 5 != 0; }

template <typename Of>
std::vector<double> each_row(std::int64_t m, const Of& of) {
  std::vector<double> out(static_cast<std::size_t>(m));
  for (std::int64_t i = 0; i < m; ++i) out[static_cast<std::size_t>(i)] = of(i);
  return out;
}

// --- designs ---------------------------------------------------------------------------------------------------------------

// Blocks, and the memory that they lie in.
class Design {
 public:
  Design(std::string named, std::int64_t rows) : name(std::move(named)), m(rows) {}
  Design(const Design&) = delete;
  Design& operator=(const Design&) = delete;

  std::string name;
  std::int64_t m, n = 0;
  std::vector<Block> blocks;
  std::vector<std::int64_t> index, numbers;
  std::vector<double> centers, powers;

  // Memory of `size` elements, of(k) each.
  template <typename T, typename Of>
  T* keep(std::int64_t size, const Of& of) {
    std::vector<char>& memory = memory_.emplace_back(static_cast<std::size_t>(size) * sizeof(T) + 1);
    T* const at = reinterpret_cast<T*>(memory.data());
    for (std::int64_t k = 0; k < size; ++k) at[k] = static_cast<T>(of(k));
    return at;
  }
  template <typename Of>
  std::uint8_t* keep_bits(std::int64_t rows, std::int64_t at, const Of& of) {
    const std::int64_t bytes = (rows + at) / 8 + 1;
    auto* const bits = keep<std::uint8_t>(bytes, [](std::int64_t) { return 0; });
    for (std::int64_t i = 0; i < rows; ++i)
      if (of(i)) bits[(at + i) / 8] = static_cast<std::uint8_t>(bits[(at + i) / 8] | 1 << (at + i) % 8);
    return bits;
  }

  // Rows of x(i, j), of T; from one to the next `step` elements, the other way round where that is negative; 0: by columns.
  template <typename T, typename X>
  void add_rows(std::int64_t columns, std::int64_t step, const X& x) {
    Block block{};
    block.form = Block::kRows;
    block.is_float32 = sizeof(T) == 4;
    const auto size = static_cast<std::ptrdiff_t>(sizeof(T));
    if (step == 0) {
      block.data = reinterpret_cast<const char*>(keep<T>(m * columns, [&](std::int64_t k) { return x(k % m, k / m); }));
      block.row_stride = size;
      block.col_stride = size * m;
    } else {
      const std::int64_t width = std::abs(step);
      T* const memory = keep<T>(m * width, [&](std::int64_t k) {
        const std::int64_t i = step < 0 ? m - 1 - k / width : k / width, j = k % width;
        return j < columns ? static_cast<double>(x(i, j)) : std::numeric_limits<double>::quiet_NaN();
      });
      block.data = reinterpret_cast<const char*>(step < 0 ? memory + (m - 1) * width : memory);
      block.row_stride = size * step;
      block.col_stride = size;
    }
    push(block, columns);
  }

  // Rows first to end of a column, `step` elements apart; and of what is there, from bit `valid_at` on, if anything is said of it.
  template <typename T, typename X>
  Part part(Kind kind, std::int64_t begin, std::int64_t end, std::int64_t step, const X& x) {
    Part part{};
    const T* const values = keep<T>((end - begin) * step, [&](std::int64_t k) { return x(begin + k / step); });
    part.values = reinterpret_cast<const char*>(values);
    part.stride = static_cast<std::ptrdiff_t>(sizeof(T)) * step;
    part.first = begin;
    part.end = end;
    part.kind = kind;
    return part;
  }
  template <typename There>
  void say_valid(Part& part, std::int64_t valid_at, const There& is_there) {
    part.valid = keep_bits(part.end - part.first, valid_at, [&](std::int64_t k) { return is_there(part.first + k); });
    part.valid_at = valid_at;
  }

  void add_column(Block::Form form, std::int64_t levels, double fill, std::int64_t missing, bool of_codes, std::vector<Part> parts) {
    Block block{};
    block.form = form;
    block.fill = fill;
    block.missing = missing;
    block.of_codes = of_codes;
    const std::vector<Part>& kept = parts_.emplace_back(std::move(parts));
    block.parts = kept.data();
    block.n_parts = static_cast<std::int64_t>(kept.size());
    push(block, levels);
  }
  void add_number(std::vector<Part> parts, double fill = std::numeric_limits<double>::quiet_NaN()) {
    add_column(Block::kNumber, 1, fill, -1, false, std::move(parts));
  }
  void add_category(std::int64_t levels, std::vector<Part> parts, std::int64_t missing = -1) {
    add_column(Block::kCategory, levels, 0.0, missing, false, std::move(parts));
  }

  // CSR: each element in a quarter of the rows; at the edges the first column always, where asked for. Odd rows backwards.
  template <typename T, typename Column, typename Start, typename X>
  void add_sparse(std::int64_t stream, std::int64_t columns, bool target, const X& x) {
    std::vector<double> values;
    std::vector<std::int64_t> indices, indptr{0};
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t k = 0; k < columns; ++k) {
        const std::int64_t j = i % 2 ? columns - 1 - k : k;
        const bool is_target = target && at_edge(i) && j == 0;
        if (!is_target && draw(stream, columns * i + j) % 4 != 0) continue;
        values.push_back(is_target ? edge(i) - 0.5 : x(stream + 1, columns * i + j));
        indices.push_back(j);
      }
      indptr.push_back(static_cast<std::int64_t>(values.size()));
    }
    Block block{};
    block.form = Block::kSparse;
    block.is_float32 = sizeof(T) == 4;
    block.wide_indices = sizeof(Column) == 8;
    block.wide_indptr = sizeof(Start) == 8;
    const auto size = static_cast<std::int64_t>(values.size());
    block.data = reinterpret_cast<const char*>(keep<T>(size, [&](std::int64_t k) { return values[static_cast<std::size_t>(k)]; }));
    block.indices = keep<Column>(size, [&](std::int64_t k) { return indices[static_cast<std::size_t>(k)]; });
    block.indptr = keep<Start>(m + 1, [&](std::int64_t k) { return indptr[static_cast<std::size_t>(k)]; });
    push(block, columns);
  }

  void all_numbers() {
    for (std::int64_t j = 0; j < n; ++j) numbers.push_back(j);
  }

 private:
  void push(Block block, std::int64_t slots) {
    block.at = n;
    block.slots = slots;
    block.column = static_cast<std::int64_t>(blocks.size());
    n += slots;
    blocks.push_back(block);
  }

  std::deque<std::vector<char>> memory_;
  std::deque<std::vector<Part>> parts_;
};

double dense_x(std::int64_t i, std::int64_t j) {
  if (at_edge(i)) return j == 0 ? edge(i) - 0.5 : 0.0;
  return real(10, 19 * i + j);
}

void fill_floats(Design& to) {
  to.add_rows<float>(3, 0, [](std::int64_t i, std::int64_t j) {
    const double x = short_real(13, 3 * i + j);
    return j == 0 ? first(i, x) : x;
  });
  to.add_rows<float>(9, -10, [](std::int64_t i, std::int64_t j) { return short_real(14, 9 * i + j); });
  to.all_numbers();
}

constexpr std::int64_t kLevels[] = {6, 130, 20};

void fill_columns(Design& to) {
  const std::int64_t m = to.m, cut = 1300;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  to.add_number({to.part<double>(Kind::kFloat64, 0, m, 1, [](std::int64_t i) { return first(i, real(20, i)); })});
  const auto floats = [](std::int64_t i) { return short_real(21, i); };
  to.add_number({to.part<float>(Kind::kFloat32, 0, 700, 3, floats), to.part<float>(Kind::kFloat32, 700, m, 1, floats)});
  const auto counts = [](std::int64_t i) { return below(22, i, 4001) - 2000; };
  std::vector<Part> parts = {to.part<std::int16_t>(Kind::kInt16, 0, cut, 1, counts),
                             to.part<std::int16_t>(Kind::kInt16, cut, m, 2, counts)};
  to.say_valid(parts[0], 3, [](std::int64_t i) { return there(30, i); });
  to.add_number(parts, 0.375);
  to.add_column(Block::kIndicator, 1, nan, -1, false, parts);
  Part bits{};
  bits.values = reinterpret_cast<const char*>(to.keep_bits(m, 5, [](std::int64_t i) { return draw(23, i) % 2 != 0; }));
  bits.values_at = 5;
  bits.end = m;
  bits.kind = Kind::kBits;
  to.say_valid(bits, 1, [](std::int64_t i) { return there(31, i); });
  to.add_number({bits}, 0.25);
  const std::vector<Part> holes = {
      to.part<double>(Kind::kFloat64, 0, m, 1, [&](std::int64_t i) { return draw(24, i) % 7 == 0 ? nan : real(25, i); })};
  to.add_number(holes, -0.5);
  to.add_column(Block::kIndicator, 1, nan, -1, false, holes);
  to.add_number({to.part<std::uint8_t>(Kind::kUint8, 0, m, 1, [](std::int64_t i) { return below(26, i, 256); })});
  const std::uint64_t large = std::uint64_t{1} << 40;
  to.add_number(
      {to.part<std::int64_t>(Kind::kInt64, 0, m, 1, [&](std::int64_t i) { return below(27, i, large) - (std::int64_t{1} << 39); })});
  to.add_number({to.part<std::uint8_t>(Kind::kBool, 0, m, 1, [](std::int64_t i) { return below(29, i, 2); })});
  const std::vector<Part> codes = {to.part<std::int8_t>(Kind::kInt8, 0, m, 1, [](std::int64_t i) { return below(28, i, 9) - 3; })};
  to.add_column(Block::kIndicator, 1, nan, -1, true, codes);
  to.add_category(kLevels[0], codes, 5);
  to.add_category(kLevels[1], {to.part<std::uint16_t>(Kind::kUint16, 0, m, 1, [](std::int64_t i) { return below(33, i, 130); })});
  std::vector<Part> gaps = {to.part<std::int32_t>(Kind::kInt32, 0, m, 2, [](std::int64_t i) { return below(34, i, 20); })};
  to.say_valid(gaps[0], 0, [](std::int64_t i) { return there(32, i); });
  to.add_category(kLevels[2], gaps, 0);
  for (std::int64_t j = 0; j < to.n; ++j) {
    const std::int64_t of_large = j - 17, of_last = of_large - kLevels[1];
    if (of_large < 0 || (of_last < 0 ? of_large % 20 == 0 : of_last % 4 == 0)) to.numbers.push_back(j);
  }
}

void fill_sparse(Design& to) {
  to.add_sparse<double, std::int32_t, std::int64_t>(40, 13, true, real);
  to.add_sparse<float, std::int64_t, std::int32_t>(42, 14, false, short_real);
  to.all_numbers();
}

void fill_mix(Design& to) {
  to.add_rows<double>(5, 5, [](std::int64_t i, std::int64_t j) { return j == 0 ? first(i, real(50, 5 * i)) : real(50, 5 * i + j); });
  to.add_category(9, {to.part<std::int64_t>(Kind::kInt64, 0, to.m, 1, [](std::int64_t i) { return below(51, i, 9); })});
  to.add_number({to.part<std::int32_t>(Kind::kInt32, 0, to.m, 3, [](std::int64_t i) { return below(52, i, 2001) - 1000; })});
  to.add_sparse<double, std::int32_t, std::int32_t>(53, 10, false, real);
  to.add_rows<float>(2, 2, [](std::int64_t i, std::int64_t j) { return short_real(55, 2 * i + j); });
  to.all_numbers();
}

void fill_seen_mix(Design& to) {
  to.add_rows<double>(4, 4, [](std::int64_t i, std::int64_t j) {
    return j == 0 ? first(i, real(60, 4 * i)) : real(60, 4 * i + j) * (j == 2 ? 0x1p-140 : 1.0);
  });
  to.add_number({to.part<double>(Kind::kFloat64, 0, to.m, 1, [](std::int64_t i) { return 1000.0 + real(61, i); })});
  to.add_category(3, {to.part<std::uint8_t>(Kind::kUint8, 0, to.m, 1, [](std::int64_t i) { return below(62, i, 3); })});
  to.add_sparse<double, std::int64_t, std::int64_t>(63, 6, false, real);
  to.all_numbers();
  to.centers.assign(14, 0.0);
  to.powers.assign(14, 1.0);
  to.centers[1] = 0.25, to.powers[1] = 4.0;
  to.centers[2] = 0x1p-141, to.powers[2] = 0x1p140;  // beyond what is multiplied into the point
  to.centers[4] = 1000.125, to.powers[4] = 2.0;
  to.centers[9] = -0.75, to.powers[9] = 0.5;
  to.powers[10] = 8.0;
  to.centers[12] = 0.3;
}

// --- questions -------------------------------------------------------------------------------------------------------------

// A job on a design, with the vectors that it points to.
class Question {
 public:
  Question(const Design& design, unsigned what, std::int64_t points = 1, std::int64_t outputs = 1) : m_(design.m) {
    job.blocks = design.blocks.data();
    job.n_blocks = static_cast<std::int64_t>(design.blocks.size());
    job.n = design.n;
    if (!design.index.empty()) {
      job.index = design.index.data();
      m_ = static_cast<std::int64_t>(design.index.size());
    }
    job.m = m_;
    job.what = what;
    job.points = points;
    job.outputs = outputs;
    job.loss = outputs > 1 ? LossKind::kSoftmax : LossKind::kLogistic;
    if (!design.powers.empty()) {
      centers_ = design.centers.data();
      powers_ = design.powers.data();
    }
    if (what & kHessian) {
      job.numbers = design.numbers.data();
      job.n_numbers = static_cast<std::int64_t>(design.numbers.size());
    }
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  Job job{};

  Question& labels(std::int64_t classes = 2) {
    for (std::int64_t i = 0; i < m_; ++i) y_.push_back(label(i, classes));
    job.y = y_.data();
    return *this;
  }
  Question& weights() {
    return set(job.s, m_, [](std::int64_t i) { return i % 13 == 5 ? 0.0 : 1.5 + real(2, i); });
  }
  // w and b of the job's points and outputs, from number `from` on.
  Question& at(std::int64_t from) {
    const std::int64_t n = job.n, count = job.points * job.outputs;
    set(job.w, n * count, [&](std::int64_t k) {
      const std::int64_t d = from + k / n, j = k % n;
      return d == 0 && j == 0 ? 1.0 : real(3, 4096 * d + j);
    });
    return set(job.b, count, [&](std::int64_t d) { return from + d == 0 ? 0.5 : real(4, from + d); });
  }
  Question& norms() {
    return set(job.q, job.n + 1, [](std::int64_t j) { return 0.5 + 0.25 * real(9, j); });
  }
  Question& given_h() {
    return set(job.h, m_, [](std::int64_t i) { return 0.125 * (1.0 + real(7, i)); });
  }
  Question& given_z() {
    return set(job.z, m_, [](std::int64_t i) { return at_edge(i) ? edge(i) : 3.0 * real(5, i); });
  }
  Question& given_u() {
    return set(job.u, m_, [](std::int64_t i) { return real(6, i) * (i % 3 == 0 ? 0x1p-30 : 1.0); });
  }
  Question& row_weights() {
    return set(job.row_weights, m_ * job.points, [&](std::int64_t k) { return 1.0 + 0.5 * real(8, kM * (k / m_) + k % m_); });
  }
  template <typename Of, typename Pointer>
  Question& set(Pointer& to, std::int64_t size, const Of& of) {
    to = vectors_.emplace_back(each_row(size, of)).data();
    return *this;
  }
  Question& step() {
    job.t = kT, job.step = kStep, job.pull = kPull;
    return given_z().given_u();
  }
  // dL_dz at z and its change to z + u.
  Question& given_r() {
    const auto m = static_cast<std::size_t>(m_);
    std::vector<double> there(m), loss(m), h(m);
    std::vector<double>& r = vectors_.emplace_back(2 * m);
    for (std::size_t i = 0; i < m; ++i) there[i] = job.z[i] + job.u[i];
    kernels->pointwise(m_, job.z, job.y, loss.data(), r.data(), h.data());
    kernels->pointwise(m_, there.data(), job.y, loss.data(), r.data() + m, h.data());
    for (std::size_t i = 0; i < m; ++i) r[m + i] -= r[i];
    job.r = r.data();
    return *this;
  }
  Question& keep_z() {
    z_.assign(static_cast<std::size_t>(m_ * job.points * job.outputs), -1.0);
    job.z_out = z_.data();
    return *this;
  }
  Question& keep_h() {
    h_.assign(static_cast<std::size_t>(m_ * job.points), -1.0);
    job.h_out = h_.data();
    return *this;
  }

  // Reads all rows: with one thread, with two, and, where there is more than a leaf, as two ranges: the bits must be the same.
  Question& read_all(const std::string& name) {
    view_.emplace(job, centers_, powers_);
    const Reading reading = read_rows({0, m_, 0}, 1, name);
    sums = summed(reading.sums);
    matrix = packed(reading.matrices);
    const Doubles z = z_, h = h_;
    const Reading again = read_rows({0, m_, 0}, 2, name);
    same_bits(name + " of two threads", summed(again.sums), sums);
    same_bits(name + " of two threads, matrix", packed(again.matrices), matrix);
    same_bits(name + " of two threads, z", z_, z);
    same_bits(name + " of two threads, h", h_, h);

    // Matrices of categories and sparse columns have leaves of more rows than there are here: test_long has those.
    const unsigned what = job.what;
    if (!job.of_numbers()) job.what &= ~unsigned{kHessian | kHessian32};
    const std::int64_t leaf = leaf_of(job), cut = (m_ - 1) / leaf * leaf;
    if (cut > 0 && job.what) {
      Reading parts = read_rows({cut, m_, cut}, 1, name);
      const Reading before = read_rows({0, cut, 0}, 1, name);
      parts.sums.insert(parts.sums.end(), before.sums.begin(), before.sums.end());
      parts.matrices.insert(parts.matrices.end(), before.matrices.begin(), before.matrices.end());
      same_bits(name + " of two ranges", summed(parts.sums), sums);
      if (job.has(kHessian)) same_bits(name + " of two ranges, matrix", packed(parts.matrices), matrix);
      same_bits(name + " of two ranges, z", z_, z);
    }
    job.what = what;
    return *this;
  }

  // Term t of the sums, the bias's last.
  std::vector<double> term(std::int64_t t) const {
    const Doubles terms = decode(job, sums);
    const auto* const from = terms.data() + t * (job.n + 1);
    return {from, from + job.n + 1};
  }
  std::vector<double> part(std::int64_t from, std::int64_t size) const { return {sums.data() + from, sums.data() + from + size}; }
  std::vector<double> scalars(std::int64_t point = 0) const { return part(point * scalar::kSize, scalar::kSize); }
  std::vector<double> some(const Doubles& of, std::int64_t d) const {
    std::vector<double> out;
    for (std::int64_t i = 0; i < m_; i += kEvery)
      if (job.dots() || job.s[i] != 0.0) out.push_back(of[static_cast<std::size_t>(d * m_ + i)]);  // a step leaves rows of weight 0 alone
    return out;
  }
  std::vector<double> some_z(std::int64_t d = 0) const { return some(z_, d); }
  std::vector<double> some_h(std::int64_t p = 0) const { return some(h_, p); }

  // The upper triangle by rows.
  std::vector<double> triangle() const {
    const std::int64_t side = job.n_numbers + 1;
    std::vector<double> whole(matrix.begin(), matrix.end()), out, fold;
    if (job.of_numbers()) {
      const MatrixLayout layout(job.n_numbers, job.has(kHessian32));
      whole.assign(static_cast<std::size_t>(side * side), 0.0);
      for (std::int64_t k = 0; k < job.n_numbers; ++k) fold.push_back(job.fold ? job.fold[job.numbers[k]] : 1.0);
      unpack(layout, matrix.data(), job.has(kHessian32) ? nullptr : fold.data(), whole.data());
    }
    for (std::int64_t i = 0; i < side; ++i)
      for (std::int64_t j = i; j < side; ++j) {
        const double x = whole[static_cast<std::size_t>(i * side + j)];
        if (!(x == whole[static_cast<std::size_t>(j * side + i)])) complain("a matrix is not symmetric");
        out.push_back(x);
      }
    return out;
  }

  Doubles sums, matrix;

 private:
  Reading read_rows(Range range, int threads, const std::string& name) {
    Reading reading = read(*kernels, job, range, threads, [] { return false; });
    if (reading.bad.row >= 0) complain(name + ": a bad code");
    return reading;
  }
  Doubles summed(const std::vector<Subtree>& nodes) const { return combine(nodes, Layout(job).extremes); }
  Doubles packed(const std::vector<Subtree>& nodes) const {
    return combine(nodes, nodes.empty() ? 0 : static_cast<std::int64_t>(nodes[0].sums.size()));
  }

  std::int64_t m_;
  const double *centers_ = nullptr, *powers_ = nullptr;
  std::vector<std::uint8_t> y_;
  std::deque<std::vector<double>> vectors_;
  Doubles z_, h_;
  std::optional<View> view_;
};

// --- tests -----------------------------------------------------------------------------------------------------------------

void test_all(const Design& design) {
  const std::string name = design.name + ".all";
  const unsigned what = kLoss | kGradient | kHessian | kSums | kSquares | kExtremes | kCounts | kNorms;
  Question all(design, what);
  all.labels().weights().at(0).norms().keep_z().keep_h().read_all(name);
  const Layout layout(all.job);
  compare(name + ".scalars", all.scalars());
  compare(name + ".gradient", all.term(0));
  compare(name + ".sums", all.term(1));
  compare(name + ".squares", all.term(2));
  compare(name + ".counts", all.part(layout.counts, design.n));
  compare(name + ".extremes", all.part(layout.extremes, 2 * design.n));
  compare(name + ".norm", all.part(layout.norm, 1));
  compare(name + ".matrix", all.triangle());
  compare(name + ".z", all.some_z());
  compare(name + ".h", all.some_h());

  // One number a row: blocks have a way of their own for it.
  Question gradient(design, kLoss | kGradient);
  gradient.labels().weights().at(0).read_all(design.name + ".gradient");
  compare(name + ".scalars", gradient.scalars());
  compare(name + ".gradient", gradient.term(0));

  Question narrow(design, kLoss | kHessian | kHessian32);
  narrow.labels().weights().at(0).read_all(design.name + ".hessian32");
  compare(name + ".matrix", narrow.triangle(), narrow.job.of_numbers() ? kTolerance32 : kTolerance);
}

void test_points(const Design& design, bool squares) {
  const std::string name = design.name + ".points";
  Question points(design, kLoss | kGradient | (squares ? kSquares : 0U), 3);
  points.labels().at(0).row_weights().keep_z().keep_h().read_all(name);
  for (std::int64_t p = 0; p < 3; ++p) {
    const std::string each = name + "." + std::to_string(p) + ".";
    compare(each + "scalars", points.scalars(p));
    compare(each + "gradient", points.term(squares ? 2 * p : p));
    if (squares) compare(each + "squares", points.term(2 * p + 1));
    compare(each + "z", points.some_z(p));
    compare(each + "h", points.some_h(p));
  }
}

void test_product(const Design& design, bool sums) {
  const std::string name = design.name + ".product";
  Question product(design, kProduct | (sums ? kSums | kSquares : 0U));
  product.weights().at(1).given_h().keep_z().read_all(name);
  compare(name + ".scalars", product.scalars());
  compare(name + ".product", product.term(0));
  if (sums) compare(name + ".sums", product.term(1));
  if (sums) compare(name + ".squares", product.term(2));
  compare(name + ".z", product.some_z());
}

void test_secant(const Design& design) {
  const std::string name = design.name + ".secant";
  Question secant(design, kSecant | kSums | kSquares), shorter(design, kSecant);
  secant.labels().weights().at(1).given_z().read_all(name);
  shorter.labels().weights().at(1).given_z().read_all(name);
  compare(name + ".scalars", secant.scalars());
  compare(name + ".gradient", secant.term(0));
  compare(name + ".change", secant.term(1));
  compare(name + ".sums", secant.term(2));
  compare(name + ".squares", secant.term(3));
  compare(name + ".scalars", shorter.scalars());
  compare(name + ".gradient", shorter.term(0));
  compare(name + ".change", shorter.term(1));
}

void test_softmax(const Design& design) {
  const std::string name = design.name + ".softmax";
  Question softmax(design, kLoss | kGradient, 1, 3);
  softmax.labels(3).weights().at(0).read_all(name);
  compare(name + ".scalars", softmax.scalars());
  for (std::int64_t k = 0; k < 3; ++k) compare(name + ".gradient." + std::to_string(k), softmax.term(k));
}

// What needs z and its change alone.
void test_steps(const Design& design) {
  Question along(design, kAlong);
  along.labels().weights().step().keep_z().read_all("along");
  compare("along.scalars", along.part(0, along::kSize));
  compare("along.z", along.some_z());
  Question feasible(design, kFeasible);
  feasible.labels().weights().step().given_r().given_h().read_all("feasible");
  compare("feasible.scalars", feasible.part(0, feasible::kSize));
  compare("feasible.norm", feasible.part(Layout(feasible.job).norm, 1));
}

void test_pointwise() {
  std::vector<double> at(std::begin(kEdges), std::end(kEdges));
  at.push_back(0.0);
  for (std::int64_t i = 0; i < 24; ++i) at.push_back(30.0 * real(90, i));
  for (int k = 10; k < 60; k += 10) at.push_back(std::ldexp(1.0, -k));
  at.push_back(745.0);
  at.push_back(-745.0);
  std::vector<double> z;
  std::vector<std::uint8_t> y;
  for (const double each : at)
    for (std::uint8_t label = 0; label < 2; ++label) z.push_back(each), y.push_back(label);
  std::vector<double> loss(z.size()), residual(z.size()), h(z.size());
  kernels->pointwise(static_cast<std::int64_t>(z.size()), z.data(), y.data(), loss.data(), residual.data(), h.data());
  compare("pointwise.loss", loss);
  compare("pointwise.residual", residual);
  compare("pointwise.h", h);
}

// Small whole numbers and roots of 1/2, 1 and 2: float32 loses nothing of their products.
void test_integers() {
  Design integers("integers", kM);
  integers.add_rows<double>(19, 19, [](std::int64_t i, std::int64_t j) { return below(12, 19 * i + j, 17) - 8; });
  integers.all_numbers();
  for (const unsigned narrow : {0U, unsigned{kHessian32}}) {
    Question matrix(integers, kHessian | narrow);
    matrix.set(matrix.job.h, kM, [](std::int64_t i) { return std::ldexp(0.25, 2 * static_cast<int>(below(91, i, 3))); });
    matrix.read_all("integers");
    compare("integers.matrix", matrix.triangle());
  }
}

// Tables of categories that are too large to be summed in leaves: of a pair, and of one against many numbers.
void test_large_tables() {
  Design pairs("pairs", kOfPairs);
  pairs.add_number({pairs.part<double>(Kind::kFloat64, 0, kOfPairs, 1, [](std::int64_t i) { return first(i, real(70, i)); })});
  pairs.add_category(95, {pairs.part<std::int8_t>(Kind::kInt8, 0, kOfPairs, 1, [](std::int64_t i) { return below(71, i, 95); })});
  pairs.add_category(96, {pairs.part<std::uint32_t>(Kind::kUint32, 0, kOfPairs, 1, [](std::int64_t i) { return below(72, i, 96); })});
  pairs.all_numbers();
  Design wide("wide", kOfWide);
  wide.add_rows<double>(
      519, 519, [](std::int64_t i, std::int64_t j) { return j == 0 || j == 62 || j == 63 || j == 518 ? real(73, 519 * i + j) : 0.0; });
  wide.add_category(1020, {wide.part<std::int16_t>(Kind::kInt16, 0, kOfWide, 1, [](std::int64_t i) { return below(74, i, 1020); })});
  wide.all_numbers();
  for (const Design* design : {&pairs, &wide}) {
    Question matrix(*design, kHessian);
    matrix.given_h().read_all(design->name);
    compare(design->name + ".matrix", matrix.triangle());
  }
}

// More rows than a leaf of the matrix of categories and sparse columns has: the same ones again and again, by an index.
void test_long(const Design& design) {
  const std::int64_t leaf = gram_leaf_rows(static_cast<std::int64_t>(design.numbers.size()) + 1), m = leaf + 700;
  Question question(design, kHessian | kSums);
  std::vector<std::int64_t> index(static_cast<std::size_t>(m));
  for (std::int64_t i = 0; i < m; ++i) index[static_cast<std::size_t>(i)] = i * 7 % design.m;
  Job& job = question.job;
  job.index = index.data();
  job.m = m;
  question.set(job.h, m, [](std::int64_t i) { return 0.125 * (1.0 + real(7, i)); });
  const auto interrupted = [] { return false; };
  Reading whole = read(*kernels, job, {0, m, 0}, 2, interrupted), parts = read(*kernels, job, {leaf, m, leaf}, 1, interrupted);
  const Reading before = read(*kernels, job, {0, leaf, 0}, 1, interrupted);
  parts.sums.insert(parts.sums.end(), before.sums.begin(), before.sums.end());
  parts.matrices.insert(parts.matrices.end(), before.matrices.begin(), before.matrices.end());
  const std::int64_t side = job.n_numbers + 1, added = Layout(job).extremes;
  same_bits(design.name + ".long", combine(whole.sums, added), combine(parts.sums, added));
  same_bits(design.name + ".long, matrix", combine(whole.matrices, side * side), combine(parts.matrices, side * side));
}

// A code that is no level is told, not read.
void test_bad_code() {
  Design design("bad", 1500);
  design.add_category(5, {design.part<std::int8_t>(Kind::kInt8, 0, 1500, 1, [](std::int64_t i) {
                        return i == 1234 ? -1 : i == 1300 ? 7 : 4;
                      })});
  Question question(design, kSums);
  const BadCode bad = read(*kernels, question.job, {0, 1500, 0}, 2, [] { return false; }).bad;
  ++compared;
  if (bad.row != 1234 || bad.column != 0 || bad.code != -1 || !bad.is_missing) complain("the first bad code is not told");
}

void test() {
  Design dense("dense", kM), seen_dense("dense-seen", kM), floats("floats", kM), columns("columns", kM), sparse("sparse", kM),
      mix("mix", kM), seen_mix("mix-seen", kM);
  for (Design* to : {&dense, &seen_dense}) to->add_rows<double>(19, 19, dense_x), to->all_numbers();
  for (std::int64_t j = 0; j < 19; ++j) {
    seen_dense.centers.push_back(j ? real(11, j) : 0.0);
    seen_dense.powers.push_back(j ? std::ldexp(1.0, static_cast<int>(j % 5 - 2)) : 1.0);
  }
  fill_floats(floats);
  fill_columns(columns);
  fill_sparse(sparse);
  fill_mix(mix);
  for (std::int64_t i = 0; i < kIndexed; ++i) mix.index.push_back(below(56, i, kM));
  fill_seen_mix(seen_mix);

  test_pointwise();
  test_steps(dense);
  for (const Design* design : {&dense, &seen_dense, &floats, &columns, &sparse, &mix, &seen_mix}) {
    const bool is_columns = design == &columns;
    test_all(*design);
    if (design != &seen_dense) test_points(*design, !is_columns);
    test_product(*design, !is_columns);
    test_secant(*design);
    if (!is_columns) test_softmax(*design);
  }
  test_integers();
  test_large_tables();
  test_long(columns);
  test_long(mix);
  test_bad_code();
}

}  // namespace

int main(int count, char** arguments) {
  kernels = choose_kernels(count > 1 ? arguments[1] : nullptr);
  if (!kernels) {
    std::printf("This processor does not run the kernels %s.\n", arguments[1]);
    return 77;
  }
  test();
  std::printf("%s: %d comparisons, %d wrong; the farthest at %.2g of the tolerance.\n", kernels->name, compared, wrong, farthest);
  return wrong ? 1 : 0;
}
