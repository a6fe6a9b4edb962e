"""Machine code for Philox and for normals, sixteen counters at once.

Sixteen neighbouring counters give 64 normals: counter l of a block gives numbers 4 l, 4 l + 1, 4 l + 2 and 4 l + 3.
They are written in *planar* order, number 4 l + c of a block of 64 at 16 c + l, so that vectors are stored as they are.
The plain code of `sparsesolve.random` defines the words; here the compiler is told how to make many at a time, which it
does not find by itself.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ..backends.jit import generated
from .normals import FORMATS, normal_pair
from .philox import words

#: Counters at once.
COUNTERS = 16
#: Normals at once.
BLOCK = 4 * COUNTERS
_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_MASK = 0xFFFFFFFF


class NumpyOperations:
    """The operations of `sparsesolve.normals` on numpy arrays; a fused step is rounded twice here."""

    sqrt = staticmethod(np.sqrt)
    where = staticmethod(np.where)

    def __init__(self, dtype):
        self.format = FORMATS[np.dtype(dtype).itemsize]

    def fma(self, a, b, c):
        """Return a b + c."""
        return a * self._value(b) + self._value(c)

    def _value(self, number):
        return self.format.dtype.type(number) if isinstance(number, float) else number

    def real(self, integers):
        """Return integers as reals."""
        return integers.astype(self.format.dtype)

    def bits(self, reals):
        """Return the bits of reals, as integers."""
        return np.asarray(reals, self.format.dtype).view(self.format.integer)

    def number(self, bits):
        """Return the reals with these bits."""
        return bits.view(self.format.dtype)

    def flip(self, reals, twos):
        """Change the signs of reals where an integer is 2."""
        return np.where(twos == 2, -reals, reals)


class _Operations:
    """The same operations, which write code; values are `_Vector`."""

    def __init__(self, builder, itemsize):
        self.builder = builder
        self.format = FORMATS[itemsize]
        self.real_type = ir.FloatType() if itemsize == 4 else ir.DoubleType()
        self.wide_type = _INT32 if itemsize == 4 else _INT64
        self.vector = ir.VectorType(self.real_type, COUNTERS)

    def constant(self, kind, value):
        return ir.Constant(ir.VectorType(kind, COUNTERS), [value] * COUNTERS)

    def real_value(self, value):
        if isinstance(value, _Vector):
            return value.value
        # Constants are rounded to the type here, as the other backends do.
        return self.constant(self.real_type, float(self.format.dtype.type(value)))

    def made(self, value):
        return _Vector(self, value)

    def fma(self, a, b, c):
        return self._call("fma", a, b, c)

    def sqrt(self, a):
        return self._call("sqrt", a)

    def _call(self, name, *values):
        kind = ir.FunctionType(self.vector, [self.vector] * len(values))
        name = f"llvm.{name}.v{COUNTERS}f{8 * self.format.dtype.itemsize}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.made(self.builder.call(function, [self.real_value(value) for value in values]))

    def where(self, condition, a, b):
        return self.made(self.builder.select(condition.value, self.real_value(a), self.real_value(b)))

    def real(self, integers):
        narrow = integers.value
        if narrow.type.element != _INT32:
            narrow = self.builder.trunc(narrow, ir.VectorType(_INT32, COUNTERS))
        return self.made(self.builder.sitofp(narrow, self.vector))

    def bits(self, reals):
        return self.made(self.builder.bitcast(reals.value, ir.VectorType(self.wide_type, COUNTERS)))

    def number(self, bits):
        return self.made(self.builder.bitcast(bits.value, self.vector))

    def flip(self, reals, twos):
        wide = twos.value
        if self.wide_type != _INT32:
            wide = self.builder.zext(wide, ir.VectorType(self.wide_type, COUNTERS))
        bits = self.bits(reals) ^ (self.made(wide) << (8 * self.format.dtype.itemsize - 2))
        return self.number(bits)


class _Vector:
    """Sixteen numbers; Python's operators write code."""

    def __init__(self, op, value):
        self.op, self.value = op, value

    def _is_real(self):
        return self.value.type.element == self.op.real_type

    def _other(self, other):
        if isinstance(other, _Vector):
            return other.value
        if self._is_real():
            return self.op.real_value(other)
        return self.op.constant(self.value.type.element, other)

    def _join(self, real, whole, left, right):
        builder = self.op.builder
        operation = getattr(builder, real if self._is_real() else whole)
        return self.op.made(operation(left, right))

    def __add__(self, other):
        return self._join("fadd", "add", self.value, self._other(other))

    def __sub__(self, other):
        return self._join("fsub", "sub", self.value, self._other(other))

    def __rsub__(self, other):
        return self._join("fsub", "sub", self._other(other), self.value)

    def __mul__(self, other):
        return self._join("fmul", "mul", self.value, self._other(other))

    def __truediv__(self, other):
        return self._join("fdiv", "fdiv", self.value, self._other(other))

    def __neg__(self):
        return self.op.made(self.op.builder.fneg(self.value))

    def __and__(self, other):
        return self._join("and_", "and_", self.value, self._other(other))

    def __xor__(self, other):
        return self._join("xor", "xor", self.value, self._other(other))

    def __lshift__(self, other):
        return self._join("shl", "shl", self.value, self._other(other))

    def __rshift__(self, other):
        return self._join("ashr", "ashr", self.value, self._other(other))

    def __lt__(self, other):
        return self.op.made(self.op.builder.icmp_signed("<", self.value, self._other(other)))

    def __ne__(self, other):
        return self.op.made(self.op.builder.icmp_signed("!=", self.value, self._other(other)))


