// Eight rows at a time, wherever they lie. Included by what is compiled once per instruction set, inside its namespace.
#pragma once

constexpr std::int64_t kCopiedRows = 16;  // two tiles

inline std::int64_t chunks_of(std::int64_t n) { return (n + 7) / 8; }
// The last chunk of eight columns overlaps the one before it, so that no load leaves a row.
inline std::int64_t offset_of(std::int64_t chunk, std::int64_t n) {
  const std::int64_t offset = 8 * chunk;
  return (n >= 8 && offset + 8 > n) ? n - 8 : offset;
}

// A vector over columns in chunks of eight, zero where the last chunk repeats a column.
void to_chunks(const double* x, std::int64_t n, double* chunks) {
  for (std::int64_t c = 0; c < chunks_of(n); ++c)
    for (std::int64_t k = 0; k < 8; ++k) {
      const std::int64_t j = offset_of(c, n) + k;
      chunks[8 * c + k] = (j < n && j >= 8 * c) ? x[j] : 0.0;
    }
}

// From chunks to a plain vector over columns.
inline void from_chunks(const double* chunks, std::int64_t n, double* x) {
  for (std::int64_t c = 0; c < chunks_of(n); ++c)
    for (std::int64_t k = 0; k < 8; ++k) {
      const std::int64_t j = offset_of(c, n) + k;
      if (j < n && j >= 8 * c) x[j] = chunks[8 * c + k];
    }
}

// How a job's rows are reached.
struct Source {
  enum Kind {
    kRows,    // as they lie, in float64
    kRows32,  // as they lie, in float32: by the loss and the gradient; all else reads copies
    kCopies,  // copied one by one
  } kind;
  std::int64_t step;  // from one copied row to the next: an odd number of cache lines

  explicit Source(const Job& job) {
    const std::ptrdiff_t size = job.is_float32 ? sizeof(float) : sizeof(double);
    const bool whole = job.n >= 8 && job.col_stride == size && job.row_stride % size == 0;
    const bool narrow = whole && job.is_float32 && !(job.what & (kHessian | kMoments | kNorms | kSquares));
    kind = (whole && !job.is_float32) ? kRows : narrow ? kRows32 : kCopies;
    step = 8 * (chunks_of(job.n) | 1);
  }
};

// A block's scratch memory, carved from one allocation that begins with a cache line.
struct Scratch {
  double *zero_row, *w, *v, *p, *cp, *gradient, *squares, *q, *copies, *panel;

  Scratch(const Job& job, const Source& source, double* memory) {
    const std::int64_t chunked = 8 * chunks_of(job.n);
    zero_row = memory;
    w = zero_row + chunked;
    v = w + chunked;
    p = v + chunked;
    cp = p + chunked;
    gradient = cp + chunked;
    squares = gradient + chunked;
    q = squares + chunked;
    copies = q + chunked;
    panel = copies + kCopiedRows * source.step;
  }
};

std::int64_t scratch_doubles(const Job& job) {
  const Source source(job);
  const std::int64_t panel = (job.what & kHessian) ? MatrixLayout(job).strips * kStripStep<double> : 0;  // in bytes the same in float32
  return 8 * 8 * chunks_of(job.n) + kCopiedRows * source.step + panel;
}

// Eight rows. Rows past the end and rows of weight 0 become a row of zeros, so that what stands in them does no harm.
struct Tile {
  const double* row[8];
  const float* row32[8];  // in their place where `narrow`
  bool narrow;
  Lanes sign;  // 1 - 2y
  Lanes s;
  std::int64_t rows;
};

template <typename T>
inline const T* const* rows_of(const Tile& tile) {
  if constexpr (sizeof(T) == sizeof(float))
    return tile.row32;
  else
    return tile.row;
}

template <bool Shift, typename T>
inline Lanes element(const T* row, std::int64_t offset, const Scratch& scratch) {
  const Lanes x = load(row + offset);
  return Shift ? x * load(scratch.p + offset) - load(scratch.cp + offset) : x;
}

template <typename T>
inline void copy_row(const Job& job, std::int64_t i, double* out) {
  const char* x = job.data + i * job.row_stride;
  if (job.col_stride == sizeof(T) && job.n >= 8) {
    for (std::int64_t c = 0; c < chunks_of(job.n); ++c) {
      const std::int64_t offset = offset_of(c, job.n);
      store(out + offset, load(reinterpret_cast<const T*>(x) + offset));
    }
  } else {
    for (std::int64_t j = 0; j < job.n; ++j, x += job.col_stride) out[j] = static_cast<double>(*reinterpret_cast<const T*>(x));
  }
}

inline bool any_zero(const double* s) {
  bool zero = false;
  for (int k = 0; k < 8; ++k) zero |= s[k] == 0.0;
  return zero;
}

// Rows `first` to `end`, at most eight. `copied` is where their copies stand, or are put.
inline void fill_tile(const Job& job, const Source& source, const Scratch& scratch, std::int64_t first, std::int64_t end, double* copied,
                      Tile& tile) {
  tile.rows = end - first < 8 ? end - first : 8;
  tile.narrow = false;
  if (source.kind != Source::kCopies && !job.index && tile.rows == 8 && !(job.s && any_zero(job.s + first))) {
    const char* row = job.data + first * job.row_stride;
    tile.narrow = source.kind == Source::kRows32;
    for (int k = 0; k < 8; ++k, row += job.row_stride) {
      if (tile.narrow)
        tile.row32[k] = reinterpret_cast<const float*>(row);
      else
        tile.row[k] = reinterpret_cast<const double*>(row);
    }
    tile.s = job.s ? load(job.s + first) : splat(1.0);
    tile.sign = job.y ? signs_of(job.y + first) : splat(1.0);
    return;
  }
  double s[8];
  std::uint8_t y[8] = {};
  for (std::int64_t k = 0; k < 8; ++k) {
    const std::int64_t i = first + k;
    s[k] = k >= tile.rows ? 0.0 : job.s ? job.s[i] : 1.0;
    if (k < tile.rows && job.y) y[k] = job.y[i];
    if (k >= tile.rows || s[k] == 0.0) {
      tile.row[k] = scratch.zero_row;
      continue;
    }
    const std::int64_t at = job.index ? job.index[i] : i;
    double* const copy = copied + k * source.step;
    tile.row[k] = source.kind == Source::kRows ? reinterpret_cast<const double*>(job.data + at * job.row_stride) : copy;
    if (source.kind == Source::kRows) continue;
    if (job.is_float32)
      copy_row<float>(job, at, copy);
    else
      copy_row<double>(job, at, copy);
  }
  tile.s = load(s);
  tile.sign = signs_of(y);
}
