// What is asked of the memory before its turn. Included inside an instruction set's namespace.
#pragma once
#include "tiles.hpp"

constexpr std::ptrdiff_t kAheadBytes = 40960;
constexpr std::int64_t kTilesAhead = 3;
constexpr std::int64_t kColumnsToSplit = 64;

// Where the data stand that come next: eight places, one step apart, for each chunk of columns. The dot product asks for four of
// them and the gradient for the others, so that the memory always has something to do; or the gradient for all.
struct Ahead {
  const char* at;
  std::ptrdiff_t step, chunk;  // chunk 0: nowhere
  bool all;                    // eight places, not four
};

inline void fetch(const Ahead& ahead) {
  if (!ahead.chunk) return;
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) __builtin_prefetch(ahead.at + k * ahead.step, 0, 2);
  if (!ahead.all) return;
#pragma GCC unroll 4
  for (int k = 4; k < 8; ++k) __builtin_prefetch(ahead.at + k * ahead.step, 0, 2);
}

// Into the second cache, 20 or 40 kB ahead or a tile: the first cache is too small.
struct Outlook {
  bool split;
  std::ptrdiff_t distance = 0, step = 0, chunk = 0;

  Outlook(const Job& job, const Source& source) {
    const std::ptrdiff_t tile_bytes = 8 * job.row_stride;
    // On few columns the dot product is too short to fetch beside: measured, a fifth slower on 28.
    split = job.n > kColumnsToSplit;
    if (source.kind != Source::kCopies && tile_bytes > 0) {
      distance = job.index ? 0 : tile_bytes * (1 + (split ? kAheadBytes : kAheadBytes / 2) / tile_bytes);
      step = job.row_stride;
      chunk = job.is_float32 ? 32 : 64;
    }
  }

  Ahead of(const Job& job, std::int64_t row, std::int64_t place) const {
    // Rows of an index come in runs: those after the one that is read some tiles on are most often read with it.
    const std::int64_t on = row + 8 * kTilesAhead;
    const std::int64_t at = job.index ? job.index[on < job.m ? on : job.m - 1] : row;
    return Ahead{job.data + at * job.row_stride + distance + place * step, step, chunk, !split};
  }
  // Beside the dot product of the tile at `row`, and beside what is made of it then.
  Ahead first(const Job& job, std::int64_t row) const { return split ? of(job, row, 0) : Ahead{}; }
  Ahead second(const Job& job, std::int64_t row) const { return of(job, row, split ? 4 : 0); }
};
