// Sparse rows (CSR) where they lie, and sums over them. What passes to the kernels of one instruction set is plain data.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "job.hpp"

namespace chainrule {

struct Csr {
  const void* data;     // float64 or float32
  const void* indices;  // int32 or int64, in any order within a row, none twice
  const void* indptr;   // (rows + 1) int32 or int64, from 0 to nnz
  bool is_float32, wide_indices, wide_indptr;
  std::int64_t n;
  std::int64_t m;             // rows to read
  const std::int64_t* index;  // where they are; null for row i. All other arrays of m go with i
};

// `static`: each unit that includes this has its own, for its own instruction set.
static inline std::int64_t row_start(const Csr& csr, std::int64_t row) {
  return csr.wide_indptr ? static_cast<const std::int64_t*>(csr.indptr)[row] : static_cast<const std::int32_t*>(csr.indptr)[row];
}

static inline std::int64_t place_of(const Csr& csr, std::int64_t i) { return csr.index ? csr.index[i] : i; }

// A read, and the point at which it is made. `what` is of What: kLoss asks for z, and with y for the loss; a given h makes the gradient
// one of z, sum s h z x~, and the squares sum s h x~^2. A secant is along (w, b), at `at`; its z are x~.(w, b).
struct CsrJob {
  Csr rows;
  const std::uint8_t* y;  // 0 or 1, or null
  const double* s;        // weights, or null for ones; a row of weight 0 is not looked at
  const double* h;        // curvatures that are given, or null
  const double* w;
  double b;
  const double* p;    // columns are seen as x p, p powers of two; or null
  bool folded;        // w has p in it already, and the gradient is multiplied by p afterwards
  const double* q;    // weights of the norms (n + 1)
  const double* at;   // z of every row, of a secant, or null
  double* z;          // z of every row, or null
  double* curvature;  // g (1-g) of every row, or null
  unsigned what;
};

// Offsets of a leaf's sums, in doubles: eight lanes of each of the first, then what each column has. Columns begin with a cache line.
struct CsrLayout {
  std::int64_t loss = 0, correct = 8, weight = 16, bias = 24, change = 32, curvature = 40, norm = 48, columns = 56, squares, size;

  explicit CsrLayout(const CsrJob& job) {
    const std::int64_t chunked = (job.rows.n + 7) / 8 * 8;
    squares = columns + ((job.what & kGradient) ? chunked : 0);
    size = squares + ((job.what & kSquares) ? chunked : 0);
    if (job.what & kMoments) size = columns + kColumnMoments * job.rows.n;
    if (job.what & kSecant) size = columns + kColumnSecants * job.rows.n;
    size = (size + 7) / 8 * 8;
  }

  // Of moments a column has: sum s x, sum s x^2, smallest and largest x that is stored, rows that store one.
  static constexpr std::int64_t kColumnMoments = 5;
  // Of a secant: sum s dL_dz x, sum s (the change of dL_dz) x, sum s h x, sum s h x^2.
  static constexpr std::int64_t kColumnSecants = 4;
};

// One instruction set's kernels. They add rows to a leaf that is there; whole groups of eight but for the last.
struct CsrKernels {
  void (*read)(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums);
  void (*moments)(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums);
  void (*secant)(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums);
};

#define CHAINRULE_DECLARE(isa)                                                            \
  namespace isa {                                                                         \
  extern const CsrKernels csr_kernels;                                                    \
  void csr_secant(const CsrJob& job, std::int64_t first, std::int64_t end, double* sums); \
  }
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE

// Where to cut rows into leaves of about equal work: an element of a row counts one, and a row as many as rows have on average, so that
// neither long rows nor empty ones make a leaf much longer than others.
struct CsrCuts {
  std::int64_t rows, nnz, pieces;

  std::int64_t row_work() const { return nnz <= rows ? 1 : (nnz - 1) / rows + 1; }
  std::int64_t work() const { return nnz + row_work() * rows; }
  std::int64_t most_rows() const;  // of a piece
  // First row of each piece, and the end.
  std::vector<std::int64_t> of(const Csr& csr) const;
};

// What a look at the indices found: the first row whose elements aren't there (indptr descends, or leaves the data) or, where they are,
// name a column outside; and, if there is none, whether a row names a column twice.
struct CsrCheck {
  std::int64_t bad_row = -1;
  bool row_is_there = true;
  bool has_duplicates = false;
};
std::optional<CsrCheck> csr_check(const Csr& csr, std::int64_t nnz, int threads, const std::function<bool()>& interrupted);

// Elements of the rows to read.
std::int64_t csr_elements(const Csr& csr);
// Leaves of a read: rows and their elements cut by sizes alone; `width` numbers a column are summed.
CsrCuts csr_leaves(std::int64_t rows, std::int64_t n, std::int64_t nnz, std::int64_t width);
// Blocks of rows for the Gram matrix of k columns.
CsrCuts csr_blocks(std::int64_t rows, std::int64_t nnz, std::int64_t k);

// Sums as they are given: loss, correct, weight, norm; then, as asked for, the gradient (n + 1), the bias last, and the squares (n).
// No value where `interrupted`, asked on the calling thread, said yes.
std::optional<std::vector<double>> csr_read(const CsrKernels& kernels, const CsrJob& job, int threads,
                                            const std::function<bool()>& interrupted);
// Weight, then sum s x, sum s x^2, smallest and largest x, (n) each.
std::optional<std::vector<double>> csr_moments(const CsrKernels& kernels, const CsrJob& job, int threads,
                                               const std::function<bool()>& interrupted);
// Loss, correct, weight, norm; then sum s dL_dz x~, its change, sum s h x~ and sum s h x~^2, (n + 1) each, the bias last.
std::optional<std::vector<double>> csr_secant(const CsrKernels& kernels, const CsrJob& job, int threads,
                                              const std::function<bool()>& interrupted);

// The whole symmetric matrix sum s h x~ x~' over `columns`, k of them in any order, and the bias last: (k + 1, k + 1). h: job.h.
// Whether it was not interrupted.
bool csr_gram(const CsrJob& job, const std::int64_t* columns, std::int64_t k, double* matrix, int threads,
              const std::function<bool()>& interrupted);

const CsrKernels& csr_kernels_of(const Kernels& kernels);

}  // namespace chainrule
