// Blocks to threads, and their sums into one, in a tree that depends on the number of rows alone.
#pragma once
#include <functional>
#include <vector>

#include "job.hpp"

namespace chainrule {

// Reads all rows once and returns the sums, laid out as Layout says. `interrupted` is asked now and then, on the calling thread;
// when it says yes the read ends early and its sums are worthless.
std::vector<double> read_rows(const Kernels& kernels, const Job& job, int threads, const std::function<bool()>& interrupted);

// The kernels for this processor: the best that it has, or the one named, or null where it can't run that.
const Kernels* choose_kernels(const char* name);

}  // namespace chainrule
