// The matrix of designs with categories or sparse columns, whose slots are not all numbers.
#pragma once
#include <vector>

#include "reader.hpp"

namespace chainrule {

// Whether there are sparse columns, so that rows are added to the matrix element by element.
bool is_elementwise(const Job& job);

// Rows of a leaf, for a matrix of this side.
std::int64_t gram_leaf_rows(std::int64_t side);

// Roundings that a term goes through in a leaf of this many rows.
std::int64_t gram_depth(const Job& job, std::int64_t rows);

// The size of a job's matrix: a row for each column, the head's first, of its products with the columns outside the head, the bias last;
// then the head's diagonal. Without a head that is the whole symmetric matrix.
std::int64_t gram_size(const Job& job);

// sum s h x~ x~' of job.numbers and the bias over the rows: such matrices, of maximal subtrees of leaves. Invalid if
// `interrupted` returned true, or a code is bad.
std::vector<Subtree> gram(const Kernels& kernels, const Job& job, Range range, int threads, const Interrupted& interrupted, BadCode& bad);

}  // namespace chainrule
