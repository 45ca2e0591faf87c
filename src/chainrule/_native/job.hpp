// What passes between the threads' driver and the kernels of one instruction set. Plain data: no vector crosses this border.
#pragma once
#include <cstddef>
#include <cstdint>

namespace chainrule {

// Rows of one logical block: the unit of summing. Part of the bits: changing it changes results in the last digit.
constexpr std::int64_t kBlockRows = 1024;
// Rows whose products are added up in float32, where a matrix is asked for in it, before they are added in float64.
constexpr std::int64_t kFloat32Block = 64;

// What a read of the rows collects.
enum What : unsigned {
  kLoss = 1,         // z, the loss, the weight of the rows that are classified rightly
  kGradient = 2,     // sum s dL_dz x, sum s dL_dz
  kHessian = 4,      // sum s g (1-g) x~ x~'
  kProduct = 8,      // sum s h (x~.v) x~ for given h, in the gradient's place; without a loss
  kMoments = 16,     // sum s x~ x~' (with kHessian) or its diagonal and last row alone, or beside a loss sum s x; smallest and largest x
  kNorms = 64,       // the largest sum_j q_j x~_j^2 over rows of positive weight
  kSquares = 32,     // sum s x^2 of each column, beside a gradient
  kHessian32 = 128,  // with kHessian: rows times sqrt(h) are rounded to float32 and multiplied in it
  kSecant = 256,     // of sparse rows, by itself: at z that is given, what the gradient is and how it changes along a direction
};

// Dense rows as they lie, and the point at which they are read.
struct Job {
  const char* data;  // element (i, j) at data + i row_stride + j col_stride, in bytes
  std::ptrdiff_t row_stride;
  std::ptrdiff_t col_stride;
  bool is_float32;
  std::int64_t m;  // rows to read
  std::int64_t n;
  const std::int64_t* index;  // where they are: row index[i] of the data; null for row i. y, s and z go with i
  const double* center;       // the view x p - c p of each column, or null; p are powers of two
  const double* p;
  const double* cp;
  const std::uint8_t* y;  // 0 or 1; null where only z or moments are asked for
  const double* s;        // weights, or null for ones
  const double* w;
  double b;
  const double* v;  // direction of a Hessian product (n + 1)
  const double* q;  // weights of the norms (n + 1)
  double* z;        // z of every row, or null; of a product x~.v
  double* h;        // g (1 - g) of every row: filled beside a loss, read by a product; or null
  unsigned what;
};

// Offsets of the parts of a block's sums but the matrix, in doubles.
struct Layout {
  std::int64_t loss, correct, weight, bias, gradient, squares, sums, extremes, norm, size;

  explicit Layout(const Job& job) {
    const std::int64_t n = job.n, chunked = (n + 7) / 8 * 8;
    loss = 0;
    correct = 1;
    weight = 2;
    bias = 3;
    gradient = 4;
    squares = (gradient + n + 7) / 8 * 8;
    const bool moments = (job.what & kMoments) && !(job.what & kHessian), both = (job.what & kMoments) && (job.what & kSquares);
    sums = squares + ((moments || (job.what & kSquares)) ? chunked : 0);
    extremes = sums + ((moments || both) ? chunked : 0);
    norm = extremes + ((job.what & kMoments) ? 2 * n : 0);  // -min, then max: these and the norm are combined by max
    size = norm + ((job.what & kNorms) ? 1 : 0);
  }
};

// The matrix while it is summed. Columns are in strips of `lanes`: strip 0 holds the bias and then the columns that the whole strips
// leave, at its end. Stored are the blocks (strip i, strip j), i <= j, of lanes by lanes, one j after the other.
struct MatrixLayout {
  std::int64_t n, lanes, strips, in_short, size;

  explicit MatrixLayout(const Job& job) {
    n = job.n;
    lanes = (job.what & kHessian32) ? 16 : 8;
    strips = n / lanes + 1;
    in_short = n % lanes + 1;
    size = (job.what & kHessian) ? strips * (strips + 1) / 2 * lanes * lanes : 0;
  }

  std::int64_t block(std::int64_t i, std::int64_t j) const { return (j * (j + 1) / 2 + i) * lanes * lanes; }  // i <= j

  // The column of a strip's lane, n for the bias, or -1.
  std::int64_t column(std::int64_t strip, std::int64_t lane) const {
    if (strip > 0) return (strip - 1) * lanes + lane;
    const std::int64_t place = lane - (lanes - in_short);
    return place < 0 ? -1 : place == 0 ? n : n - in_short + place;
  }
};

// Learning rates over the updates t of a run: eta_0; eta_0/(1 + t/T); eta_0/sqrt(1 + t/T).
enum class Schedule { kConstant, kInverse, kInverseRoot };

// Mini-batch updates: what they are made with, and where they stand. In the view's units.
struct Descent {
  std::int64_t batch;  // B, rows of a full batch
  double rate;         // eta_0
  Schedule schedule;
  double period;      // T
  double per_weight;  // M/(B S): M rows to visit in an epoch, S their weights
  double alpha;       // the penalty, in the fit's units
  bool fit_intercept;
  const double* step;          // 1/ratio^2 of each column: from the gradient in the view's units to the step in them
  const std::int64_t* places;  // rows to visit, in this order
  std::int64_t count;
  bool ends;             // the last of them ends the epoch, and a batch that is not full
  std::int64_t updates;  // t
  std::int64_t filled;   // rows of the batch so far
  double* w;
  double b;
  double* gradient;  // of the batch so far
  double bias;
};

// What labels are made of.
enum class Number { kDouble, kFloat, kInt64, kInt32, kInt8, kUint8 };

// One instruction set's kernels. A block's matrix is added to the one that is given, or takes its place where that is fresh.
struct Kernels {
  const char* name;
  std::int64_t (*scratch_doubles)(const Job&);
  void (*block)(const Job&, std::int64_t first_row, std::int64_t end_row, double* sums, double* matrix, bool fresh, double* scratch);
  // codes = 1 where y is `high`, else 0; whether every y is exactly one of `low` and `high`.
  bool (*encode)(Number number, const void* y, std::int64_t m, const void* low, const void* high, std::uint8_t* codes);
  void (*pointwise)(std::int64_t m, const double* z, const std::uint8_t* y, double* loss, double* residual, double* curvature);
  void (*descend)(const Job& job, Descent& descent, double* scratch);
};

#define CHAINRULE_DECLARE(isa)  \
  namespace isa {               \
  extern const Kernels kernels; \
  }
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE

}  // namespace chainrule
