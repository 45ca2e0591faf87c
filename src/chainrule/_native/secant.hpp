// A read of dense rows at z that are kept, and along a direction.
#pragma once
#include "job.hpp"

namespace chainrule {

struct SecantJob {
  Job rows;         // y, and v (n + 1), the direction
  const double* z;  // of each row
  double* u;        // takes x~.v of each row
};

// Offsets of a block's sums: four vectors of n + 1, the bias last, and numbers; the norm, at the end, is combined by max.
struct SecantLayout {
  std::int64_t loss = 0, correct = 1, weight = 2, gradient = 3, change, curvature, diagonal, norm, size;

  explicit SecantLayout(std::int64_t n) {
    change = gradient + n + 1;
    curvature = change + n + 1;
    diagonal = curvature + n + 1;
    norm = diagonal + n + 1;
    size = norm + 1;
  }
};

// One instruction set's kernel.
struct SecantKernel {
  std::int64_t (*scratch_doubles)(const SecantJob& job);
  void (*block)(const SecantJob& job, std::int64_t first, std::int64_t end, double* sums, double* scratch);
};

#define CHAINRULE_DECLARE(isa)             \
  namespace isa {                          \
  extern const SecantKernel secant_kernel; \
  }
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE

const SecantKernel& secant_kernel_of(const Kernels& kernels);

}  // namespace chainrule
