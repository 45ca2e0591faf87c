// What passes between the driver and the kernels of one instruction set. Plain data: no SIMD vector crosses this border.
#pragma once
#include <cstddef>
#include <cstdint>

namespace chainrule {

// Rows of the smallest leaf. Changing it changes results in the last digit.
constexpr std::int64_t kBlockRows = 1024;
// Rows whose products are added in float32, if the matrix is asked for in float32, before the sums are added in float64.
constexpr std::int64_t kFloat32Block = 64;
// Categories of at most this many levels are summed in eight lanes, as numbers are: to the bit what their one-hot columns give.
constexpr std::int64_t kFewLevels = 128;

// What a read collects. Each is one flag; "with kLoss" marks those that need a loss.
enum What : unsigned {
  kLoss = 1,        // z at every point, the loss, the weight of the rows that are classified correctly
  kGradient = 2,    // with kLoss: sum s dL_dz x~
  kHessian = 4,     // sum c x~ x~', c = s d2L_dz2 with kLoss, else s h
  kHessian32 = 8,   // with kHessian: rows times sqrt(c) are rounded to float32 and multiplied in float32
  kProduct = 16,    // sum s h (x~.v) x~
  kSums = 32,       // sum c x, c = s with kLoss, else s h
  kSquares = 64,    // sum c x^2, c as in kSums
  kExtremes = 128,  // smallest and largest x, as given
  kCounts = 256,    // rows in which a sparse column stores an element, or which have a level
  kNorms = 512,     // the largest sum_j q_j x~_j^2
  kSecant = 1024,   // at given z and along a direction: sums of dL_dz x~ and of its change; c of kSums and kSquares is s d2L_dz2
  kAlong = 2048,    // from z and u alone: the loss at z + t u + step and its derivatives
  kFeasible = 4096  // from z and u alone: the dual point of a step
};

enum class LossKind { kLogistic, kSoftmax, kGiven };

// Types of numbers in memory.
enum class Kind : std::uint8_t { kFloat64, kFloat32, kInt8, kInt16, kInt32, kInt64, kUint8, kUint16, kUint32, kUint64, kBool, kBits };

// Rows first, ..., end - 1 of a column.
struct Part {
  const char* values;  // row first + k at values + k stride, in bytes; for bits, bit values_at + k
  std::ptrdiff_t stride;
  std::int64_t values_at;
  const std::uint8_t* valid;  // bit valid_at + k is 1 if the value is present; null: all are
  std::int64_t valid_at;
  std::int64_t first, end;
  Kind kind;
};

// A block of columns. Its slots are `at`, ..., at + slots - 1; each is a number, an indicator, a level of a category or a sparse column.
struct Block {
  enum Form : std::uint8_t { kRows, kNumber, kIndicator, kCategory, kSparse };
  Form form;
  std::int64_t at, slots;

  // kRows: element (i, j) at data + i row_stride + j col_stride, in bytes. kSparse: CSR, the elements' values.
  const char* data;
  bool is_float32;
  std::ptrdiff_t row_stride, col_stride;

  // kSparse: elements indptr[i], ..., indptr[i + 1] - 1 of row i, in any order, no column twice.
  const void *indices, *indptr;  // int32 or int64
  bool wide_indices, wide_indptr;

  // kNumber, kIndicator (of missing values in a column), kCategory.
  std::int64_t column;  // its number, as the user counts, for errors
  const Part* parts;
  std::int64_t n_parts;
  double fill;           // replaces a missing number; NaN: as it is
  std::int64_t missing;  // replaces a missing code; -1: refused
  bool of_codes;         // whether an indicator is of negative codes, not of NaN

  bool in_lanes() const { return form != kCategory || slots <= kFewLevels; }
  // Whether the sums of a slot are adjacent, because rows reach slots one by one; else the sums of a term are.
  bool interleaved() const { return form == kCategory || form == kSparse; }
};

// Calls a loss that has no struct here: from z and labels to losses, residuals and curvatures; z and
// residuals of the outputs are `step` doubles apart.
struct GivenLoss {
  void* context;
  void (*call)(void* context, std::int64_t rows, std::int64_t step, const double* z, const double* label, double* loss, double* residual,
               double* curvature);
};

struct Job {
  const Block* blocks;
  std::int64_t n_blocks;
  std::int64_t n;             // slots
  std::int64_t m;             // rows that y, s, z and the like have
  const std::int64_t* index;  // their row numbers in the blocks; null: row i is row i
  // Kernels see x lift - shift; null if all lifts are 1, all shifts 0. The rest of a view is applied to w, q and the finished sums.
  const double* lift;
  const double* shift;
  const double* fold;     // the rest of the view, by which the matrix's columns are multiplied; or null
  const std::uint8_t* y;  // class; null if only z or sums without a loss are asked for
  const double* s;        // weights, or null for ones; a row of weight 0 is skipped

