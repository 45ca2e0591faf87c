// The reader of a leaf: for each piece its z, its rows' factors, and what each block adds. Compiled once per instruction set.
//
// Nothing from the standard library's templates is used here: a function compiled for one instruction set must not be shared with
// another's.
#include "design.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace chainrule {
namespace CHAINRULE_ISA {

#include "losses.hpp"
#include "panel.hpp"
#include "simd.hpp"

namespace {

#include "columns.hpp"
#include "piece.hpp"
#include "points.hpp"
#include "rows.hpp"
#include "sparse.hpp"

struct Here {};

// The reader of a block, or of adjacent columns of numbers.
struct Reader {
  enum Kind { kRows, kNumbers, kCodes, kSparse } kind;
  const Block* block;  // the first
  void* memory;
};

}  // namespace
}  // namespace CHAINRULE_ISA
}  // namespace chainrule

inline void* operator new(std::size_t, void* at, chainrule::CHAINRULE_ISA::Here) { return at; }

namespace chainrule {
namespace CHAINRULE_ISA {
namespace {

// Everything that reading a leaf needs, carved from its scratch memory.
class Read {
 public:
  Read(const Job& job, Carver& carver) : job_(job), piece_(job, carver), layout_(job) {
    readers_ = carver.take_as<Reader>(job.n_blocks);
    for (std::int64_t k = 0; k < job.n_blocks;) {
      std::int64_t end = k + 1;
      if (is_number(job.blocks[k]))
        while (end < job.n_blocks && is_number(job.blocks[end])) ++end;
      make(k, end - k, carver);
      k = end;
    }
    const std::int64_t each = job.linear() + job.square(), of_point = each > job.outputs ? each : job.outputs;
    together_ = of_point ? 16 / of_point : 1;
    together_ = together_ < 1 ? 1 : together_ > job.points ? job.points : together_;
    at_.most = piece_.most;
    at_.z = carver.take(together_ * job.outputs * piece_.most);
    at_.terms = carver.take(together_ * each * piece_.most);
    by_row_ = has_interleaved_ ? carver.take(together_ * each * piece_.most) : nullptr;
    at_.other = carver.take(job.outputs * piece_.most);
    double** const vectors[] = {&at_.matrix, &at_.weight, &at_.loss, &at_.curvature, &at_.given};
    for (double** vector : vectors) *vector = carver.take(piece_.most);
    at_.sums = job.has(kAlong | kFeasible) ? carver.take(feasible::kSize * piece_.most) : nullptr;
    panel_ = job.has(kHessian) ? carver.take(MatrixLayout(job.n_numbers, job.has(kHessian32)).strips * kStripStep<double>)
                               : nullptr;  // as many bytes in float32
  }

  bool leaf(std::int64_t first, std::int64_t end, double* sums, double* matrix, BadCode& bad) {
    for (std::int64_t block = first; block < end; block += kBlockRows) {
      const std::int64_t block_end = block + kBlockRows < end ? block + kBlockRows : end;
      for (std::int64_t i = block; i < block_end; i += piece_.most) {
        piece_.look_at(job_, i, i + piece_.most < block_end ? i + piece_.most : block_end);
        if (piece_.position) fill_unread(i, i + piece_.most < block_end ? i + piece_.most : block_end);
        if (piece_.rows && !read(sums, bad)) return false;
        if (!job_.has(kHessian)) continue;
        if (job_.has(kHessian32))
          add_matrix<float>(matrix);
        else
          add_matrix<double>(matrix);
      }
      if (layout_.terms) each([&](auto& reader, const Block& of) { reader.fold(slots_of(of, sums)); });
      if (in_panel_) flush(matrix);
    }
    return true;
  }

 private:
  static bool is_number(const Block& block) { return block.form == Block::kNumber || block.form == Block::kIndicator; }

  template <typename Of, typename Given>
  void put(Reader::Kind kind, const Given& given, Carver& carver, Reader& to) {
    void* const memory = carver.take((static_cast<std::int64_t>(sizeof(Of)) + 7) / 8);
    Of made = given();
    if (carver.memory) to = {kind, nullptr, new (memory, Here{}) Of(made)};
  }

