/* What every kernel begins with: operations that are exact, or rounded alike, on all devices.
 *
 * On a CPU the compiler is clang. Its own builtins become single instructions; a call into the device's library is
 * not inlined, and a loop over work items that makes one is not vectorised. The host passes CLANG_BUILTINS there.
 * No vector type is wider than 256 bits, because some CPU drivers get wider ones wrong.
 */
#ifdef HAS_FLOAT64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif
/* Products and sums are fused where fma is written, and nowhere else: so all devices round alike. */
#pragma OPENCL FP_CONTRACT OFF

#ifdef CLANG_BUILTINS
#define FMA_F(a, b, c) __builtin_fmaf(a, b, c)
#define FMA_D(a, b, c) __builtin_fma(a, b, c)
#define SQRT_F(a) __builtin_sqrtf(a)
#define SQRT_D(a) __builtin_sqrt(a)
#define ROUND_F(a) __builtin_rintf(a)
#define ROUND_D(a) __builtin_rint(a)
#else
#define FMA_F(a, b, c) fma(a, b, c)
#define FMA_D(a, b, c) fma(a, b, c)
#define SQRT_F(a) sqrt(a)
#define SQRT_D(a) sqrt(a)
#define ROUND_F(a) rint(a)
#define ROUND_D(a) rint(a)
#endif
