// Blocks to threads, and their sums into one, in a tree that depends on the number of rows alone.
#pragma once
#include <functional>

#include "job.hpp"
#include "tree.hpp"

namespace chainrule {

struct Reading {
  Doubles sums;    // as Layout says
  Doubles matrix;  // as MatrixLayout says
};

// Reads all rows once and returns the sums. `interrupted` is asked now and then, on the calling thread;
// when it says yes the read ends early and its sums are worthless.
Reading read_rows(const Kernels& kernels, const Job& job, int threads, const std::function<bool()>& interrupted);

// Blocks of kBlockRows of m rows, each of which fills `size` sums with the help of `scratch` numbers, added in their tree; the sums from
// `added` on are combined by max. Worthless where `interrupted` said yes.
Doubles sum_blocks(std::int64_t m, std::int64_t size, std::int64_t added, std::int64_t scratch, int threads,
                   const std::function<bool()>& interrupted,
                   const std::function<void(std::int64_t first, std::int64_t end, double* sums, double* scratch)>& block);

// The whole symmetric matrix (n + 1, n + 1), the bias last; or into a larger one (side, side), each column and the bias at its place.
void unpack(const Job& job, const double* packed, double* matrix, const std::int64_t* place = nullptr, std::int64_t side = 0);

// The kernels for this processor: the best that it has, or the one named, or null where it can't run that.
const Kernels* choose_kernels(const char* name);

}  // namespace chainrule
