/* One text for two types: the host passes REAL=32 or REAL=64. `same_bits` is the signed integer as wide as a real. */
#include "portable.h"

#if REAL == 64
typedef double real;
typedef long same_bits;
#define FMA FMA_D
#define SQRT SQRT_D
#define ROUND ROUND_D
#define AS_REAL(x) as_double(x)
#define AS_BITS(x) as_long(x)
#else
typedef float real;
typedef int same_bits;
#define FMA FMA_F
#define SQRT SQRT_F
#define ROUND ROUND_F
#define AS_REAL(x) as_float(x)
#define AS_BITS(x) as_int(x)
#endif
