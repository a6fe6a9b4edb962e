"""Exponentials as polynomials, which vectorise: numba's own are calls, one number at a time."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from ..backends.jit import inlined


@intrinsic
def _as_float(context, bits):
    def generate(ctx, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic
def _as_single(context, bits):
    def generate(ctx, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), generate


@inlined
def exp(x):
    """Exponential to 1 ulp or two, as a polynomial that vectorises.

    Zero below -600: sums and products of smaller numbers would be denormal, and a hundred times slower. Arguments
    above 700 count as 700.
    """
    counts = 1.0 if x > -600.0 else 0.0
    x = min(max(x, -600.0), 700.0)
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - k * 6.93147180369123816490e-01
    r = r - k * 1.90821492927058770002e-10
    p = 1.0 / 39916800
    p = p * r + 1.0 / 3628800
    p = p * r + 1.0 / 362880
    p = p * r + 1.0 / 40320
    p = p * r + 1.0 / 5040
    p = p * r + 1.0 / 720
    p = p * r + 1.0 / 120
    p = p * r + 1.0 / 24
    p = p * r + 1.0 / 6
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return counts * p * _as_float((np.int64(k) + np.int64(1023)) << np.int64(52))


@inlined
def exp_single(x):
    """The same for float32, with the coefficients of Cephes' expf; zero below -80, and above 88 as at 88."""
    counts = np.float32(1.0) if x > np.float32(-80.0) else np.float32(0.0)
    x = min(max(x, np.float32(-80.0)), np.float32(88.0))
    k = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - k * np.float32(0.693359375)
    r = r + k * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return counts * p * _as_single((np.int32(k) + np.int32(127)) << np.int32(23))


def exp_alike(x):
    """`exp` or `exp_single`, by the type of the argument."""
    raise NotImplementedError("for compiled code only")


# Not inlined by numba, which warns where one function takes several; LLVM does it as well.
@overload(exp_alike, jit_options={"fastmath": {"contract", "nnan", "nsz"}})
def _exp_alike(x):
    if x == types.float64:
        return lambda x: exp(x)
    if x == types.float32:
        return lambda x: exp_single(x)
    raise TypingError("an exponential of float32 or float64")
