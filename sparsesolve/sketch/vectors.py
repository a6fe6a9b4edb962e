"""Hadamard butterflies on vectors of 64 bytes, eight float64 or sixteen float32, written as LLVM code.

A loop in plain numba would need checks, for every pair of the up to sixteen rows of a butterfly, that they do
not overlap; without such checks the compiler does not vectorise it. Here the vectors are written out, for any
radix, by one generator. Each operation has a body in numpy that says what it means; it is what runs when
numba's compiler is switched off (NUMBA_DISABLE_JIT=1). All arrays of an operation are of one type, in C order, and are
addressed by flat offsets, unchecked.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ..backends.jit import generated

VECTOR_BYTES = 64
_INT32 = ir.IntType(32)


def _hadamard_rows(rows):
    """Unnormalised Hadamard transform along the first axis."""
    step, lanes = 1, rows.shape[1]
    while step < len(rows):
        rows = rows.reshape(-1, 2, step, lanes)
        rows = np.stack([rows[:, 0] + rows[:, 1], rows[:, 0] - rows[:, 1]], axis=1).reshape(-1, lanes)
        step *= 2
    return rows


def _vectors(array, start, distance, radix):
    return start + distance * np.arange(radix)[:, None] + np.arange(VECTOR_BYTES // array.itemsize)


def _load_reference(A, start, row_distance, ahead, factors, first, X, place, distance, radix):
    rows = A.reshape(-1)[_vectors(A, start, row_distance, radix)]
    X[_vectors(X, place, distance, radix)] = _hadamard_rows(rows * factors[first : first + radix, None])


def _pass_reference(X, place, distance, radix):
    where = _vectors(X, place, distance, radix)
    X[where] = _hadamard_rows(X[where])


def _add_reference(X, place, distance, factors, first, factor_distance, Y, target, radix):
    rows = _hadamard_rows(X[_vectors(X, place, distance, radix)])
    signs = factors[first + factor_distance * np.arange(radix), None]
    Y[_vectors(Y, target, distance, radix)] += signs * rows


@generated(_load_reference)
def butterfly_load(typing, A, start, row_distance, ahead, factors, first, X, place, distance, radix):
    """Write the transform of `radix` rows of A: X[place + j distance] = sum_i H_ji factors[first + i] A[i].

    Row i of A is the vector at start + i row_distance; what lies `ahead` of it is fetched into the cache.
    """
    if not isinstance(radix, types.IntegerLiteral):
        return None
    signature = types.void(A, *[types.intp] * 3, factors, types.intp, X, types.intp, types.intp, radix)

    def generate(context, builder, signature, arguments):
        code = _Code(context, builder, signature, arguments)
        rows = []
        for i in range(radix.literal_value):
            offset = code.offset(1, 2, i)
            code.prefetch(code.pointer(0, builder.add(offset, arguments[3])))
            scale = code.scalar(code.pointer(4, builder.add(arguments[5], code.integer(i))))
            rows.append(builder.fmul(code.load(code.pointer(0, offset)), scale, flags=("contract",)))
        for j, row in enumerate(code.hadamard(rows)):
            code.store(row, code.pointer(6, code.offset(7, 8, j)))
        return context.get_dummy_value()

    return signature, generate


@generated(_pass_reference)
def butterfly(typing, X, place, distance, radix):
    """Transform in place the `radix` vectors of X that lie `distance` apart from `place` on."""
    if not isinstance(radix, types.IntegerLiteral):
        return None
    signature = types.void(X, types.intp, types.intp, radix)

    def generate(context, builder, signature, arguments):
        code = _Code(context, builder, signature, arguments)
        pointers = [code.pointer(0, code.offset(1, 2, j)) for j in range(radix.literal_value)]
        for row, pointer in zip(code.hadamard([code.load(p) for p in pointers]), pointers, strict=True):
            code.store(row, pointer)
        return context.get_dummy_value()

    return signature, generate


@generated(_add_reference)
def butterfly_add(typing, X, place, distance, factors, first, factor_distance, Y, target, radix):
    """Add the scaled transform of `radix` vectors of X to vectors of Y that lie the same distance apart.

    Vector j is scaled by ``factors[first + j * factor_distance]``.
    """
    if not isinstance(radix, types.IntegerLiteral):
        return None
    signature = types.void(X, types.intp, types.intp, factors, types.intp, types.intp, Y, types.intp, radix)

    def generate(context, builder, signature, arguments):
        code = _Code(context, builder, signature, arguments)
        rows = [code.load(code.pointer(0, code.offset(1, 2, j))) for j in range(radix.literal_value)]
        for j, row in enumerate(code.hadamard(rows)):
            scale = code.scalar(code.pointer(3, code.offset(4, 5, j)))
            pointer = code.pointer(6, code.offset(7, 2, j))
            scaled = builder.fmul(row, scale, flags=("contract",))
            code.store(builder.fadd(code.load(pointer), scaled, flags=("contract",)), pointer)
        return context.get_dummy_value()

    return signature, generate


class _Code:
    """Short names for the code of one operation; arrays and integers go by their place in the arguments."""

    def __init__(self, context, builder, signature, arguments):
        self.builder = builder
        self.arguments = arguments
        self.bytes = signature.args[0].dtype.bitwidth // 8
        self.lanes = VECTOR_BYTES // self.bytes
        self.vector = ir.VectorType(ir.FloatType() if self.bytes == 4 else ir.DoubleType(), self.lanes)
        arrays = {i: kind for i, kind in enumerate(signature.args) if isinstance(kind, types.Array)}
        self.data = {i: context.make_array(t)(context, builder, arguments[i]).data for i, t in arrays.items()}

    def integer(self, value):
        return ir.Constant(ir.IntType(types.intp.bitwidth), value)

    def offset(self, start, distance, times):
        step = self.builder.mul(self.arguments[distance], self.integer(times))
        return self.builder.add(self.arguments[start], step)

    def pointer(self, array, offset):
        return self.builder.gep(self.data[array], [offset])

    def load(self, pointer):
        return self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.bytes)

    def store(self, vector, pointer):
        self.builder.store(vector, self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.bytes)

    def scalar(self, pointer):
        """One number in all lanes."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, self.builder.load(pointer), ir.Constant(_INT32, 0))
        zeros = ir.Constant(ir.VectorType(_INT32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def prefetch(self, pointer):
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32])
        fetch = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        read, keep, data = 0, 3, 1
        options = [ir.Constant(_INT32, option) for option in (read, keep, data)]
        self.builder.call(fetch, [self.builder.bitcast(pointer, byte), *options])

    def hadamard(self, rows):
        """The unnormalised Hadamard transform of a list of vectors."""
        rows = list(rows)
        step = 1
        while step < len(rows):
            for i in (i for i in range(len(rows)) if not i & step):
                upper, lower = rows[i], rows[i + step]
                rows[i] = self.builder.fadd(upper, lower, flags=("contract",))
                rows[i + step] = self.builder.fsub(upper, lower, flags=("contract",))
            step *= 2
        return rows
