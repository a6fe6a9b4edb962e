/* Exponential and logarithm as polynomials: the same numbers on every device, and loops over them vectorise.
 *
 * ln 2 in two parts and the coefficients of the logarithm are those of fdlibm (e_log.c, Sun Microsystems 1993; e_logf.c
 * of FreeBSD). The exponential is Taylor's series in float64, and the expf of Cephes (S. Moshier) in float32.
 */
#include "real.h"

/* Sums of exponentials within these limits lost no digit to a shift that was a guess. */
#if REAL == 64
#define LEAST_EXPONENT -600.0
#define LARGEST_EXPONENT 700.0
#define LEAST_SUM 1e-200
#define LARGEST_SUM 1e200
#define LOWEST -1e300
#else
#define LEAST_EXPONENT -80.0f
#define LARGEST_EXPONENT 88.0f
#define LEAST_SUM 1e-25f
#define LARGEST_SUM 1e25f
#define LOWEST -1e30f
#endif

/* To an ulp or two. Zero where x is so small that sums would be denormal, -inf included; huge x count as the largest. */
inline real exp_real(real x) {
    const real counts = x > LEAST_EXPONENT ? 1 : 0;
    x = x > LEAST_EXPONENT ? x : LEAST_EXPONENT;
    x = x < LARGEST_EXPONENT ? x : LARGEST_EXPONENT;
#if REAL == 64
    const real k = ROUND(x * 1.4426950408889634);
    real r = FMA(k, -6.93147180369123816490e-01, x);
    r = FMA(k, -1.90821492927058770002e-10, r);
    real p = 1.6059043836821613e-10;
    p = FMA(p, r, 2.0876756987868099e-09);
    p = FMA(p, r, 2.5052108385441719e-08);
    p = FMA(p, r, 2.7557319223985893e-07);
    p = FMA(p, r, 2.7557319223985891e-06);
    p = FMA(p, r, 2.4801587301587302e-05);
    p = FMA(p, r, 1.9841269841269841e-04);
    p = FMA(p, r, 1.3888888888888889e-03);
    p = FMA(p, r, 8.3333333333333333e-03);
    p = FMA(p, r, 4.1666666666666667e-02);
    p = FMA(p, r, 1.6666666666666667e-01);
    p = FMA(p, r, 0.5);
    p = FMA(p * r, r, r) + 1.0;
    return counts * p * AS_REAL(((same_bits)(int)k + 1023) << 52);
#else
    const real k = ROUND(x * 1.44269504f);
    real r = FMA(k, -0.693359375f, x);
    r = FMA(k, 2.12194440e-4f, r);
    real p = 1.9875691500e-4f;
    p = FMA(p, r, 1.3981999507e-3f);
    p = FMA(p, r, 8.3334519073e-3f);
    p = FMA(p, r, 4.1665795894e-2f);
    p = FMA(p, r, 1.6666665459e-1f);
    p = FMA(p, r, 5.0000001201e-1f);
    p = FMA(p * r, r, r) + 1.0f;
    return counts * p * AS_REAL(((same_bits)k + 127) << 23);
#endif
}

/* Of a positive normal number, to an ulp; -inf of zero. */
inline real log_real(real x) {
    const same_bits bits = AS_BITS(x);
#if REAL == 64
    same_bits k = (bits >> 52) - 1023;
    real y = AS_REAL((bits & 0xFFFFFFFFFFFFFL) | 0x3FF0000000000000L);
    const int above = y > 1.4142135623730951;
    y = above ? 0.5 * y : y;
    const real e = (real)(int)(k + above), f = y - 1.0, s = f / (2.0 + f), z = s * s, w = z * z;
    const real even = w * FMA(w, FMA(w, 1.531383769920937332e-01, 2.222219843214978396e-01), 3.999999999940941908e-01);
    const real odd = z * FMA(w, FMA(w, FMA(w, 1.479819860511658591e-01, 1.818357216161805012e-01),
                                    2.857142874366239149e-01), 6.666666666666735130e-01);
    const real half_square = 0.5 * f * f;
    const real out = e * 6.93147180369123816490e-01
                     - ((half_square - (s * (half_square + (odd + even)) + e * 1.90821492927058770002e-10)) - f);
#else
    same_bits k = (bits >> 23) - 127;
    real y = AS_REAL((bits & 0x7FFFFF) | 0x3F800000);
    const int above = y > 1.41421356f;
    y = above ? 0.5f * y : y;
    const real e = (real)(k + above), f = y - 1.0f, s = f / (2.0f + f), z = s * s, w = z * z;
    const real even = w * FMA(w, 0.24279078841f, 0.40000972152f);
    const real odd = z * FMA(w, 0.28498786688f, 0.66666662693f);
    const real half_square = 0.5f * f * f;
    const real out = e * 6.9313812256e-01f
                     - ((half_square - (s * (half_square + (odd + even)) + e * 9.0580006145e-06f)) - f);
#endif
    return x > 0 ? out : -INFINITY;
}
