// Rows of a column as doubles or as codes, from any storage. Included by columns.hpp alone.
#pragma once

template <typename T>
inline T read_as(const char* at) {
  T value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

inline bool bit(const std::uint8_t* bits, std::int64_t at) { return bits[at >> 3] >> (at & 7) & 1; }

// Rows to read: rows first + k, or index[k].
struct Rows {
  std::int64_t first, count;
  const std::int64_t* index;

  std::int64_t operator[](std::int64_t k) const { return index ? index[k] : first + k; }
};

// The part that contains a row.
inline const Part& part_of(const Block& term, std::int64_t row) {
  std::int64_t low = 0, high = term.n_parts - 1;
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (row < term.parts[middle].end)
      high = middle;
    else
      low = middle + 1;
  }
  return term.parts[low];
}

// Calls take(part, k, rows): of the rows to read, k to k + rows are in this part and, without an index, contiguous.
template <typename Take>
inline void over_parts(const Block& term, const Rows& rows, const Take& take) {
  for (std::int64_t k = 0; k < rows.count;) {
    const Part& part = part_of(term, rows[k]);
    std::int64_t end = k + 1;
    if (rows.index)
      while (end < rows.count && rows.index[end] >= part.first && rows.index[end] < part.end) ++end;
    else
      end = part.end - rows[k] < rows.count - k ? k + part.end - rows[k] : rows.count;
    take(part, k, end - k);
    k = end;
  }
}

// out[k] = as(value) of each row in one part.
template <typename T, typename Out, typename As>
inline void convert(const Part& part, const Rows& rows, std::int64_t k, std::int64_t count, Out* out, const As& as) {
  if (rows.index) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = as(read_as<T>(part.values + (rows.index[k + i] - part.first) * part.stride));
    return;
  }
  const char* const values = part.values + (rows.first + k - part.first) * part.stride;
  if (part.stride == sizeof(T))
    for (std::int64_t i = 0; i < count; ++i) out[i] = as(read_as<T>(values + i * static_cast<std::ptrdiff_t>(sizeof(T))));
  else
    for (std::int64_t i = 0; i < count; ++i) out[i] = as(read_as<T>(values + i * part.stride));
}

// out[k] = value(bit) of each row's bit in one part.
template <typename Value>
inline void convert_bits(const std::uint8_t* bits, std::int64_t at, const Part& part, const Rows& rows, std::int64_t k, std::int64_t count,
                         double* out, const Value& value) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = value(bit(bits, at + rows[k + i] - part.first), out[i]);
}

inline void numbers_of(const Part& part, const Rows& rows, std::int64_t k, std::int64_t count, double* out) {
  const auto as_double = [](auto value) { return static_cast<double>(value); };
  switch (part.kind) {
    case Kind::kFloat64:
      return convert<double>(part, rows, k, count, out, as_double);
    case Kind::kFloat32:
      return convert<float>(part, rows, k, count, out, as_double);
    case Kind::kInt8:
      return convert<std::int8_t>(part, rows, k, count, out, as_double);
    case Kind::kInt16:
      return convert<std::int16_t>(part, rows, k, count, out, as_double);
    case Kind::kInt32:
      return convert<std::int32_t>(part, rows, k, count, out, as_double);
    case Kind::kInt64:
      return convert<std::int64_t>(part, rows, k, count, out, as_double);
    case Kind::kUint8:
      return convert<std::uint8_t>(part, rows, k, count, out, as_double);
    case Kind::kUint16:
      return convert<std::uint16_t>(part, rows, k, count, out, as_double);
    case Kind::kUint32:
      return convert<std::uint32_t>(part, rows, k, count, out, as_double);
    case Kind::kUint64:
      return convert<std::uint64_t>(part, rows, k, count, out, as_double);
    case Kind::kBool:
      return convert<std::uint8_t>(part, rows, k, count, out, [](std::uint8_t value) { return value ? 1.0 : 0.0; });
    case Kind::kBits:
      return convert_bits(reinterpret_cast<const std::uint8_t*>(part.values), part.values_at, part, rows, k, count, out,
                          [](bool set, double) { return set ? 1.0 : 0.0; });
  }
}

