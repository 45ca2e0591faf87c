// A read of mixed columns at z that are kept, and along a direction.
#pragma once
#include "columns.hpp"

namespace chainrule {

// Rows of a leaf that are added in lanes.
constexpr std::int64_t kLaneRows = 8 * kBlockRows;

struct ColumnSecantJob {
  ColumnJob columns;  // y, v (slots + 1), the direction, and q: 0 for a level without a coefficient, which a norm does not count
  const double* z;    // of each row
  double* u;          // takes x~.v of each row
};

// Offsets of a leaf's sums: of each slot, and then of the bias, the gradient, its change, the curvature and the diagonal; and numbers.
// The norm, at the end, is combined by max.
struct ColumnSecantLayout {
  static constexpr std::int64_t of_slot = 4;
  std::int64_t loss = 0, correct = 1, weight = 2, slots = 8, bias, norm, size;

  explicit ColumnSecantLayout(std::int64_t n) {
    bias = slots + of_slot * n;
    norm = bias + of_slot;
    size = norm + 1;
  }
};

// One instruction set's kernel; `leaf` as of ColumnKernels.
struct ColumnSecantKernel {
  std::int64_t (*scratch_doubles)(const ColumnSecantJob& job);
  bool (*leaf)(const ColumnSecantJob& job, std::int64_t first, std::int64_t end, double* sums, double* scratch, BadCode& bad);
};

#define CHAINRULE_DECLARE(isa)                   \
  namespace isa {                                \
  extern const ColumnSecantKernel column_secant; \
  }
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE

// Reads all rows once; the sums. Where `interrupted` said yes, or a code is bad, they are worthless.
Doubles secant_columns(const Kernels& kernels, const ColumnSecantJob& job, int threads, const std::function<bool()>& interrupted,
                       BadCode& bad);

}  // namespace chainrule