def _splat(builder, scalar):
    kind = ir.VectorType(scalar.type, COUNTERS)
    vector = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(_INT32, 0))
    places = ir.Constant(ir.VectorType(_INT32, COUNTERS), [0] * COUNTERS)
    return builder.shuffle_vector(vector, ir.Constant(kind, ir.Undefined), places)


def _philox(builder, counters, keys):
    """Write the ten rounds on vectors of 64-bit numbers below 2^32."""
    kind = ir.VectorType(_INT64, COUNTERS)

    def constant(value):
        return ir.Constant(kind, [value] * COUNTERS)

    c0, c1, c2, c3 = counters
    k0, k1 = keys
    for _ in range(10):
        product_0 = builder.mul(constant(_MULTIPLIERS[0]), c0)
        product_1 = builder.mul(constant(_MULTIPLIERS[1]), c2)
        high_0, high_1 = (builder.lshr(product, constant(32)) for product in (product_0, product_1))
        c0 = builder.and_(builder.xor(builder.xor(high_1, c1), k0), constant(_MASK))
        c2 = builder.and_(builder.xor(builder.xor(high_0, c3), k1), constant(_MASK))
        c1, c3 = (builder.and_(product, constant(_MASK)) for product in (product_1, product_0))
        k0, k1 = (
            builder.and_(builder.add(k, constant(step)), constant(_MASK))
            for k, step in zip((k0, k1), _WEYL, strict=True)
        )
    return c0, c1, c2, c3


def _write_words_reference(key, stream, i, k, out, place):
    block = np.array([words(key, stream, i, k + lane) for lane in range(COUNTERS)], np.uint32)
    out.reshape(-1)[place : place + BLOCK] = block.T.reshape(-1)