  void make(std::int64_t k, std::int64_t count, Carver& carver) {
    const Block& block = job_.blocks[k];
    Reader ignored{};
    Reader& to = carver.memory ? readers_[n_readers_] : ignored;
    ++n_readers_;
    has_interleaved_ |= block.interleaved();
    switch (block.form) {
      case Block::kRows:
        put<DenseRows>(Reader::kRows, [&] { return DenseRows(job_, block, piece_, carver); }, carver, to);
        break;
      case Block::kCategory:
        put<Codes>(Reader::kCodes, [&] { return Codes(job_, block, piece_, carver); }, carver, to);
        break;
      case Block::kSparse:
        put<Sparse>(Reader::kSparse, [&] { return Sparse(job_, block, piece_, carver); }, carver, to);
        break;
      default:
        put<Numbers>(Reader::kNumbers, [&] { return Numbers(job_, &block, count, piece_, carver); }, carver, to);
    }
    to.block = &block;
  }

  // act(the reader of a block, the block)
  template <typename Act>
  void each(const Act& act) const {
    for (std::int64_t k = 0; k < n_readers_; ++k) {
      const Reader& reader = readers_[k];
      switch (reader.kind) {
        case Reader::kRows:
          act(*static_cast<DenseRows*>(reader.memory), *reader.block);
          break;
        case Reader::kNumbers:
          act(*static_cast<Numbers*>(reader.memory), *reader.block);
          break;
        case Reader::kCodes:
          act(*static_cast<Codes*>(reader.memory), *reader.block);
          break;
        case Reader::kSparse:
          act(*static_cast<Sparse*>(reader.memory), *reader.block);
      }
    }
  }

  // Rows of weight 0 are skipped: their z is b.
  void fill_unread(std::int64_t first, std::int64_t end) const {
    for (std::int64_t d = 0; job_.z_out && d < job_.dots(); ++d)
      for (std::int64_t i = first; i < end; ++i) job_.z_out[d * job_.m + i] = job_.b[d];
    for (std::int64_t p = 0; job_.h_out && p < job_.points; ++p) {
      double z[kWide];
      Odds odds;
      store(z, splat(job_.b[p]));
      odds.look_at(z, kWide);
      const double h = job_.loss == LossKind::kLogistic ? Logistic::at(load(z), odds, 0, V{}).curvature[0] : 0.0;
      for (std::int64_t i = first; i < end; ++i) job_.h_out[p * job_.m + i] = h;
    }
  }

  double* slots_of(const Block& block, double* sums) const { return sums + layout_.slots + layout_.terms * block.at; }

  // Reads one piece: first at every point, then what does not depend on a point.
  bool read(double* sums, BadCode& bad) {
    bool good = true;
    each([&](auto& reader, const Block&) { good &= reader.look_at(piece_, bad); });
    if (!good) return false;
    if (job_.has(kAlong)) point_along(job_, piece_, at_, sums);
    if (job_.has(kFeasible)) {
      const double most = point_feasible(job_, piece_, at_, sums);
      sums[layout_.norm] = most > sums[layout_.norm] ? most : sums[layout_.norm];
    }
    if (job_.has(kAlong | kFeasible)) return true;
    for (at_.first = 0; at_.first < job_.points; at_.first += together_) {
      at_.count = job_.points - at_.first < together_ ? job_.points - at_.first : together_;
      read_points(sums);
    }
    double* const vector = at_.given;
    if (job_.has(kNorms)) {
      for (std::int64_t i = 0; i < piece_.padded; i += kWide) store(vector + i, splat(job_.q[job_.n]));
      each([&](auto& reader, const Block&) { reader.add_norms(piece_, vector); });
      double& norm = sums[layout_.norm];
      for (std::int64_t i = 0; i < piece_.rows; ++i)
        if (vector[i] > norm || vector[i] != vector[i]) norm = vector[i];  // a NaN stays
    }
    double *const low = sums + layout_.extremes, *const high = low + job_.n;
    if (job_.has(kExtremes)) each([&](auto& reader, const Block& of) { reader.add_extremes(piece_, low + of.at, high + of.at); });
    if (job_.has(kCounts)) each([&](auto& reader, const Block& of) { reader.add_counts(piece_, sums + layout_.counts + of.at); });
    return true;
  }

