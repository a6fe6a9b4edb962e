"""Loops of the row regressions written in LLVM vectors of 64 bytes: sixteen float32, or eight float64.

Rows of a factor lie padded with zeros to whole vectors. In plain numba such loops, short and of a length known only
when they run, spend most of their time on checks and remainders; here they do the arithmetic alone. Each operation has
a body in numpy that says what it means, and that runs when numba's compiler is switched off (NUMBA_DISABLE_JIT=1).
All arrays are in C order and are addressed by flat offsets, unchecked. Offsets of `B` count its rows.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from .vector_code import VECTOR_BYTES, Code

#: Problems of one batch of small solves: two vectors in float64, one in float32.
LANES = 16
_FAST = ("contract",)


def lanes_of(dtype) -> int:
    """Numbers in one vector."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


def padded(rank: int, dtype) -> int:
    """The rank rounded up to whole vectors."""
    lanes = lanes_of(dtype)
    return -(-rank // lanes) * lanes


def _generated(reference):
    return lambda typed: reference if config.DISABLE_JIT else intrinsic(typed)


def _gram_reference(B, others, values, weights, first, last, row, column, G, right, rows, weighted):
    lanes = lanes_of(B.dtype)
    design = B[others[first:last]]
    scaled = design[:, column : column + lanes]
    if weighted:
        scaled = weights[first:last, None] * scaled
    G[row : row + rows, column : column + lanes] += design[:, row : row + rows].T @ scaled
    right[column : column + lanes] += values[first:last] @ scaled


def _residual_reference(B, others, values, weights, first, last, x, out, weighted, shifted):
    design = B[others[first:last]]
    product = values[first:last].copy() if shifted else np.zeros(last - first, B.dtype)
    if shifted != 2:
        product -= design @ x
    scaled = weights[first:last] * product if weighted else product
    out += scaled @ design
    return product @ scaled


def _subtract_reference(X, target, left, left_step, right, right_step, count):
    flat = X.reshape(-1)
    for t in range(count):
        a, b = left + t * left_step, right + t * right_step
        flat[target : target + LANES] -= flat[a : a + LANES] * flat[b : b + LANES]


def _scale_reference(X, target, factor):
    flat = X.reshape(-1)
    flat[target : target + LANES] *= flat[factor : factor + LANES]


def _root_reference(X, target, least):
    flat = X.reshape(-1)
    pivot, least = flat[target : target + LANES], flat[least : least + LANES]
    good = pivot > least
    flat[target : target + LANES] = np.where(good, 1.0 / np.sqrt(np.where(good, pivot, 1.0)), 0.0)


@_generated(_gram_reference)
def gram_tile(typing, B, others, values, weights, first, last, row, column, G, right, rows, weighted):
    """Add to a tile of a row's Gram matrix sum_t w_t b_t b_t', and to a vector of its right side sum_t w_t y_t b_t.

    The tile is G[row : row + rows, column : column + one vector]; t runs over [first, last), b_t = B[others[t]].
    `rows` and `weighted` are literal numbers.
    """
    if not isinstance(rows, types.IntegerLiteral) or not isinstance(weighted, types.IntegerLiteral):
        return None
    signature = types.void(
        B, others, values, weights, types.intp, types.intp, types.intp, types.intp, G, right, rows, weighted
    )

    def generate(context, builder, signature, arguments):
        code = Code(context, builder, signature, arguments)
        lines = [builder.add(arguments[6], code.integer(p)) for p in range(rows.literal_value)]
        places = [builder.gep(code.row(8, line), [arguments[7]]) for line in lines]
        places.append(code.pointer(9, arguments[7]))
        totals = [code.variable(code.load(place)) for place in places]
        with code.loop(arguments[4], arguments[5], 1) as t:
            base = code.row(0, code.other(1, t))
            vector = code.load(builder.gep(base, [arguments[7]]))
            if weighted.literal_value:
                vector = code.multiply(vector, code.splat(code.number(3, t)))
            column = builder.gep(base, [arguments[6]])
            for p in range(rows.literal_value):
                code.accumulate(
                    totals[p], code.splat(builder.load(builder.gep(column, [code.integer(p)]))), vector
                )
            code.accumulate(totals[-1], code.splat(code.number(2, t)), vector)
        for place, total in zip(places, totals, strict=True):
            code.store(builder.load(total), place)
        return context.get_dummy_value()

    return signature, generate


@_generated(_residual_reference)
def residual_pass(typing, B, others, values, weights, first, last, x, out, weighted, shifted):
    """Add sum_t w_t r_t b_t to `out` and return sum_t w_t r_t^2, where r_t = y_t - b_t.x.

    `shifted` 0 means y_t = 0, 1 is the whole, 2 means x = 0. Four entries at a time, so that x and `out` are read once
    for them. `weighted` and `shifted` are literal numbers.
    """
    if not isinstance(weighted, types.IntegerLiteral) or not isinstance(shifted, types.IntegerLiteral):
        return None
    signature = B.dtype(B, others, values, weights, types.intp, types.intp, x, out, weighted, shifted)

    def generate(context, builder, signature, arguments):
        code = Code(context, builder, signature, arguments)
        width = code.width(0)
        total = code.variable(code.zero)
        first, last = arguments[4], arguments[5]
        groups = builder.sub(last, builder.srem(builder.sub(last, first), code.integer(4)))

        def entries(t, size):
            places = [builder.add(t, code.integer(e)) for e in range(size)]
            bases = [code.row(0, code.other(1, place)) for place in places]
            sums = [code.variable(code.zeros) for _ in range(size)]
            if shifted.literal_value != 2:
                with code.loop(code.integer(0), width, code.lanes) as c:
                    vector = code.load(code.pointer(6, c))
                    for base, partial in zip(bases, sums, strict=True):
                        code.accumulate(partial, code.load(builder.gep(base, [c])), vector)
            factors = []
            for place, partial in zip(places, sums, strict=True):
                r = code.number(2, place) if shifted.literal_value else code.zero
                if shifted.literal_value != 2:
                    r = builder.fsub(r, code.across(builder.load(partial)))
                scaled = builder.fmul(r, code.number(3, place)) if weighted.literal_value else r
                builder.store(builder.fadd(builder.load(total), builder.fmul(r, scaled), flags=_FAST), total)
                factors.append(code.splat(scaled))
            with code.loop(code.integer(0), width, code.lanes) as c:
                terms = [
                    code.multiply(factor, code.load(builder.gep(base, [c])))
                    for base, factor in zip(bases, factors, strict=True)
                ]
                while len(terms) > 1:
                    terms = [code.add(*terms[i : i + 2]) for i in range(0, len(terms), 2)]
                place = code.pointer(7, c)
                code.store(code.add(code.load(place), terms[0]), place)

        with code.loop(first, groups, 4) as t:
            entries(t, 4)
        with code.loop(groups, last, 1) as t:
            entries(t, 1)
        return builder.load(total)

    return signature, generate


@_generated(_subtract_reference)
def lanes_subtract(typing, X, target, left, left_step, right, right_step, count):
    """In each of the LANES problems: X[target] -= sum_t X[left + t left_step] X[right + t right_step], t < count."""
    signature = types.void(X, *[types.intp] * 6)

    def generate(context, builder, signature, arguments):
        code = Code(context, builder, signature, arguments)
        _, target, left, left_step, right, right_step, count = arguments
        parts = range(0, LANES, code.lanes)
        totals = [code.variable(code.load(code.shifted(target, part))) for part in parts]
        with code.loop(code.integer(0), count, 1) as t:
            a = builder.add(left, builder.mul(t, left_step))
            b = builder.add(right, builder.mul(t, right_step))
            for part, total in zip(parts, totals, strict=True):
                minus = code.negated(code.load(code.shifted(a, part)))
                code.accumulate(total, minus, code.load(code.shifted(b, part)))
        for part, total in zip(parts, totals, strict=True):
            code.store(builder.load(total), code.shifted(target, part))
        return context.get_dummy_value()

    return signature, generate


@_generated(_scale_reference)
def lanes_scale(typing, X, target, factor):
    """In each problem: X[target] *= X[factor]."""
    signature = types.void(X, types.intp, types.intp)

    def generate(context, builder, signature, arguments):
        code = Code(context, builder, signature, arguments)
        for part in range(0, LANES, code.lanes):
            place = code.shifted(arguments[1], part)
            code.store(code.multiply(code.load(place), code.load(code.shifted(arguments[2], part))), place)
        return context.get_dummy_value()

    return signature, generate


@_generated(_root_reference)
def lanes_inverse_root(typing, X, target, least):
    """In each problem: X[target] becomes 1 / sqrt(X[target]), or 0 where it is not above X[least]."""
    signature = types.void(X, types.intp, types.intp)

    def generate(context, builder, signature, arguments):
        code = Code(context, builder, signature, arguments)
        one = ir.Constant(code.vector, [1.0] * code.lanes)
        for part in range(0, LANES, code.lanes):
            place = code.shifted(arguments[1], part)
            pivot = code.load(place)
            good = builder.fcmp_ordered(">", pivot, code.load(code.shifted(arguments[2], part)))
            root = code.root(builder.select(good, pivot, one))
            code.store(builder.select(good, builder.fdiv(one, root), code.zeros), place)
        return context.get_dummy_value()

    return signature, generate