@generated(_write_words_reference)
def write_words(typing, key, stream, i, k, out, place):
    """Write the words of counters (i, k) ... (i, k + 15) into an array of uint32, from the flat offset `place` on.

    Word c of the counter (i, k + l) comes to place + 16 c + l.
    """
    signature = types.void(types.uint64, *[types.int64] * 3, out, types.int64)

    def generate(context, builder, signature, arguments):
        key, stream, i, k, out, place = arguments
        array = context.make_array(signature.args[4])(context, builder, out)
        mask, half = ir.Constant(_INT64, _MASK), ir.Constant(_INT64, 32)
        lanes = ir.Constant(ir.VectorType(_INT64, COUNTERS), list(range(COUNTERS)))
        counters = (
            _splat(builder, builder.and_(i, mask)),
            _splat(builder, builder.lshr(i, half)),
            builder.add(_splat(builder, k), lanes),
            _splat(builder, stream),
        )
        keys = _splat(builder, builder.and_(key, mask)), _splat(builder, builder.lshr(key, half))
        narrow = ir.VectorType(_INT32, COUNTERS)
        for c, word in enumerate(_philox(builder, counters, keys)):
            pointer = _pointer(builder, array.data, place, c * COUNTERS, narrow)
            builder.store(builder.trunc(word, narrow), pointer, align=4)
        return context.get_dummy_value()

    return signature, generate


def _write_normals_reference(words, out, place):
    pairs = words.reshape(-1)[place : place + BLOCK].view(np.int32).reshape(2, 2, COUNTERS)
    numbers = [normal_pair(NumpyOperations(out.dtype), *pair) for pair in pairs]
    out.reshape(-1)[place : place + BLOCK] = np.concatenate([*numbers[0], *numbers[1]])


@generated(_write_normals_reference)
def write_normals(typing, words, out, place):
    """Write the 64 normals of 64 words, which `write_words` has written, to the same place of `out`."""
    signature = types.void(words, out, types.int64)

    def generate(context, builder, signature, arguments):
        words, out, place = arguments
        source, target = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in zip(signature.args[:2], (words, out), strict=True)
        )
        op = _Operations(builder, signature.args[1].dtype.bitwidth // 8)
        narrow = ir.VectorType(_INT32, COUNTERS)
        for pair in (0, 2):
            pointers = [_pointer(builder, source, place, (pair + c) * COUNTERS, narrow) for c in range(2)]
            numbers = normal_pair(op, *(op.made(builder.load(pointer, align=4)) for pointer in pointers))
            for c, number in enumerate(numbers):
                pointer = _pointer(builder, target, place, (pair + c) * COUNTERS, op.vector)
                builder.store(number.value, pointer, align=op.format.dtype.itemsize)
        return context.get_dummy_value()

    return signature, generate


def _pointer(builder, data, place, ahead, kind):
    """Where the vector lies that begins so many numbers after a place."""
    pointer = builder.gep(data, [builder.add(place, ir.Constant(_INT64, ahead))])
    return builder.bitcast(pointer, kind.as_pointer())


def _write_signs_reference(word, out, place):
    flat = out.reshape(-1)
    for bit in range(32):
        flat[place + bit] = 1.0 - 2.0 * ((int(word) >> bit) & 1)


@generated(_write_signs_reference)
def write_signs(typing, word, out, place):
    """Write the 32 signs of a word, +1 for a bit that is 0 and -1 for one that is 1, from an offset of `out` on."""
    signature = types.void(types.uint64, out, types.int64)

    def generate(context, builder, signature, arguments):
        word, out, place = arguments
        array = context.make_array(signature.args[1])(context, builder, out)
        itemsize = signature.args[1].dtype.bitwidth // 8
        real, whole = (ir.FloatType(), _INT32) if itemsize == 4 else (ir.DoubleType(), _INT64)
        bits = 8 * itemsize
        kind = ir.VectorType(whole, COUNTERS)
        spread = _splat(builder, builder.trunc(word, whole) if itemsize == 4 else word)
        ones = builder.bitcast(ir.Constant(ir.VectorType(real, COUNTERS), [1.0] * COUNTERS), kind)
        top = ir.Constant(kind, [1 << (bits - 1)] * COUNTERS)
        for first in (0, COUNTERS):
            shifts = ir.Constant(kind, [bits - 1 - first - lane for lane in range(COUNTERS)])
            signs = builder.or_(builder.and_(builder.shl(spread, shifts), top), ones)
            reals = ir.VectorType(real, COUNTERS)
            pointer = _pointer(builder, array.data, place, first, reals)
            builder.store(builder.bitcast(signs, reals), pointer, align=itemsize)
        return context.get_dummy_value()

    return signature, generate
