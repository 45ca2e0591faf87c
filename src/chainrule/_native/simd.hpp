// Vectors of double of the instruction set's own width, and exp and log1p on them. Included inside an instruction set's namespace.
#pragma once

#if defined(__AVX512F__)
constexpr int kWide = 8;
#elif defined(__AVX2__)
constexpr int kWide = 4;
#else
constexpr int kWide = 2;
#endif
constexpr int kEight = 8 / kWide;  // vectors of eight lanes

typedef double V __attribute__((vector_size(8 * kWide)));
typedef double VAnywhere __attribute__((vector_size(8 * kWide), aligned(8)));
typedef long long I __attribute__((vector_size(8 * kWide)));
typedef unsigned long long U __attribute__((vector_size(8 * kWide)));
typedef float F __attribute__((vector_size(4 * kWide)));

static inline V splat(double x) { return x - V{}; }
static inline V load(const double* x) { return *reinterpret_cast<const VAnywhere*>(x); }
static inline void store(double* x, V value) { *reinterpret_cast<VAnywhere*>(x) = value; }

// The same from and to float32: for 64-byte vectors, compilers split a plain conversion into halves.
static inline V widen(F x) {
#if defined(__AVX512F__)
  return reinterpret_cast<V>(_mm512_cvtps_pd(reinterpret_cast<__m256>(x)));
#else
  return __builtin_convertvector(x, V);
#endif
}
static inline V load(const float* x) {
  F value;
  __builtin_memcpy(&value, x, sizeof value);
  return widen(value);
}
static inline void store(float* x, V value) {
#if defined(__AVX512F__)
  const F rounded = reinterpret_cast<F>(_mm512_cvtpd_ps(reinterpret_cast<__m512d>(value)));
#else
  const F rounded = __builtin_convertvector(value, F);
#endif
  __builtin_memcpy(x, &rounded, sizeof rounded);
}

