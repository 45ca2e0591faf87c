// Eight lanes of double, and exp and log1p on them. Included by what is compiled once per instruction set, inside its namespace.
#pragma once

typedef double Lanes __attribute__((vector_size(64)));
typedef double LanesAnywhere __attribute__((vector_size(64), aligned(8)));
typedef long long Ints __attribute__((vector_size(64)));
typedef float Floats __attribute__((vector_size(32)));
typedef unsigned char Bytes __attribute__((vector_size(8)));

static inline Lanes splat(double x) { return Lanes{x, x, x, x, x, x, x, x}; }
static inline Lanes load(const double* x) { return *reinterpret_cast<const LanesAnywhere*>(x); }
static inline void store(double* x, Lanes value) { *reinterpret_cast<LanesAnywhere*>(x) = value; }

// The same from and to float32: compilers halve the vectors of a plain conversion.
static inline Lanes widen(Floats x) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(_mm512_cvtps_pd(reinterpret_cast<__m256>(x)));
#else
  return __builtin_convertvector(x, Lanes);
#endif
}
static inline Lanes load(const float* x) {
  Floats value;
  __builtin_memcpy(&value, x, sizeof value);
  return widen(value);
}
static inline void store(float* x, Lanes value) {
#if defined(__AVX512F__)
  const Floats rounded = reinterpret_cast<Floats>(_mm512_cvtpd_ps(reinterpret_cast<__m512d>(value)));
#else
  const Floats rounded = __builtin_convertvector(value, Floats);
#endif
  __builtin_memcpy(x, &rounded, sizeof rounded);
}

// Signs 1 - 2y of eight labels that lie one after the other.
static inline Lanes signs_of(const unsigned char* y) {
  Bytes bytes;
  __builtin_memcpy(&bytes, y, 8);
  return splat(1.0) - splat(2.0) * __builtin_convertvector(bytes, Lanes);
}

// Sums of eight vectors' lanes, as one vector: the same tree for each.
static inline Lanes sum_lanes(const Lanes* a) {
  Lanes pairs[4], quads[2];
  for (int i = 0; i < 4; ++i)
    pairs[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) +
               __builtin_shufflevector(a[2 * i], a[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  for (int i = 0; i < 2; ++i)
    quads[i] = __builtin_shufflevector(pairs[2 * i], pairs[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               __builtin_shufflevector(pairs[2 * i], pairs[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
  return __builtin_shufflevector(quads[0], quads[1], 0, 1, 2, 3, 8, 9, 10, 11) +
         __builtin_shufflevector(quads[0], quads[1], 4, 5, 6, 7, 12, 13, 14, 15);
}

// Rows to columns.
static inline void transpose(Lanes* a) {
#if defined(__AVX512F__)
  Lanes pairs[8], quads[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    pairs[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k) {
      quads[i + k] = __builtin_shufflevector(pairs[i + k], pairs[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      quads[i + k + 2] = __builtin_shufflevector(pairs[i + k], pairs[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    a[k] = __builtin_shufflevector(quads[k], quads[k + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    a[k + 4] = __builtin_shufflevector(quads[k], quads[k + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#else
  for (int i = 0; i < 8; ++i)
    for (int k = 0; k < i; ++k) {
      const double x = a[i][k];
      a[i][k] = a[k][i];
      a[k][i] = x;
    }
#endif
}

static inline double sum(Lanes a) { return ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7])); }

// exp(-a) as (1 + q) first second, for a >= 0; both factors are 1 for a < log(2)/2. Cody and Waite's reduction, Taylor's series on
// |r| <= log(2)/2.
struct Power {
  Lanes q, first, second;

  Lanes value() const { return (q + splat(1.0)) * first * second; }
};
static inline Power power_negative(Lanes a) {
  const Lanes big = splat(760.0);
  a = (a > big) ? big : a;  // exp(-760) is 0 in double
  const double shifter = 0x1.8p52;
  const Lanes shifted = a * splat(-1.4426950408889634) + splat(shifter);
  const Lanes k = shifted - splat(shifter);
  Lanes r = -a - k * splat(0x1.62e42fee00000p-1);  // log(2)'s upper 32 bits: k times it is exact
  r = r - k * splat(0x1.a39ef35793c76p-33);
  Lanes q = splat(1.0 / 6227020800.0);
  q = q * r + splat(1.0 / 479001600.0);
  q = q * r + splat(1.0 / 39916800.0);
  q = q * r + splat(1.0 / 3628800.0);
  q = q * r + splat(1.0 / 362880.0);
  q = q * r + splat(1.0 / 40320.0);
  q = q * r + splat(1.0 / 5040.0);
  q = q * r + splat(1.0 / 720.0);
  q = q * r + splat(1.0 / 120.0);
  q = q * r + splat(1.0 / 24.0);
  q = q * r + splat(1.0 / 6.0);
  q = q * r + splat(0.5);
  q = q * (r * r) + r;
  // 2^k in two factors, since k reaches -1097 and a double's exponent only -1022.
  const Ints whole = reinterpret_cast<Ints>(shifted) - reinterpret_cast<Ints>(splat(shifter));
  const Ints half = whole >> 1;
  const Lanes first = reinterpret_cast<Lanes>((half + 1023) << 52);
  const Lanes second = reinterpret_cast<Lanes>((whole - half + 1023) << 52);
  return {q, first, second};
}

// exp(-a) for a >= 0, into the subnormal numbers; a NaN stays one.
static inline Lanes exp_negative(Lanes a) { return power_negative(a).value(); }

// 1 - exp(-a) for a >= 0, to full relative accuracy.
static inline Lanes one_minus_exp(Lanes a) {
  const Power power = power_negative(a);
  return (a < splat(0.25)) ? -power.q : splat(1.0) - power.value();
}

// log(1 + e) for 0 <= e <= 1: 2 artanh(f / (2 + f)) by its series, after halving 1 + e where e > sqrt(2) - 1.
static inline Lanes log1p_unit(Lanes e) {
  const auto upper = e > splat(0.41421356237309503);
  const Lanes f = upper ? (e - splat(1.0)) * splat(0.5) : e;
  const Lanes q = f / (splat(2.0) + f);
  const Lanes q2 = q * q;  // at most 0.0295: the series' eleventh term is below 1e-17 of the first
  Lanes p = splat(2.0 / 21.0);
  p = p * q2 + splat(2.0 / 19.0);
  p = p * q2 + splat(2.0 / 17.0);
  p = p * q2 + splat(2.0 / 15.0);
  p = p * q2 + splat(2.0 / 13.0);
  p = p * q2 + splat(2.0 / 11.0);
  p = p * q2 + splat(2.0 / 9.0);
  p = p * q2 + splat(2.0 / 7.0);
  p = p * q2 + splat(2.0 / 5.0);
  p = p * q2 + splat(2.0 / 3.0);
  p = p * q2;
  // 2 q + q p, with 2 q written as f - q f: f is exact.
  const Lanes log1p_f = f + q * (p - f);
  return upper ? log1p_f + splat(0x1.62e42fefa39efp-1) : log1p_f;
}
