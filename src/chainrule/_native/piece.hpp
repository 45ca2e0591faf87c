// Some rows of a leaf that are read together. Included inside an instruction set's namespace.
#pragma once

// Carves arrays from one allocation, which is aligned to a cache line; without an allocation it only counts the memory needed.
struct Carver {
  double* memory;
  std::int64_t used = 0;

  double* take(std::int64_t count) {
    double* const at = memory ? memory + used : nullptr;
    used += (count + 7) / 8 * 8;
    return at;
  }
  template <typename T>
  T* take_as(std::int64_t count) {
    return reinterpret_cast<T*>(take((count * static_cast<std::int64_t>(sizeof(T)) + 7) / 8));
  }
};

inline std::int64_t to_eight(std::int64_t count) { return (count + 7) / 8 * 8; }

// Rows of a piece: a power of two, few enough that its numbers stay in the L2 cache. Dense rows are read in short pieces, since memory is
// idle while their losses are computed and their rows are added one after the other; columns in longer pieces, however many they are, since
// each column starts anew. Without blocks, a piece stays in the L1 cache.
inline std::int64_t rows_of_piece(const Job& job) {
  std::int64_t bytes = 64, rows = job.n_blocks ? kBlockRows : Odds::most, least = 64;
  for (std::int64_t k = 0; k < job.n_blocks; ++k) {
    const Block& block = job.blocks[k];
    if (block.form == Block::kRows) bytes += 8 * block.slots, rows = rows < 64 ? rows : 64, least = 16;
    if (block.form == Block::kSparse) rows = rows < 64 ? rows : 64;
    if (block.form == Block::kCategory) bytes += 4;
    if (block.form == Block::kNumber || block.form == Block::kIndicator) bytes += 8;
  }
  while (rows > least && rows * bytes > (rows > 256 ? 128 * 1024 : rows > 64 ? 512 * 1024 : 20 * 1024)) rows /= 2;
  return rows;
}

// Only the rows of positive weight, so that numbers in the others do no harm.
struct Piece {
  std::int64_t most;
  std::int64_t first = 0, rows = 0, padded = 0;  // padded to a multiple of eight: weights after the last row are 0
  const std::int64_t* position = nullptr;        // of a row in y, s and z; null: first + k
  const std::int64_t* place = nullptr;           // of a row in the blocks; null: first + k
  double *s, *label;

  Piece(const Job& job, Carver& carver) : most(rows_of_piece(job)) {
    s = carver.take(most);
    label = carver.take(most);
    positions_ = carver.take_as<std::int64_t>(most);
    places_ = carver.take_as<std::int64_t>(most);
  }

  void look_at(const Job& job, std::int64_t from, std::int64_t end) {
    const std::int64_t before = position ? -1 : rows;
    first = from;
    rows = end - from;
    position = place = nullptr;
    if (job.s && any_zero(job.s + from, rows)) {
      rows = 0;
      for (std::int64_t i = from; i < end; ++i) {
        positions_[rows] = i;
        rows += job.s[i] != 0.0;
      }
      position = place = positions_;
    }
    if (job.index) {
      for (std::int64_t k = 0; k < rows; ++k) places_[k] = job.index[at(k)];
      place = places_;
    }
    padded = to_eight(rows);
    if (job.s)
      take(job.s, s);
    else if (rows != before)
      for (std::int64_t k = 0; k < padded; ++k) s[k] = k < rows ? 1.0 : 0.0;
    if (job.y) take(job.y, label);
  }

  std::int64_t at(std::int64_t k) const { return position ? position[k] : first + k; }
  std::int64_t row(std::int64_t k) const { return place ? place[k] : first + k; }

  // Copies the rows' numbers from, or to, an array indexed like y.
  template <typename T>
  void take(const T* from, double* to) const {
    if (position)
      for (std::int64_t k = 0; k < rows; ++k) to[k] = static_cast<double>(from[position[k]]);
    else
      for (std::int64_t k = 0; k < rows; ++k) to[k] = static_cast<double>(from[first + k]);
    for (std::int64_t k = rows; k < padded; ++k) to[k] = 0.0;
  }
  // The same, but copied only if they are not contiguous.
  const double* seen(const double* from, double* memory) const {
    if (!position && rows == padded) return from + first;
    take(from, memory);
    return memory;
  }
  void give(const double* from, double* to) const {
    if (position)
      for (std::int64_t k = 0; k < rows; ++k) to[position[k]] = from[k];
    else
      for (std::int64_t k = 0; k < rows; ++k) to[first + k] = from[k];
  }

 private:
  static bool any_zero(const double* x, std::int64_t count) {
    bool zero = false;
    for (std::int64_t k = 0; k < count; ++k) zero |= x[k] == 0.0;
    return zero;
  }

  std::int64_t *positions_, *places_;
};

// Factors of a piece's rows: `linear` numbers for x and then `square` for x^2, for a group of points; as planes, `step` apart, and, if
// blocks need it, with the numbers of a row adjacent.
struct Terms {
  std::int64_t linear, square, step;
  std::int64_t first;   // number of the first among all terms
  std::int64_t all;     // how many there are
  const double* plane;  // point after point: its linear terms, its square ones
  const double* by_row;
  std::int64_t points;

  std::int64_t count() const { return points * (linear + square); }
  const double* of(std::int64_t t) const { return plane + t * step; }
  bool is_square(std::int64_t t) const { return t % (linear + square) >= linear; }
};
