// The reader: leaves to threads, and their sums into one, in a tree that depends on the rows' numbers alone.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "design.hpp"
#include "tree.hpp"

namespace chainrule {

// A job's columns seen as x p - center p, p powers of two. The kernels subtract a shift; where p is moderate it is multiplied into the
// point and, afterwards, into the sums, which changes no bit; else each x is lifted by it.
class View {
 public:
  // Points job's view, and its w, b and q as far as they are there, to what this holds.
  View(Job& job, const double* center, const double* p);
  View(const View&) = delete;
  View& operator=(const View&) = delete;

 private:
  std::vector<double> lift_, shift_, fold_, w_, q_;
};

// Rows of a leaf: of sums over n slots, and of the matrix of so many columns.
std::int64_t leaf_rows(std::int64_t n);
std::int64_t matrix_leaf_rows(std::int64_t n, std::int64_t columns);

// Rows of the leaves that all of a job's subtrees are made of.
std::int64_t leaf_of(const Job& job);

// Roundings that a term of a sum of so many rows goes through, and of the matrix of job.numbers.
double sum_depth(const Kernels& kernels, const Job& job, std::int64_t rows);
double matrix_depth(const Kernels& kernels, const Job& job, std::int64_t rows);

// Which of a job's rows are read, and the number of the first among all the rows there are: a multiple of a leaf.
struct Range {
  std::int64_t first, end, number;
};

struct Reading {
  std::vector<Subtree> sums;      // as Layout says
  std::vector<Subtree> matrices;  // as MatrixLayout says
  BadCode bad;
};

using Interrupted = std::function<bool()>;

// Reads rows once. `interrupted` is asked now and then, on the calling thread; when it says yes the read ends early and its sums are
// worthless. So they are where a code is bad.
Reading read(const Kernels& kernels, const Job& job, Range range, int threads, const Interrupted& interrupted);

// The sum of subtrees, of one range or of adjacent ones: to the bit what one read of all of them gives.
Doubles combine(std::vector<Subtree> subtrees, std::int64_t added);

// Sums in the order of the slots: term t's at t (n + 1), the bias's last; multiplied by what the view left.
std::vector<double> decode(const Job& job, const Doubles& sums);
// The whole symmetric matrix (k + 1, k + 1) of k columns, the bias last, times what the view left of each (fold, k, or null); or into a
// larger one, each column and the bias at its place.
void unpack(const MatrixLayout& layout, const double* packed, const double* fold, double* matrix, const std::int64_t* place = nullptr,
            std::int64_t side = 0);

// The kernels for this processor: the best that it has, or the one named, or null where it can't run that.
const Kernels* choose_kernels(const char* name);
// All names of kernels that this processor has.
std::vector<std::string> kernel_names();

}  // namespace chainrule
