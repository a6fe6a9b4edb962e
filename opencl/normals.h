/* Two standard normals from two words, by Box and Muller. The formula, and where its coefficients come from, are in
 * sparsesolve/normals.py; the two change together.
 */
#include "real.h"

#if REAL == 64
#define NUMBER(x) x
#define MANTISSA 52
#define BIAS 1023
#define TO_ROOT ((same_bits)(0x3FF00000 - 0x3FE6A09E) << 32)
#define QUARTER_TURN 1.4629180792671596e-09
#define LOG_POLYNOMIAL(z)                                                                                              \
    FMA(z, FMA(z, FMA(z, FMA(z, FMA(z, FMA(z, 1.479819860511658591e-01, 1.531383769920937332e-01),                     \
                                    1.818357216161805012e-01), 2.222219843214978396e-01), 2.857142874366239149e-01),   \
               3.999999999940941908e-01), 6.666666666666735130e-01)
#define SINE_POLYNOMIAL(z)                                                                                             \
    FMA(z, FMA(z, FMA(z, FMA(z, FMA(z, 1.58969099521155010221e-10, -2.50507602534068634195e-08),                       \
                             2.75573137070700676789e-06), -1.98412698298579493134e-04), 8.33333333332248946124e-03),   \
        -1.66666666666666324348e-01)
#define COSINE_POLYNOMIAL(z)                                                                                           \
    FMA(z, FMA(z, FMA(z, FMA(z, FMA(z, -1.13596475577881948265e-11, 2.08757232129817482790e-09),                       \
                             -2.75573143513906633035e-07), 2.48015872894767294178e-05), -1.38888888888741095749e-03),  \
        4.16666666666666019037e-02)
#define ADD_LOG_OF_TWO(k, x) FMA(k, -2 * 6.93147180369123816490e-01, FMA(k, -2 * 1.90821492927058770002e-10, x))
#else
#define NUMBER(x) x##f
#define MANTISSA 23
#define BIAS 127
#define TO_ROOT (0x3F800000 - 0x3F3504F3)
#define QUARTER_TURN 1.4629180792671596e-09f
#define LOG_POLYNOMIAL(z) FMA(z, FMA(z, FMA(z, 0.24279078841f, 0.28498786688f), 0.40000972152f), 0.66666662693f)
#define SINE_POLYNOMIAL(z) FMA(z, FMA(z, -1.9515295891e-4f, 8.3321608736e-3f), -1.6666654611e-1f)
#define COSINE_POLYNOMIAL(z) FMA(z, FMA(z, 2.443315711809948e-5f, -1.388731625493765e-3f), 4.166664568298827e-2f)
#define ADD_LOG_OF_TWO(k, x) FMA(k, -1.3862943611198906f, x)
#endif

/* x, or -x where `odd` is 1. */
#define SIGNED(x, odd) AS_REAL(AS_BITS(x) ^ ((same_bits)(odd) << (8 * sizeof(real) - 1)))

inline void normal_pair(uint first, uint second, real *with_cosine, real *with_sine) {
    /* sqrt(-2 log u) */
    const int upper = (int)first < 0;
    const real t = FMA((real)(int)(first ^ (uint)((int)first >> 31)), NUMBER(2.3283064365386963e-10), NUMBER(1.1641532182693481e-10));
    const same_bits exponent = (AS_BITS(upper ? NUMBER(1.0) - t : t) + TO_ROOT) >> MANTISSA;
    const real power = AS_REAL((same_bits)((2 * BIAS - exponent) << MANTISSA));
    const real f = FMA(upper ? -power : power, t, upper ? power - NUMBER(1.0) : NUMBER(-1.0));
    const real s = f / (f + NUMBER(2.0)), zs = s * s;
    const real logs = FMA(s, zs * LOG_POLYNOMIAL(zs), s + s) * NUMBER(-2.0);
    const real length = SQRT(ADD_LOG_OF_TWO((real)(int)(exponent - BIAS), logs));
    /* sine and cosine of 2 pi v */
    const uint quarter = (second + 0x20000000u) >> 30;
    const real a = FMA((real)(int)(second - (quarter << 30)), QUARTER_TURN, QUARTER_TURN * NUMBER(0.5)), z = a * a;
    const real sine = FMA(a * z, SINE_POLYNOMIAL(z), a);
    const real cosine = FMA(z * z, COSINE_POLYNOMIAL(z), FMA(z, NUMBER(-0.5), NUMBER(1.0)));
    const int odd = quarter & 1u;
    *with_sine = length * SIGNED(odd ? cosine : sine, (quarter >> 1) & 1u);
    *with_cosine = length * SIGNED(odd ? sine : cosine, ((quarter + 1u) >> 1) & 1u);
}