  void read_points(double* sums) {
    const std::int64_t dots = job_.dots() ? at_.count * job_.outputs : 0, first_dot = at_.first * job_.outputs, most = piece_.most;
    for (std::int64_t d = 0; d < dots; ++d)
      for (std::int64_t i = 0; i < piece_.padded; i += kWide) store(at_.z + d * most + i, splat(job_.b[first_dot + d]));
    if (dots) each([&](auto& reader, const Block&) { reader.dot(piece_, first_dot, dots, at_.z); });
    for (std::int64_t d = 0; job_.z_out && d < dots; ++d) piece_.give(at_.z + d * most, job_.z_out + (first_dot + d) * job_.m);

    double* const scalars = sums + at_.first * scalar::kSize;
    if (!job_.has(kLoss))
      job_.has(kSecant) ? point_secant(job_, piece_, at_, scalars) : point_weights(job_, piece_, at_, scalars);
    else if (job_.y)
      switch (job_.loss) {
        case LossKind::kLogistic:
          point_losses<Logistic>(job_, piece_, at_, scalars);
          break;
        case LossKind::kSoftmax:
          point_losses<Softmax>(job_, piece_, at_, scalars);
          break;
        case LossKind::kGiven:
          point_losses<Given>(job_, piece_, at_, scalars);
      }
    else
      return;

    const std::int64_t linear = job_.linear(), square = job_.square(), all = linear + square;
    Terms terms{linear, square, most, at_.first * all, layout_.terms, at_.terms, nullptr, at_.count};
    const std::int64_t count = terms.count();
    if (!count) return;
    for (std::int64_t t = 0; t < count; ++t) sums[layout_.bias + terms.first + t] += sum_of(terms.of(t), piece_.padded);
    terms.by_row = count == 1 ? at_.terms : by_row_;
    if (has_interleaved_ && count == 2)  // for a secant, whose read takes a tenth longer without this
      interleave(2);
    else if (has_interleaved_ && count == 4)
      interleave(4);
    else if (has_interleaved_ && count > 1)
      interleave(count);
    each([&](auto& reader, const Block& of) { reader.add(piece_, terms, slots_of(of, sums)); });
  }

  [[gnu::always_inline]] void interleave(std::int64_t count) const {
    for (std::int64_t i = 0; i < piece_.padded; ++i)
      for (std::int64_t t = 0; t < count; ++t) by_row_[count * i + t] = at_.terms[t * at_.most + i];
  }

  // --- the matrix of the numbers --------------------------------------------------------------------------------------

  // Rows of the panel: sqrt(c) x~, eight at a time.
  template <typename T>
  void add_matrix(double* matrix) {
    for (std::int64_t i = 0; i < piece_.padded; i += 8) {
      for (int k = 0; k < 8; ++k) root_[k] = __builtin_sqrt(at_.matrix[i + k]);
      pack<T>(i);
      in_panel_ += 8;
      if (in_panel_ == kPanelRows) flush(matrix);
    }
  }

  void flush(double* matrix) {
    const MatrixLayout layout(job_.n_numbers, job_.has(kHessian32));
    Ahead ahead{reinterpret_cast<const char*>(panel_), 0};
    if (n_readers_ == 1 && readers_[0].kind == Reader::kRows)
      ahead = static_cast<const DenseRows*>(readers_[0].memory)->ahead(piece_, in_panel_);
    if (job_.has(kHessian32))
      add_panel(reinterpret_cast<const float*>(panel_), in_panel_, layout, ahead, matrix);
    else
      add_panel(panel_, in_panel_, layout, ahead, matrix);
    in_panel_ = 0;
  }

  template <typename T>
  void pack(std::int64_t i) {
    constexpr std::int64_t lanes = kLanes<T>;
    const MatrixLayout layout(job_.n_numbers, sizeof(T) == 4);
    T* const panel = reinterpret_cast<T*>(panel_);
    if (n_readers_ == 1 && readers_[0].kind == Reader::kRows && job_.n_numbers == job_.n) {
      const auto* const rows = static_cast<const DenseRows*>(readers_[0].memory);
      T* const to = panel + lanes * in_panel_;
      if (job_.n >= lanes) return rows->pack(i, root_, sizeof(T) == 4 ? job_.fold : nullptr, layout, kStripStep<T>, to);
      if constexpr (sizeof(T) == 8) return rows->pack_few(i, root_, layout, to);
    }
    if (n_readers_ == 1 && readers_[0].kind == Reader::kNumbers)
      return pack_columns(*static_cast<const Numbers*>(readers_[0].memory), i, layout, panel);
    const std::int64_t whole = (layout.strips - 1) * lanes, bias = lanes - layout.in_short;
    // Where a row stores column c: from `whole` on, in strip 0 after the bias.
    const auto place = [&](std::int64_t k, std::int64_t c) {
      return c < whole ? panel + kStripStep<T> * (1 + c / lanes) + lanes * (in_panel_ + k) + c % lanes
                       : panel + lanes * (in_panel_ + k) + bias + 1 + (c - whole);
    };
    for (int k = 0; k < 8; ++k) {
      T* const row = panel + lanes * (in_panel_ + k);
      for (std::int64_t lane = 0; lane < bias; ++lane) row[lane] = 0;
      row[bias] = static_cast<T>(root_[k]);
    }
    // Columns c to c + kWide stay together if the first is a multiple of kWide and the last is in the same strip.
    const auto whole_vector = [&](std::int64_t c, std::int64_t end) {
      return c % kWide == 0 && c + kWide <= end && (c + kWide <= whole || c >= whole);
    };
    std::int64_t c = 0;
    each([&](auto& reader, const Block& of) {
      std::int64_t end = c;
      while (end < job_.n_numbers && job_.numbers[end] < of.at + slots_in(reader)) ++end;
      pack_block<T>(reader, of, i, c, end, place, whole_vector);
      c = end;
    });
  }

