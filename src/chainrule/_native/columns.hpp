// Columns of mixed types where they lie, and sums over their rows. What passes to the kernels of one instruction set is plain data.
//
// A table has slots: one for a number, one for each level of a category (also for one without a coefficient: w is 0 there). Terms are in
// the order of their slots, and z is added in this order from b on. A job's n counts slots.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "driver.hpp"
#include "job.hpp"

namespace chainrule {

// Categories of at most so many levels are summed in the lanes of a block, as numbers are: to the bit what their one-hot columns give.
constexpr std::int64_t kFewLevels = 128;

enum class Kind : std::uint8_t { kFloat64, kFloat32, kInt8, kInt16, kInt32, kInt64, kUint8, kUint16, kUint32, kUint64, kBool, kBits };

// Rows first, ..., end - 1 of a column.
struct Part {
  const char* values;  // row first + k at values + k stride, in bytes; of bits, bit values_at + k
  std::ptrdiff_t stride;
  std::int64_t values_at;
  const std::uint8_t* valid;  // bit valid_at + k is 1 where a value is there; null: everywhere
  std::int64_t valid_at;
  std::int64_t first, end;
  Kind kind;
};

struct Term {
  enum Form : std::uint8_t { kNumber, kIndicator, kCategory };
  Form form;
  std::int64_t column;  // whose parts these are
  std::int64_t at;      // first slot
  std::int64_t levels;  // slots: 1 but for a category
  const Part* parts;
  std::int64_t n_parts;
  double fill;           // in place of a missing number; NaN: as it is
  std::int64_t missing;  // in place of a missing code; -1: refused
  bool of_codes;         // an indicator of negative codes, not of NaN

  bool in_lanes() const { return form != kCategory || levels <= kFewLevels; }
};

struct ColumnJob {
  Job rows;  // all but where the data lie
  const Term* terms;
  std::int64_t n_terms;
  const double* h;    // a given curvature: of PRODUCT, SQUARES (sum s h x~^2) and HESSIAN without a loss; or null
  double* curvature;  // g (1-g) of every row, or null
  double* product;    // x~.v of every row, or null
  bool by_class;      // the gradient's place gets sum s (1-y) x, the squares' sum s y x^2; no loss
};

// The first row with a code that is not one of its column's levels.
struct BadCode {
  std::int64_t row = -1, column = -1;
  std::int64_t code = 0;
  bool is_missing = false;
};

// What there is of the Gram matrix but the numbers among themselves. A category's levels stand at `low`, ... of the matrix.
struct GramCategory {
  const Term* term;
  const std::int32_t* local;  // of each code: level of the matrix, or `count`
  std::int64_t low, count;
};

struct GramPair {
  std::int64_t a, b;  // categories
};

struct GramJob {
  ColumnJob columns;  // its terms are the numbers
  const GramCategory* categories;
  std::int64_t n_categories;
  const std::int64_t* place;  // of the numbers in the matrix
  std::int64_t side;          // of the matrix; the bias is last
  // What is summed in leaves: categories against bias and numbers, then pairs of categories.
  const std::int64_t* in_leaf;
  std::int64_t n_in_leaf;
  const GramPair* pairs;
  std::int64_t n_pairs;

  // Numbers of a row of a category's table: the bias and `numbers` numbers, in whole vectors.
  static std::int64_t row_of(std::int64_t numbers) { return numbers ? numbers / 8 * 8 + 8 : 1; }
  static std::int64_t pair_cells(const GramCategory& a, const GramCategory& b) { return (a.count + 1) * (b.count + 1); }
};

struct ColumnKernels {
  std::int64_t (*scratch_doubles)(const ColumnJob& job);
  // Adds rows `first` to `end`, in whole blocks but for the last, to a leaf's sums and matrix. False where a code is bad.
  bool (*leaf)(const ColumnJob& job, std::int64_t first, std::int64_t end, double* sums, double* matrix, double* scratch, BadCode& bad);
  std::int64_t (*gram_scratch)(const GramJob& job);
  // Adds rows to a leaf's tables, one after the other.
  bool (*gram_leaf)(const GramJob& job, std::int64_t first, std::int64_t end, double* tables, double* scratch, BadCode& bad);
  // Adds rows, in the order of their numbers, to one large pair of categories in the matrix, where its cells and their mirror images
  // were 0; the last row ends it. Likewise one large category against the bias and the job's numbers: a table, and behind it what its
  // cells lost, (count + 1) rows of `row_of` each.
  bool (*gram_pair)(const GramJob& job, GramPair pair, std::int64_t first, std::int64_t end, double* matrix, double* scratch, BadCode& bad);
  bool (*gram_numbers)(const GramJob& job, std::int64_t category, std::int64_t first, std::int64_t end, double* table, double* scratch,
                       BadCode& bad);
};

#define CHAINRULE_DECLARE(isa)               \
  namespace isa {                            \
  extern const ColumnKernels column_kernels; \
  }
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE

const ColumnKernels& column_kernels_of(const Kernels& kernels);

// Reads all rows once. Where `interrupted` said yes, or a code is bad, the sums are worthless.
Reading read_columns(const ColumnKernels& kernels, const ColumnJob& job, int threads, const std::function<bool()>& interrupted,
                     BadCode& bad);

// Dense rows whose columns' elements lie nearer to one another than those of a row: these are columns of numbers.
bool lies_in_columns(const Job& job);
Reading read_dense_columns(const Kernels& kernels, const Job& job, int threads, const std::function<bool()>& interrupted);

// The sum of s h x~ x~' over the slots that have a place in the matrix (side, side), which is given as zeros: place (slots) is
// ascending but for -1, and the bias is last.
void gram_columns(const Kernels& kernels, const ColumnJob& job, const std::int64_t* place, std::int64_t side, double* matrix, int threads,
                  const std::function<bool()>& interrupted, BadCode& bad);

// Rows that are added one after the other: blocks of a leaf, with so many slots of large categories; and a leaf's rows, of a Gram matrix
// of this side.
std::int64_t column_leaf_blocks(std::int64_t m, std::int64_t large_slots);
std::int64_t gram_leaf_rows(std::int64_t m, std::int64_t side);

}  // namespace chainrule
