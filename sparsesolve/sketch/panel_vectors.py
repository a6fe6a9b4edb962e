"""Machine code that adds the product of a panel of S and some rows of A to totals, a few columns of A at a time.

The totals of a tile stay in registers while the rows go by: vectors of S's numbers by single columns of A. In plain
numba the compiler would store them after each row, because it cannot tell that the arrays do not overlap. All arrays
are of one type, in C order, and addressed by flat offsets, unchecked.
"""

from __future__ import annotations

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ..backends.jit import generated

_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
#: Bytes of a vector, and vectors of a tile: as many as there are registers for with 6 columns, the most.
VECTOR_BYTES = 64 if _WIDE else 32
TILE_VECTORS = 4 if _WIDE else 2


def _add_tile_reference(panel, place, pitch, depth, A, start, n_columns, totals, target, distance, columns):
    lanes = TILE_VECTORS * VECTOR_BYTES // panel.itemsize
    numbers = panel.reshape(-1)[place + pitch * np.arange(depth)[:, None] + np.arange(lanes)]
    rows = A.reshape(-1)[start + n_columns * np.arange(depth)[:, None] + np.arange(columns)]
    totals.reshape(-1)[target + distance * np.arange(columns)[:, None] + np.arange(lanes)] += rows.T @ numbers


@generated(_add_tile_reference)
def add_tile(typing, panel, place, pitch, depth, A, start, n_columns, totals, target, distance, columns):
    """Add a product: totals[target + j distance + i] += sum_k A[start + k n_columns + j] panel[place + k pitch + i].

    j < columns, a literal; k < depth; i runs over TILE_VECTORS vectors.
    """
    if not isinstance(columns, types.IntegerLiteral):
        return None
    signature = types.void(
        panel, *[types.int64] * 3, A, *[types.int64] * 2, totals, *[types.int64] * 2, columns
    )

    def generate(context, builder, signature, arguments):
        panel, place, pitch, depth, A, start, n_columns, totals, target, distance, _ = arguments
        data = [
            context.make_array(signature.args[at])(context, builder, array).data
            for at, array in ((0, panel), (4, A), (7, totals))
        ]
        size = signature.args[0].dtype.bitwidth // 8
        real = ir.FloatType() if size == 4 else ir.DoubleType()
        lanes = VECTOR_BYTES // size
        vector = ir.VectorType(real, lanes)
        fused = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f{8 * size}"
        )
        zero = ir.Constant(ir.IntType(32), 0)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

        def offset(first, step, times, ahead=0):
            place = builder.add(first, builder.mul(step, times)) if times is not None else first
            return builder.add(place, ir.Constant(ir.IntType(64), ahead))

        def at(array, place):
            return builder.bitcast(builder.gep(array, [place]), vector.as_pointer())

        def splat(scalar):
            undefined = ir.Constant(vector, ir.Undefined)
            return builder.shuffle_vector(builder.insert_element(undefined, scalar, zero), undefined, zeros)

        tile = [(j, v) for j in range(signature.args[10].literal_value) for v in range(TILE_VECTORS)]
        places = {
            (j, v): at(data[2], offset(target, distance, ir.Constant(ir.IntType(64), j), v * lanes))
            for j, v in tile
        }
        kept = {}
        for one in tile:
            kept[one] = cgutils.alloca_once(builder, vector)
            builder.store(builder.load(places[one], align=size), kept[one])
        with cgutils.for_range(builder, depth) as loop:
            numbers = [
                builder.load(at(data[0], offset(place, pitch, loop.index, v * lanes)), align=size)
                for v in range(TILE_VECTORS)
            ]
            row = offset(start, n_columns, loop.index)
            for j in range(signature.args[10].literal_value):
                value = builder.load(builder.gep(data[1], [builder.add(row, ir.Constant(ir.IntType(64), j))]))
                factor = splat(value)
                for v in range(TILE_VECTORS):
                    total = builder.load(kept[j, v])
                    builder.store(builder.call(fused, [numbers[v], factor, total]), kept[j, v])
        for one in tile:
            builder.store(builder.load(kept[one]), places[one], align=size)
        return context.get_dummy_value()

    return signature, generate