  // The same of columns of numbers alone: vectors of rows, transposed.
  template <typename T>
  void pack_columns(const Numbers& numbers, std::int64_t i, const MatrixLayout& layout, T* panel) const {
    constexpr std::int64_t lanes = kLanes<T>;
    for (std::int64_t strip = 0; strip < layout.strips; ++strip)
      for (std::int64_t h = 0; h < lanes; h += kWide)
        for (std::int64_t k = 0; k < 8; k += kWide) {
          const V root = load(root_ + k);
          V a[kWide];
          for (int l = 0; l < kWide; ++l) {
            const std::int64_t c = layout.column(strip, h + l);
            if (c < 0 || c == layout.n) {
              a[l] = c < 0 ? V{} : root;
              continue;
            }
            const std::int64_t slot = job_.numbers[c];
            a[l] = root * (numbers.seen(slot - numbers.at(), i + k) * splat(fold<T>(slot)));
          }
          transpose(a);
          for (int l = 0; l < kWide; ++l) store(panel + kStripStep<T> * strip + lanes * (in_panel_ + k + l) + h, a[l]);
        }
  }

  static std::int64_t slots_in(const DenseRows& rows) { return rows.slots(); }
  static std::int64_t slots_in(const Numbers& numbers) { return numbers.count(); }
  static std::int64_t slots_in(const Codes& codes) { return codes.slots(); }
  static std::int64_t slots_in(const Sparse& sparse) { return sparse.slots(); }

  template <typename T, typename Place, typename Whole>
  void pack_block(const DenseRows& rows, const Block& of, std::int64_t i, std::int64_t c, std::int64_t end, const Place& place,
                  const Whole& whole_vector) {
    if (c == end) return;
    const std::int64_t first = job_.numbers[c] - of.at;
    const bool all = job_.numbers[end - 1] - job_.numbers[c] == end - 1 - c;  // whether the columns are adjacent
    for (std::int64_t k = 0; k < 8; ++k) {
      const V root = splat(root_[k]);
      for (std::int64_t j = c; j < end;) {
        if (all && whole_vector(j, end)) {
          store(place(k, j), root * (rows.seen_vector(i + k, first + j - c) * fold_vector<T>(of.at + first + j - c)));
          j += kWide;
        } else {
          const std::int64_t slot = job_.numbers[j];
          *place(k, j) = static_cast<T>(root_[k] * (rows.seen(i + k, slot - of.at) * fold<T>(slot)));
          ++j;
        }
      }
    }
  }
  template <typename T, typename Place, typename Whole>
  void pack_block(const Numbers& numbers, const Block& of, std::int64_t i, std::int64_t c, std::int64_t end, const Place& place,
                  const Whole&) {
    for (std::int64_t j = c; j < end; ++j)
      for (std::int64_t k = 0; k < 8; k += kWide) {
        const V x = load(root_ + k) * (numbers.seen(job_.numbers[j] - of.at, i + k) * splat(fold<T>(job_.numbers[j])));
        for (std::int64_t l = 0; l < kWide; ++l) *place(k + l, j) = static_cast<T>(x[l]);
      }
  }
  template <typename T, typename Other, typename Place, typename Whole>
  void pack_block(const Other&, const Block&, std::int64_t, std::int64_t, std::int64_t, const Place&, const Whole&) {}

  // For float32 only: in float64, the finished matrix is multiplied by the fold.
  template <typename T>
  double fold(std::int64_t slot) const {
    return job_.fold && sizeof(T) == 4 ? job_.fold[slot] : 1.0;
  }
  template <typename T>
  V fold_vector(std::int64_t slot) const {
    return job_.fold && sizeof(T) == 4 ? load(job_.fold + slot) : splat(1.0);
  }

