// Blocks to threads, and their sums into one, in a tree that depends on the number of rows alone.
#pragma once
#include <functional>
#include <new>
#include <vector>

#include "job.hpp"

namespace chainrule {

// Memory that begins with a cache line.
template <typename T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <typename U>
  Aligned(const Aligned<U>&) {}
  T* allocate(std::size_t size) { return static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, std::align_val_t{64}); }
  bool operator==(const Aligned&) const { return true; }
};
using Doubles = std::vector<double, Aligned<double>>;

struct Reading {
  Doubles sums;    // as Layout says
  Doubles matrix;  // as MatrixLayout says
};

// Reads all rows once and returns the sums. `interrupted` is asked now and then, on the calling thread;
// when it says yes the read ends early and its sums are worthless.
Reading read_rows(const Kernels& kernels, const Job& job, int threads, const std::function<bool()>& interrupted);

// The whole symmetric matrix (n + 1, n + 1), the bias last.
void unpack(const Job& job, const double* packed, double* matrix);

// The kernels for this processor: the best that it has, or the one named, or null where it can't run that.
const Kernels* choose_kernels(const char* name);

}  // namespace chainrule