  LossKind loss;
  GivenLoss given;
  std::int64_t points, outputs;  // P, and how many z a row has at a point
  const double* w;               // (P outputs, n); for kProduct and kSecant, the direction
  const double* b;               // (P outputs)
  const double* row_weights;     // (P, m), times s; or null
  const double* q;               // weights of the norms (n + 1)
  const double* h;               // weights of the rows in a read without a loss, times s, or null; for kFeasible, curvatures
  const double* z;               // given z of every row: kSecant, kAlong, kFeasible
  const double* u;               // its change along a direction: kAlong, kFeasible
  const double* r;               // (2, m): dL_dz, and its change from z to z + u, without the weights: kFeasible
  double t, step, pull;          // of kAlong and kFeasible
  double* z_out;                 // (P outputs, m): every row's z, x~.v, or z + t u + step; or null. May be z itself
  double* h_out;                 // (P, m): curvature, without the weights; or null
  double* r_out;                 // (2, m): r of this direction: kSecant; or null
  unsigned what;
  const std::int64_t* numbers;  // slots in the matrix, ascending: of dense rows, numbers and indicators
  std::int64_t n_numbers;
  std::int64_t head_at, head;  // consecutive ones of these without products with each other: the first, and how many

  bool has(unsigned flags) const { return what & flags; }
  // Numbers that are multiplied by x, and by x^2, for each point.
  std::int64_t linear() const { return (has(kSecant) ? 2 : has(kGradient) ? outputs : 0) + (has(kProduct) ? 1 : 0) + (has(kSums) ? 1 : 0); }
  std::int64_t square() const { return has(kSquares) ? 1 : 0; }
  std::int64_t terms() const { return points * (linear() + square()); }
  // Whether all slots are numbers; if not, the matrix is made separately.
  bool of_numbers() const {
    for (std::int64_t k = 0; k < n_blocks; ++k)
      if (blocks[k].interleaved()) return false;
    return true;
  }
  std::int64_t dots() const { return has(kLoss | kProduct | kSecant) ? points * outputs : 0; }
};

// Scalar sums of a point.
namespace scalar {
enum { kLoss, kCorrect, kWeight, kRows, kSize };
}
namespace along {
enum { kLoss, kSlopeT, kSlopeB, kBendTT, kBendTB, kBendBB, kSize };
}
namespace feasible {
enum { kLoss, kCorrect, kDivergence, kClipped, kOnes, kZeros, kMoved, kBend, kSize };  // and the largest |z'|, as the norm
}

// Places of a leaf's sums, in doubles: scalars, the terms' own sums (the bias's), the slots', counts; then what is combined by max.
struct Layout {
  std::int64_t terms, scalars, bias, slots, counts, extremes, norm, size;

  explicit Layout(const Job& job) {
    terms = job.terms();
    scalars = job.has(kAlong)      ? std::int64_t{along::kSize}
              : job.has(kFeasible) ? std::int64_t{feasible::kSize}
                                   : job.points * scalar::kSize;
    bias = scalars;
    slots = (bias + terms + 7) / 8 * 8;
    counts = slots + terms * job.n;
    extremes = counts + (job.has(kCounts) ? job.n : 0);
    norm = extremes + (job.has(kExtremes) ? 2 * job.n : 0);  // -min, then max
    size = norm + (job.has(kNorms | kFeasible) ? 1 : 0);
  }

  // Term t of slot k of a block.
  std::int64_t of(const Block& block, std::int64_t k, std::int64_t t) const {
    const std::int64_t first = slots + terms * block.at;
    return block.interleaved() ? first + terms * k + t : first + block.slots * t + k;
  }
};

// The matrix of n columns while it is summed. Columns are in strips of `lanes`; the end of strip 0 holds the bias and then the columns
// that fill no whole strip. It stores the blocks (strip i, strip j), i <= j, of lanes by lanes, one j after the other.
struct MatrixLayout {
  std::int64_t n, lanes, strips, in_short, size;

  MatrixLayout(std::int64_t columns, bool is_float32) : n(columns) {
    lanes = is_float32 ? 16 : 8;
    strips = n / lanes + 1;
    in_short = n % lanes + 1;
    size = strips * (strips + 1) / 2 * lanes * lanes;
  }

  std::int64_t block(std::int64_t i, std::int64_t j) const { return (j * (j + 1) / 2 + i) * lanes * lanes; }  // i <= j