constexpr std::int64_t kNoCode = -2;  // beyond int32

// Codes; -1 for a negative one.
inline void codes_of(const Part& part, const Rows& rows, std::int64_t k, std::int64_t count, std::int32_t* out) {
  const auto narrow = [](auto value) { return static_cast<std::int32_t>(value < 0 ? static_cast<decltype(value)>(-1) : value); };
  const auto wide = [](auto value) {
    if constexpr (static_cast<decltype(value)>(-1) < 0)
      if (value < 0) return std::int32_t{-1};
    return static_cast<std::int32_t>(value > INT32_MAX ? kNoCode : static_cast<std::int64_t>(value));
  };
  switch (part.kind) {
    case Kind::kInt8:
      return convert<std::int8_t>(part, rows, k, count, out, narrow);
    case Kind::kInt16:
      return convert<std::int16_t>(part, rows, k, count, out, narrow);
    case Kind::kInt32:
      return convert<std::int32_t>(part, rows, k, count, out, narrow);
    case Kind::kInt64:
      return convert<std::int64_t>(part, rows, k, count, out, wide);
    case Kind::kUint8:
      return convert<std::uint8_t>(part, rows, k, count, out, [](std::uint8_t value) { return std::int32_t{value}; });
    case Kind::kUint16:
      return convert<std::uint16_t>(part, rows, k, count, out, [](std::uint16_t value) { return std::int32_t{value}; });
    default:
      return convert<std::uint32_t>(part, rows, k, count, out, wide);
  }
}

inline bool is_float(Kind kind) { return kind == Kind::kFloat64 || kind == Kind::kFloat32; }
inline bool is_missing(double x) { return x != x; }

inline void decode_numbers(const Block& term, const Rows& rows, double* out) {
  const double fill = term.fill;
  over_parts(term, rows, [&](const Part& part, std::int64_t k, std::int64_t count) {
    double* const x = out + k;
    numbers_of(part, rows, k, count, x);
    if (is_float(part.kind) && !is_missing(fill))
      for (std::int64_t i = 0; i < count; ++i) x[i] = is_missing(x[i]) ? fill : x[i];
    if (part.valid)
      convert_bits(part.valid, part.valid_at, part, rows, k, count, x, [fill](bool there, double value) { return there ? value : fill; });
  });
}

inline void decode_codes(const Block& term, const Rows& rows, std::int32_t* out) {
  const auto missing = static_cast<std::int32_t>(term.missing);
  over_parts(term, rows, [&](const Part& part, std::int64_t k, std::int64_t count) {
    std::int32_t* const code = out + k;
    codes_of(part, rows, k, count, code);
    for (std::int64_t i = 0; i < count; ++i) code[i] = code[i] == -1 ? missing : code[i];
    for (std::int64_t i = 0; part.valid && i < count; ++i)
      if (!bit(part.valid, part.valid_at + rows[k + i] - part.first)) code[i] = missing;
  });
}

// 1 if the value is missing (a NaN, a negative code, or not valid), else 0.
inline void decode_indicator(const Block& term, const Rows& rows, double* out) {
  over_parts(term, rows, [&](const Part& part, std::int64_t k, std::int64_t count) {
    double* const x = out + k;
    if (part.kind == Kind::kBits) {
      for (std::int64_t i = 0; i < count; ++i) x[i] = 0.0;
    } else {
      numbers_of(part, rows, k, count, x);
      const bool codes = term.of_codes;
      for (std::int64_t i = 0; i < count; ++i) x[i] = is_missing(x[i]) || (codes && x[i] < 0.0) ? 1.0 : 0.0;
    }
    if (part.valid)
      convert_bits(part.valid, part.valid_at, part, rows, k, count, x, [](bool there, double value) { return there ? value : 1.0; });
  });
}
