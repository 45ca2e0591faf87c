// The Gram matrix of columns of sparse rows: sum s h x~ x~'.
//
// Rows are taken in blocks. A block's elements in the columns asked for are packed, times sqrt(s h), each row in ascending order with the
// bias last, and listed by column. Then a row of the matrix at a time is summed in the first cache: for each element of its column, the
// rest of that element's row. So every entry is summed by one thread, row after row and block after block, and there is one matrix.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>

#include "csr.hpp"
#include "threads.hpp"

namespace chainrule {
namespace {

constexpr std::int64_t kLeastBlock = 1 << 20, kMostBlock = 1 << 22;  // work of a block
constexpr std::int64_t kParts = 16;                                  // of a block, each packed by one thread
constexpr std::int64_t kColumnsAtOnce = 4;                           // rows of the matrix that a thread takes at a time
constexpr std::int64_t kTile = 32;                                   // of the matrix, when it is mirrored
constexpr std::int64_t kListAhead = 8;                               // elements of a list that are fetched before their turn

struct Element {
  double x;
  std::int64_t place;  // in `columns`; k, the bias, ends a row
};

// Some rows, packed and listed by column.
struct Part {
  std::vector<Element> elements;    // room for all that the rows have
  std::vector<std::int32_t> list;   // elements by column
  std::vector<std::int32_t> start;  // of each column's in the list, and the end
};

template <typename T, typename I>
void pack(const CsrJob& job, const std::int32_t* place_of_column, std::int64_t k, std::int64_t first, std::int64_t end, Part& part) {
  const Csr& csr = job.rows;
  const T* const data = static_cast<const T*>(csr.data);
  const I* const indices = static_cast<const I*>(csr.indices);
  std::int64_t room = end - first;
  for (std::int64_t i = first; i < end; ++i) room += row_start(csr, place_of(csr, i) + 1) - row_start(csr, place_of(csr, i));
  if (static_cast<std::int64_t>(part.elements.size()) < room) part.elements.resize(static_cast<std::size_t>(room));
  part.start.assign(static_cast<std::size_t>(k) + 3, 0);
  std::int32_t* const counts = part.start.data() + 2;
  Element* out = part.elements.data();
  for (std::int64_t i = first; i < end; ++i) {
    const double s = job.s ? job.s[i] : 1.0;
    if (s == 0.0) continue;
    const double root = std::sqrt(job.h ? s * job.h[i] : s);
    const std::int64_t at = place_of(csr, i), to = row_start(csr, at + 1);
    Element* const begin = out;
    std::int64_t last = -1;
    bool ascends = true;
    for (std::int64_t l = row_start(csr, at); l < to; ++l) {
      const std::int64_t place = place_of_column[indices[l]];
      const auto x = static_cast<double>(data[l]);
      *out = {root * (job.p ? x * job.p[indices[l]] : x), place};  // the next takes its place where this isn't asked for
      out += place >= 0;
      ascends = ascends & (place < 0 || place > last);
      last = place < 0 ? last : place;
    }
    if (!ascends) std::sort(begin, out, [](const Element& a, const Element& b) { return a.place < b.place; });
    *out++ = {root, k};
    for (const Element* element = begin; element < out; ++element) ++counts[element->place];
  }
  // Counts one place on, summed, are where each column's list begins; filling it moves that to where the next begins.
  for (std::int64_t j = 1; j <= k; ++j) counts[j] += counts[j - 1];
  const auto size = static_cast<std::int32_t>(out - part.elements.data());
  if (part.list.size() < static_cast<std::size_t>(size)) part.list.resize(static_cast<std::size_t>(size));
  std::int32_t* const next = part.start.data() + 1;
  for (std::int32_t e = 0; e < size; ++e) part.list[static_cast<std::size_t>(next[part.elements[static_cast<std::size_t>(e)].place]++)] = e;
}

void pack_any(const CsrJob& job, const std::int32_t* place_of_column, std::int64_t k, std::int64_t first, std::int64_t end, Part& part) {
  if (job.rows.is_float32)
    job.rows.wide_indices ? pack<float, std::int64_t>(job, place_of_column, k, first, end, part)
                          : pack<float, std::int32_t>(job, place_of_column, k, first, end, part);
  else
    job.rows.wide_indices ? pack<double, std::int64_t>(job, place_of_column, k, first, end, part)
                          : pack<double, std::int32_t>(job, place_of_column, k, first, end, part);
}

// row[b] += x_a x_b for the elements of column a, b from a on.
void add_column(const Part& part, std::int64_t a, std::int64_t k, double* row) {
  const std::int32_t* const end = part.list.data() + part.start[static_cast<std::size_t>(a + 1)];
  const Element* const elements = part.elements.data();
  for (const std::int32_t* e = part.list.data() + part.start[static_cast<std::size_t>(a)]; e < end; ++e) {
    if (e + kListAhead < end) __builtin_prefetch(elements + e[kListAhead]);
    const Element* element = elements + *e;
    const double x = element->x;
    for (; element->place < k; ++element) row[element->place] += x * element->x;
    row[k] += x * element->x;
  }
}

// Copies the upper triangle to the lower one.
bool mirror(double* matrix, std::int64_t side, int threads, const std::function<bool()>& interrupted) {
  const std::int64_t tiles = (side + kTile - 1) / kTile;
  return run_pieces(tiles, threads, interrupted, [&](std::int64_t tile, Watch&) {
    const std::int64_t end = std::min((tile + 1) * kTile, side);
    for (std::int64_t across = 0; across <= tile; ++across)
      for (std::int64_t i = tile * kTile; i < end; ++i)
        for (std::int64_t j = across * kTile; j < std::min((across + 1) * kTile, i); ++j) matrix[i * side + j] = matrix[j * side + i];
  });
}

}  // namespace

CsrCuts csr_blocks(std::int64_t rows, std::int64_t nnz, std::int64_t k) {
  CsrCuts cuts{rows, nnz, 1};
  // A block's elements are to cost more than the matrix, to which they are added, and take less memory.
  const std::int64_t block = k < 2 * 1024 ? kLeastBlock : k < 4 * 1024 ? std::max(k * k / 4, kLeastBlock) : kMostBlock;
  cuts.pieces = std::min((cuts.work() - 1) / block + 1, rows);
  return cuts;
}

bool csr_gram(const CsrJob& job, const std::int64_t* columns, std::int64_t k, double* matrix, int threads,
              const std::function<bool()>& interrupted) {
  const std::int64_t side = k + 1;
  std::vector<std::int32_t> place_of_column(static_cast<std::size_t>(job.rows.n), -1);
  for (std::int64_t j = 0; j < k; ++j) place_of_column[static_cast<std::size_t>(columns[j])] = static_cast<std::int32_t>(j);
  const CsrCuts cuts = csr_blocks(job.rows.m, csr_elements(job.rows), k);
  const std::vector<std::int64_t> starts = cuts.of(job.rows);
  std::vector<Part> parts(static_cast<std::size_t>(kParts));
  for (std::int64_t block = 0; block < cuts.pieces; ++block) {
    const std::int64_t first = starts[static_cast<std::size_t>(block)], end = starts[static_cast<std::size_t>(block + 1)];
    const auto cut = [&](std::int64_t part) { return first + (end - first) * part / kParts; };
    const auto pack_part = [&](std::int64_t part, Watch&) {
      pack_any(job, place_of_column.data(), k, cut(part), cut(part + 1), parts[static_cast<std::size_t>(part)]);
    };
    if (!run_pieces(kParts, threads, interrupted, pack_part)) return false;
    const auto add = [&](std::int64_t piece, Watch& watch) {
      std::vector<double> row(static_cast<std::size_t>(side));
      for (std::int64_t a = piece * kColumnsAtOnce; a < std::min((piece + 1) * kColumnsAtOnce, side) && !watch.stops(); ++a) {
        std::fill(row.begin() + a, row.end(), 0.0);
        for (const Part& part : parts) add_column(part, a, k, row.data());
        double* const to = matrix + a * side;
        for (std::int64_t b = a; b < side; ++b) to[b] = block ? to[b] + row[static_cast<std::size_t>(b)] : row[static_cast<std::size_t>(b)];
      }
    };
    if (!run_pieces((side + kColumnsAtOnce - 1) / kColumnsAtOnce, threads, interrupted, add)) return false;
  }
  return mirror(matrix, side, threads, interrupted);
}

}  // namespace chainrule
