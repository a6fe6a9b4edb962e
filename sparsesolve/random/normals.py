"""The one formula that turns two 32-bit words into two standard normals, on every backend.

It is Box and Muller's: with u = (w0 + 1/2) / 2^32 and v = (w1 + 1/2) / 2^32,

    sqrt(-2 log u) cos(2 pi v)   and   sqrt(-2 log u) sin(2 pi v) ,

made of sums, products, fused steps, one division and one square root: operations that IEEE 754 rounds in one way.
Nothing branches, and no library is asked for a logarithm, so that it runs on vectors, and all devices agree. The
text here is written over an `operations` object. `sparsesolve.random.vectors` has one that writes machine code, the
tests have one that computes in numpy, and `opencl/normals.h` is the same text in C: change all or none.

- The logarithm. For w0 >= 2^31, log u = log(1 - t) with t = (not w0 + 1/2) / 2^32, so that u near 1 loses no digits,
  in float32 either. With u = 2^k m, sqrt(1/2) <= m < sqrt(2), f = m - 1 and s = f / (2 + f), it is
  log(1 + f) = s (2 + R(s^2)).
- The angle. Its quarter turn q is taken in integers, exactly; what is left lies within a quarter of pi.

float32 differs from float64 by 1e-6 at most: it is the same number, rounded.

Sources: the coefficients of R, and those of the sine and cosine in float64, are fdlibm's (e_log.c, k_sin.c, k_cos.c;
Sun Microsystems 1993, "freely granted"; e_logf.c as FreeBSD has it); the sine and cosine in float32 are Cephes's
(sinf.c; Moshier). Box and Muller, "A note on the generation of random normal deviates", 1958.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Formats:
    """What the formula needs to know of a floating point type.

    Attributes
    ----------
    dtype, integer : numpy.dtype
        The type, and the signed integers that are as wide.
    mantissa, bias : int
        Stored bits of the mantissa, and the exponent's bias.
    to_root : int
        Bits of 1 minus those of sqrt(1/2): added to a number's bits, they move its exponent where 1 / 2 <= m < 1 would
        be m < sqrt(1/2).
    log, sine, cosine : tuple of float
        Coefficients, the highest power first.
    log_of_two : tuple of float
        -2 log 2, in parts whose sum is more precise than the type, the last part first.
    """

    dtype: np.dtype
    integer: np.dtype
    mantissa: int
    bias: int
    to_root: int
    log: tuple[float, ...]
    sine: tuple[float, ...]
    cosine: tuple[float, ...]
    log_of_two: tuple[float, ...]


FORMATS = {
    4: Formats(
        np.dtype(np.float32),
        np.dtype(np.int32),
        23,
        127,
        0x3F800000 - 0x3F3504F3,
        (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693),
        (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1),
        (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2),
        (-1.3862943611198906,),
    ),
    8: Formats(
        np.dtype(np.float64),
        np.dtype(np.int64),
        52,
        1023,
        (0x3FF00000 - 0x3FE6A09E) << 32,
        (
            1.479819860511658591e-01,
            1.531383769920937332e-01,
            1.818357216161805012e-01,
            2.222219843214978396e-01,
            2.857142874366239149e-01,
            3.999999999940941908e-01,
            6.666666666666735130e-01,
        ),
        (
            1.58969099521155010221e-10,
            -2.50507602534068634195e-08,
            2.75573137070700676789e-06,
            -1.98412698298579493134e-04,
            8.33333333332248946124e-03,
            -1.66666666666666324348e-01,
        ),
        (
            -1.13596475577881948265e-11,
            2.08757232129817482790e-09,
            -2.75573143513906633035e-07,
            2.48015872894767294178e-05,
            -1.38888888888741095749e-03,
            4.16666666666666019037e-02,
        ),
        (-2 * 1.90821492927058770002e-10, -2 * 6.93147180369123816490e-01),
    ),
}

QUARTER = np.pi / 2 / 2.0**30


def normal_pair(op, first, second):
    """Return the two normals of two words.

    Parameters
    ----------
    op : object
        The operations: ``fma(a, b, c)`` = a b + c rounded once, ``sqrt``, ``where(condition, a, b)``,
        ``real(integer)``, ``bits(real)``, ``number(bits)``, ``flip(real, twos)``, which changes the sign where an
        integer is 2, ``format``, which is a `Formats`; and the operators of Python on its values. Shifts to the right
        keep the sign.
    first, second : object
        Words, as signed 32-bit integers.
    """
    length = op.sqrt(_minus_two_logs(op, first))
    sine, cosine = _sine_and_cosine(op, second)
    return length * cosine, length * sine


def _polynomial(op, coefficients, z):
    value = op.fma(z, coefficients[0], coefficients[1])
    for coefficient in coefficients[2:]:
        value = op.fma(z, value, coefficient)
    return value


def _minus_two_logs(op, word):
    form = op.format
    upper = word < 0
    t = op.fma(op.real(word ^ (word >> 31)), 2.0**-32, 2.0**-33)
    exponent = (op.bits(op.where(upper, 1.0 - t, t)) + form.to_root) >> form.mantissa
    power = op.number((2 * form.bias - exponent) << form.mantissa)
    f = op.fma(op.where(upper, -power, power), t, op.where(upper, power - 1.0, -1.0))
    s = f / (f + 2.0)
    z = s * s
    value = op.fma(s, z * _polynomial(op, form.log, z), s + s) * -2.0
    k = op.real(exponent - form.bias)
    for part in form.log_of_two:
        value = op.fma(k, part, value)
    return value


def _sine_and_cosine(op, word):
    quarter = ((word + (1 << 29)) >> 30) & 3
    t = op.fma(op.real(word - (quarter << 30)), QUARTER, QUARTER / 2)
    z = t * t
    sine = op.fma(t * z, _polynomial(op, op.format.sine, z), t)
    cosine = op.fma(z * z, _polynomial(op, op.format.cosine, z), op.fma(z, -0.5, 1.0))
    odd = (quarter & 1) != 0
    return (
        op.flip(op.where(odd, cosine, sine), quarter & 2),
        op.flip(op.where(odd, sine, cosine), (quarter + 1) & 2),
    )