  const Job& job_;
  Piece piece_;
  const Layout layout_;
  Reader* readers_;
  std::int64_t n_readers_ = 0;
  bool has_interleaved_ = false;
  std::int64_t together_;
  Points at_{};
  double *by_row_, *panel_;
  std::int64_t in_panel_ = 0;
  double root_[8];
};

std::int64_t scratch_doubles(const Job& job) {
  Carver carver{nullptr};
  const Read read(job, carver);
  return carver.used;
}

std::int64_t depth(const Job& job, std::int64_t rows) {
  const std::int64_t piece = rows_of_piece(job);
  // The scalar sums and the bias: eight lanes of a piece, three additions of these, then the pieces.
  std::int64_t deepest = (rows < piece ? rows + 7 : piece) / 8 + 3 + (rows - 1) / piece + 1;
  for (std::int64_t k = 0; k < job.n_blocks; ++k) {
    const Block& block = job.blocks[k];
    const std::int64_t of = block.form == Block::kRows       ? DenseRows::depth(rows, piece)
                            : block.form == Block::kSparse   ? Sparse::depth(rows)
                            : block.form == Block::kCategory ? Codes::depth(block, rows)
                                                             : Numbers::depth(rows);
    deepest = of > deepest ? of : deepest;
  }
  return deepest;
}

// The rows of a panel are added one after the other, then the panels.
std::int64_t matrix_depth(std::int64_t rows) { return (rows < kPanelRows ? rows : kPanelRows) + (rows - 1) / kPanelRows + 1; }

bool leaf(const Job& job, std::int64_t first, std::int64_t end, double* sums, double* matrix, double* scratch, BadCode& bad) {
  Carver carver{scratch};
  Read read(job, carver);
  return read.leaf(first, end, sums, matrix, bad);
}

template <typename T>
bool encode_as(const void* given, std::int64_t m, const void* low, const void* high, std::uint8_t* codes) {
  const T* y = static_cast<const T*>(given);
  const T lower = *static_cast<const T*>(low), upper = *static_cast<const T*>(high);
  unsigned other = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    const bool is_upper = y[i] == upper, is_lower = y[i] == lower;
    codes[i] = is_upper;
    other |= !(is_upper | is_lower);
  }
  return !other;
}

bool encode(Number number, const void* y, std::int64_t m, const void* low, const void* high, std::uint8_t* codes) {
  switch (number) {
    case Number::kDouble:
      return encode_as<double>(y, m, low, high, codes);
    case Number::kFloat:
      return encode_as<float>(y, m, low, high, codes);
    case Number::kInt64:
      return encode_as<std::int64_t>(y, m, low, high, codes);
    case Number::kInt32:
      return encode_as<std::int32_t>(y, m, low, high, codes);
    case Number::kInt8:
      return encode_as<std::int8_t>(y, m, low, high, codes);
    case Number::kUint8:
      return encode_as<std::uint8_t>(y, m, low, high, codes);
  }
  return false;
}

void pointwise(std::int64_t m, const double* z, const std::uint8_t* y, double* loss, double* residual, double* curvature) {
  constexpr std::int64_t most = Odds::most;
  double at[most], label[most], found[3][most];
  Odds odds;
  for (std::int64_t i = 0; i < m; i += most) {
    const std::int64_t rows = m - i < most ? m - i : most, padded = to_eight(rows);
    for (std::int64_t k = 0; k < padded; ++k) at[k] = k < rows ? z[i + k] : 0.0, label[k] = k < rows ? y[i + k] : 0.0;
    odds.look_at_loss(at, padded);
    for (std::int64_t k = 0; k < padded; k += kWide) {
      const Logistic here = Logistic::at(load(at + k), odds, k, load(label + k));
      store(found[0] + k, here.loss), store(found[1] + k, here.residual), store(found[2] + k, here.curvature);
    }
    double* const to[] = {loss, residual, curvature};
    for (int q = 0; q < 3; ++q)
      for (std::int64_t k = 0; k < rows; ++k) to[q][i + k] = found[q][k];
  }
}

#include "cholesky.hpp"
#include "gram.hpp"
#include "updates.hpp"

#define CHAINRULE_TEXT(x) #x
#define CHAINRULE_NAME(x) CHAINRULE_TEXT(x)

}  // namespace

extern const Kernels kernels;
const Kernels kernels = {CHAINRULE_NAME(CHAINRULE_ISA),
                         scratch_doubles,
                         leaf,
                         depth,
                         matrix_depth,
                         encode,
                         pointwise,
                         cholesky,
                         descend,
                         gram_scratch,
                         gram_leaf,
                         gram_pair,
                         gram_numbers};

}  // namespace CHAINRULE_ISA
}  // namespace chainrule
