// Passes over vectors of the rows, z and its change u, without the rows themselves.
#pragma once
#include "job.hpp"

namespace chainrule {

// Rows at z' = z + t u + shift.
struct VectorJob {
  std::int64_t m;
  const double* z;
  const double* u;
  const std::uint8_t* y;  // 0 or 1
  const double* s;        // weights, or null for ones; a row of weight 0 counts nothing, whatever stands in it
  double t, shift, pull;
  double* next;  // takes z', and may be z; or null
};

// Offsets of a block's sums.
namespace along {
enum { kLoss, kSlopeT, kSlopeB, kBendTT, kBendTB, kBendBB, kSize };
}
namespace feasible {
enum { kLoss, kCorrect, kDivergence, kClipped, kOnes, kZeros, kSquare, kMoved, kLargest, kSize };  // the last is combined by max
}

// One instruction set's passes.
struct VectorKernels {
  void (*along)(const VectorJob& job, std::int64_t first, std::int64_t end, double* sums);
  void (*feasible)(const VectorJob& job, std::int64_t first, std::int64_t end, double* sums);
};

#define CHAINRULE_DECLARE(isa)               \
  namespace isa {                            \
  extern const VectorKernels vector_kernels; \
  }
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE

}  // namespace chainrule