  // The column of a strip's lane, n for the bias, or -1.
  std::int64_t column(std::int64_t strip, std::int64_t lane) const {
    if (strip > 0) return (strip - 1) * lanes + lane;
    const std::int64_t place = lane - (lanes - in_short);
    return place < 0 ? -1 : place == 0 ? n : n - in_short + place;
  }
};

// The first row with a code that is not one of its column's levels.
struct BadCode {
  std::int64_t row = -1, column = -1;
  std::int64_t code = 0;
  bool is_missing = false;
};

// Learning rates over the updates t of a run: eta_0; eta_0/(1 + t/T); eta_0/sqrt(1 + t/T).
enum class Schedule { kConstant, kInverse, kInverseRoot };

// Mini-batch updates: their constants and their present state. In the view's units.
struct Descent {
  std::int64_t batch;  // B, rows of a full batch
  double rate;         // eta_0
  Schedule schedule;
  double period;      // T
  double per_weight;  // M/(B S): M rows to visit in an epoch, S their weights
  bool fit_intercept;
  const double* ridge;         // (n): the penalty's second derivatives, in the fit's units
  const double* step;          // 1/ratio^2 of each column: factor from the gradient to the step, both in the view's units
  const std::int64_t* places;  // rows to visit, in this order
  std::int64_t count;
  bool ends;             // whether the last of them ends the epoch, and with it a batch that is not full
  std::int64_t updates;  // t
  std::int64_t filled;   // rows of the batch so far
  double* w;
  double b;
  double* gradient;  // of the batch so far
  double bias;
};

// The types of labels.
enum class Number { kDouble, kFloat, kInt64, kInt32, kInt8, kUint8 };

// The part of the matrix that involves categories. A category's levels have places `low`, ... in the matrix.
struct GramCategory {
  const Block* block;
  const std::int32_t* local;  // for each code, its level in the matrix, or `count`
  std::int64_t low, count;
};

struct GramPair {
  std::int64_t a, b;  // categories; `a` is the head if one of them is
};

// Cell (k, l) of a pair is sums[k step + l], its rounding error lost[k lost_a + l lost_b].
struct GramCells {
  double *sums, *lost;
  std::int64_t step, lost_a, lost_b;
};

struct GramJob {
  Job rows;  // its blocks are the numbers, one slot each
  const GramCategory* categories;
  std::int64_t n_categories;
  // Summed in leaves: categories against bias and numbers, then pairs of categories.
  const std::int64_t* in_leaf;
  std::int64_t n_in_leaf;
  const GramPair* pairs;
  std::int64_t n_pairs;

  // Width of a category's table: the bias and `numbers` numbers, in whole vectors.
  static std::int64_t row_of(std::int64_t numbers) { return numbers ? numbers / 8 * 8 + 8 : 1; }
  static std::int64_t pair_cells(const GramCategory& a, const GramCategory& b) { return (a.count + 1) * (b.count + 1); }
};

// One instruction set's kernels.
struct Kernels {
  const char* name;
  std::int64_t (*scratch_doubles)(const Job& job);
  // Adds rows `first` to `end` to a leaf's sums and to the matrix of the numbers. False if a code is bad.
  bool (*leaf)(const Job& job, std::int64_t first, std::int64_t end, double* sums, double* matrix, double* scratch, BadCode& bad);
  // Roundings that a term of a sum, or of the matrix of the numbers, goes through in a leaf of this many rows.
  std::int64_t (*depth)(const Job& job, std::int64_t rows);
  std::int64_t (*matrix_depth)(std::int64_t rows);
  // Sets codes to 1 if y is `high`, else 0; returns whether every y is exactly `low` or `high`.
  bool (*encode)(Number number, const void* y, std::int64_t m, const void* low, const void* high, std::uint8_t* codes);
  void (*pointwise)(std::int64_t m, const double* z, const std::uint8_t* y, double* loss, double* residual, double* curvature);
  bool (*cholesky)(double* H, std::int64_t k, std::int64_t ld);
  void (*descend)(const Job& job, Descent& descent, double* scratch);
  std::int64_t (*gram_scratch)(const GramJob& job);
  // Add rows to a leaf's tables, one after the other; to a large pair's cells, whose rounding errors are kept; to a large category's table
  // against bias and numbers, with the cells' rounding errors kept behind the table.
  bool (*gram_leaf)(const GramJob& job, std::int64_t first, std::int64_t end, double* tables, double* scratch, BadCode& bad);
  bool (*gram_pair)(const GramJob& job, GramPair pair, std::int64_t first, std::int64_t end, const GramCells& cells, double* scratch,
                    BadCode& bad);
  bool (*gram_numbers)(const GramJob& job, std::int64_t category, std::int64_t first, std::int64_t end, double* table, double* scratch,
                       BadCode& bad);
};

#define CHAINRULE_DECLARE(isa)  \
  namespace isa {               \
  extern const Kernels kernels; \
  }
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(baseline)
CHAINRULE_DECLARE(neon)
#undef CHAINRULE_DECLARE

}  // namespace chainrule
