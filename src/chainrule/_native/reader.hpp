// The reader: deals leaves to threads, and adds their sums in a tree that depends on row numbers alone.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "design.hpp"
#include "tree.hpp"

namespace chainrule {

// A view of a job's columns as x p - center p, p powers of two. The kernels subtract a shift; a moderate p is multiplied into the
// point and, afterwards, into the sums, which changes no bit; any other p is multiplied into each x (its lift).
class View {
 public:
  // Makes job's view, and its w, b and q if they are given, point to arrays in this object.
  View(Job& job, const double* center, const double* p);
  View(const View&) = delete;
  View& operator=(const View&) = delete;

 private:
  std::vector<double> lift_, shift_, fold_, w_, q_;
};

// Rows of a leaf: for sums over n slots, and for the matrix of this many columns.
std::int64_t leaf_rows(std::int64_t n);
std::int64_t matrix_leaf_rows(std::int64_t n, std::int64_t columns);

// Rows of the leaves in all of a job's subtrees.
std::int64_t leaf_of(const Job& job);

// Roundings that a term goes through in a sum over this many rows, and in the matrix of job.numbers.
double sum_depth(const Kernels& kernels, const Job& job, std::int64_t rows);
double matrix_depth(const Kernels& kernels, const Job& job, std::int64_t rows);

// Which of a job's rows are read, and the number of the first among all rows: a multiple of a leaf.
struct Range {
  std::int64_t first, end, number;
};

struct Reading {
  std::vector<Subtree> sums;      // as Layout says
  std::vector<Subtree> matrices;  // as MatrixLayout says
  BadCode bad;
};

using Interrupted = std::function<bool()>;

// Reads rows once. `interrupted` is called now and then, on the calling thread; when it returns true, the read ends early and its sums are
// invalid. They are also invalid if a code is bad.
Reading read(const Kernels& kernels, const Job& job, Range range, int threads, const Interrupted& interrupted);

// The sum of the subtrees of one range or of adjacent ranges: to the bit the result of one read of all of them.
Doubles combine(std::vector<Subtree> subtrees, std::int64_t added);

// Sums in the order of the slots: those of term t at t (n + 1), the bias's last; multiplied by the rest of the view.
Doubles decode(const Job& job, const Doubles& sums);
// The whole symmetric matrix (k + 1, k + 1) of k columns, the bias last, times the rest of the view (fold, k, or null); or into a
// larger matrix, each column and the bias at its place.
void unpack(const MatrixLayout& layout, const double* packed, const double* fold, double* matrix, const std::int64_t* place = nullptr,
            std::int64_t side = 0);

// The kernels for this processor: its best ones, or the named ones, or null if it can't run these.
const Kernels* choose_kernels(const char* name);
// All names of kernels that this processor has.
std::vector<std::string> kernel_names();

}  // namespace chainrule