// a b + c, in one rounding if the processor can: left to the compiler, some of a template's variants had two.
static inline V multiply_add(V a, V b, V c) {
#if defined(__AVX512F__)
  return reinterpret_cast<V>(_mm512_fmadd_pd(reinterpret_cast<__m512d>(a), reinterpret_cast<__m512d>(b), reinterpret_cast<__m512d>(c)));
#elif defined(__FMA__)
  return reinterpret_cast<V>(_mm256_fmadd_pd(reinterpret_cast<__m256d>(a), reinterpret_cast<__m256d>(b), reinterpret_cast<__m256d>(c)));
#elif defined(__aarch64__)
  return vfmaq_f64(c, a, b);
#else
  return a * b + c;
#endif
}
static inline double multiply_add(double a, double b, double c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

// Sums of the lanes of kWide vectors, all in the same tree: pairs, pairs of pairs, halves.
static inline V sum_lanes(const V* a) {
#if defined(__AVX512F__)
  V pairs[4], quads[2];
  for (int i = 0; i < 4; ++i)
    pairs[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) +
               __builtin_shufflevector(a[2 * i], a[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  for (int i = 0; i < 2; ++i)
    quads[i] = __builtin_shufflevector(pairs[2 * i], pairs[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               __builtin_shufflevector(pairs[2 * i], pairs[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
  return __builtin_shufflevector(quads[0], quads[1], 0, 1, 2, 3, 8, 9, 10, 11) +
         __builtin_shufflevector(quads[0], quads[1], 4, 5, 6, 7, 12, 13, 14, 15);
#elif defined(__AVX2__)
  const V low = __builtin_shufflevector(a[0], a[1], 0, 4, 2, 6) + __builtin_shufflevector(a[0], a[1], 1, 5, 3, 7);
  const V high = __builtin_shufflevector(a[2], a[3], 0, 4, 2, 6) + __builtin_shufflevector(a[2], a[3], 1, 5, 3, 7);
  return __builtin_shufflevector(low, high, 0, 1, 4, 5) + __builtin_shufflevector(low, high, 2, 3, 6, 7);
#else
  return __builtin_shufflevector(a[0], a[1], 0, 2) + __builtin_shufflevector(a[0], a[1], 1, 3);
#endif
}
static inline double sum(V a) {
#if defined(__AVX512F__)
  return ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7]));
#elif defined(__AVX2__)
  return (a[0] + a[1]) + (a[2] + a[3]);
#else
  return a[0] + a[1];
#endif
}
// The sum of eight lanes, in an array or in vectors.
static inline double sum_eight(const double* a) { return ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7])); }
static inline double sum_eight(const V* a) {
  double lanes[8];
  for (int k = 0; k < kEight; ++k) store(lanes + kWide * k, a[k]);
  return sum_eight(lanes);
}

// Transposes a square of vectors.
static inline void transpose(V* a) {
#if defined(__AVX512F__)
  V pairs[8], quads[8];
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
#elif defined(__AVX2__)
  const V p0 = __builtin_shufflevector(a[0], a[1], 0, 4, 2, 6), p1 = __builtin_shufflevector(a[0], a[1], 1, 5, 3, 7);
  const V p2 = __builtin_shufflevector(a[2], a[3], 0, 4, 2, 6), p3 = __builtin_shufflevector(a[2], a[3], 1, 5, 3, 7);
  a[0] = __builtin_shufflevector(p0, p2, 0, 1, 4, 5);
  a[1] = __builtin_shufflevector(p1, p3, 0, 1, 4, 5);
  a[2] = __builtin_shufflevector(p0, p2, 2, 3, 6, 7);
  a[3] = __builtin_shufflevector(p1, p3, 2, 3, 6, 7);
#else
  const V first = __builtin_shufflevector(a[0], a[1], 0, 2);
  a[1] = __builtin_shufflevector(a[0], a[1], 1, 3);
  a[0] = first;
#endif
}

// The smaller; b if either is a NaN. Compilers make two operations of a comparison and a choice.
static inline V smaller(V a, V b) {
#if defined(__AVX512F__)
  return reinterpret_cast<V>(_mm512_min_pd(reinterpret_cast<__m512d>(a), reinterpret_cast<__m512d>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<V>(_mm256_min_pd(reinterpret_cast<__m256d>(a), reinterpret_cast<__m256d>(b)));
#else
  return (a < b) ? a : b;
#endif
}

static inline V size_of(V x) { return reinterpret_cast<V>(reinterpret_cast<I>(x) & 0x7fffffffffffffff); }

// exp(-a) as (1 + q) scale 2^-128, for a >= 0: k reaches -1097, and a double's exponent only -1022. scale is 2^128 for a < log(2)/2. Cody
// and Waite's reduction, Taylor's series on |r| <= log(2)/2.
struct Power {
  V q, scale;

  V value() const { return multiply_add(q, scale, scale) * splat(0x1p-128); }
};
static inline Power power_negative(V a) {
  a = smaller(splat(760.0), a);  // exp(-760) is 0 in double
  const double shifter = 0x1.8p52;
  const V shifted = a * splat(-1.4426950408889634) + splat(shifter);
  const V k = shifted - splat(shifter);
  V r = -a - k * splat(0x1.62e42fee00000p-1);  // log(2)'s upper 32 bits: k times it is exact
  r = r - k * splat(0x1.a39ef35793c76p-33);
  // (e^r - 1 - r)/r^2 in pairs (Estrin's scheme): in a chain of fused products, each would wait for the last.
  const V r2 = r * r, r4 = r2 * r2;
  const V p01 = splat(1.0 / 2.0) + r * splat(1.0 / 6.0), p23 = splat(1.0 / 24.0) + r * splat(1.0 / 120.0);
  const V p45 = splat(1.0 / 720.0) + r * splat(1.0 / 5040.0), p67 = splat(1.0 / 40320.0) + r * splat(1.0 / 362880.0);
  const V p89 = splat(1.0 / 3628800.0) + r * splat(1.0 / 39916800.0), pab = splat(1.0 / 479001600.0) + r * splat(1.0 / 6227020800.0);
  const V q = r2 * (((p89 + r2 * pab) * r4 + (p45 + r2 * p67)) * r4 + (p01 + r2 * p23)) + r;
  const I whole = reinterpret_cast<I>(shifted) - reinterpret_cast<I>(splat(shifter));
  return {q, reinterpret_cast<V>((whole + (1023 + 128)) << 52)};
}

// exp(-a) for a >= 0, into the subnormal numbers; a NaN stays one.
static inline V exp_negative(V a) { return power_negative(a).value(); }

// 1 - exp(-a) for a >= 0, to full relative accuracy.
static inline V one_minus_exp(V a) {
  const Power power = power_negative(a);
  return (a < splat(0.25)) ? -power.q : splat(1.0) - power.value();
}

// log(1 + e) for 0 <= e <= 1: 2 artanh(f / (2 + f)) by its series, after halving 1 + e where e > sqrt(2) - 1.
static inline V log1p_unit(V e) {
  const auto upper = e > splat(0.41421356237309503);
  const V f = upper ? (e - splat(1.0)) * splat(0.5) : e;
  const V q = f / (splat(2.0) + f);
  const V q2 = q * q;  // at most 0.0295: the series' eleventh term is below 1e-17 of the first
  const V q4 = q2 * q2, q8 = q4 * q4;
  const V p01 = splat(2.0 / 3.0) + q2 * splat(2.0 / 5.0), p23 = splat(2.0 / 7.0) + q2 * splat(2.0 / 9.0);
  const V p45 = splat(2.0 / 11.0) + q2 * splat(2.0 / 13.0), p67 = splat(2.0 / 15.0) + q2 * splat(2.0 / 17.0);
  const V p89 = splat(2.0 / 19.0) + q2 * splat(2.0 / 21.0);
  const V p = q2 * ((p89 * q8 + (p45 + q4 * p67)) * q8 + (p01 + q4 * p23));
  // 2 q + q p, with 2 q written as f - q f: f is exact.
  const V log1p_f = f + q * (p - f);
  return upper ? log1p_f + splat(0x1.62e42fefa39efp-1) : log1p_f;
}

// log(1 + e) for e >= 0 below 2^40: above 1 the sum is halved into [1, 2).
static inline V log1p_positive(V e) {
  const auto above = e > splat(1.0);
  const V one_plus = e + splat(1.0);
  const I exponent = reinterpret_cast<I>(reinterpret_cast<U>(one_plus) >> 52) - 1023;
  const V shifter = splat(0x1.8p52);
  const V k = reinterpret_cast<V>(exponent + reinterpret_cast<I>(shifter)) - shifter;
  const V scaled = reinterpret_cast<V>(reinterpret_cast<I>(one_plus) - (exponent << 52)) - splat(1.0);
  return above ? log1p_unit(scaled) + k * splat(0x1.62e42fefa39efp-1) : log1p_unit(e);
}
