// Which variant of the core this processor can run. C, so that a module compiled for the baseline asks.
#pragma once

enum { DESCRAMBLER_CPU_BASELINE, DESCRAMBLER_CPU_AVX2, DESCRAMBLER_CPU_AVX512 };

#if defined(_MSC_VER) && defined(_M_X64) && !defined(_M_ARM64EC)

#include <immintrin.h>
#include <intrin.h>

// The processor must have the instructions, and the operating system must save their registers.
static inline int descrambler_cpu_level(void) {
  const unsigned fma = 1u << 12, osxsave = 1u << 27; /* leaf 1, ECX */
  const unsigned avx2 = 1u << 5;                     /* leaf 7, EBX; below F, DQ, CD, BW, VL */
  const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
  int leaf[4];
  unsigned basic, extended;
  unsigned long long saved;
  __cpuid(leaf, 0);
  if (leaf[0] < 7) return DESCRAMBLER_CPU_BASELINE;
  __cpuid(leaf, 1);
  basic = (unsigned)leaf[2];
  if (!(basic & osxsave) || !(basic & fma)) return DESCRAMBLER_CPU_BASELINE;
  __cpuidex(leaf, 7, 0);
  extended = (unsigned)leaf[1];
  saved = _xgetbv(0);
  if ((saved & 0x06) != 0x06 || !(extended & avx2)) return DESCRAMBLER_CPU_BASELINE;
  if ((saved & 0xe6) != 0xe6 || (extended & avx512) != avx512) return DESCRAMBLER_CPU_AVX2;
  return DESCRAMBLER_CPU_AVX512;
}

#elif defined(__x86_64__) && defined(__GNUC__)

static inline int descrambler_cpu_level(void) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return DESCRAMBLER_CPU_BASELINE;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return DESCRAMBLER_CPU_AVX512;
  return DESCRAMBLER_CPU_AVX2;
}

#else

static inline int descrambler_cpu_level(void) {
  return DESCRAMBLER_CPU_BASELINE;
}

#endif
