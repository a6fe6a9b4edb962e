"""Short names for writing LLVM code on vectors of 64 bytes: sixteen float32, or eight float64."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils

VECTOR_BYTES = 64
_INT32 = ir.IntType(32)
_FAST = ("contract",)


class Code:
    """Short names for the code of one operation; arrays and integers go by their place in the arguments."""

    def __init__(self, context, builder, signature, arguments):
        self.builder = builder
        self.arguments = arguments
        self.types = signature.args
        arrays = {i: kind for i, kind in enumerate(signature.args) if isinstance(kind, types.Array)}
        self.arrays = {i: context.make_array(t)(context, builder, arguments[i]) for i, t in arrays.items()}
        double = arrays[0].dtype == types.float64
        self.kind = ir.DoubleType() if double else ir.FloatType()
        self.bytes = 8 if double else 4
        self.lanes = VECTOR_BYTES // self.bytes
        self.vector = ir.VectorType(self.kind, self.lanes)
        self.suffix = f"v{self.lanes}f{8 * self.bytes}"
        self.zero = ir.Constant(self.kind, 0.0)
        self.zeros = ir.Constant(self.vector, [0.0] * self.lanes)

    def integer(self, value):
        """A constant integer."""
        return ir.Constant(ir.IntType(types.intp.bitwidth), value)

    def width(self, array):
        """Length of a row."""
        return self.builder.extract_value(self.arrays[array].shape, self.types[array].ndim - 1)

    def row(self, array, number):
        """Where a row of an array begins."""
        return self.pointer(array, self.builder.mul(number, self.width(array)))

    def pointer(self, array, offset):
        """Where the entry of an array with that offset lies."""
        return self.builder.gep(self.arrays[array].data, [offset])

    def shifted(self, offset, part):
        """Where an entry of the first array lies, that many places on."""
        return self.pointer(0, self.builder.add(offset, self.integer(part)))

    def number(self, array, place):
        """An entry of an array."""
        return self.builder.load(self.pointer(array, place))

    def other(self, array, place):
        """An entry of an array of numbers of rows, as wide as an address."""
        number = self.number(array, place)
        wide = ir.IntType(types.intp.bitwidth)
        return number if number.type == wide else self.builder.zext(number, wide)

    def load(self, pointer):
        """The vector that begins there."""
        return self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.bytes)

    def store(self, vector, pointer):
        """Write a vector from there on."""
        self.builder.store(vector, self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.bytes)

    def variable(self, value):
        """A number or vector that changes; it ends in a register."""
        place = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, place)
        return place

    def multiply(self, a, b):
        """The product, which may be contracted with a sum."""
        return self.builder.fmul(a, b, flags=_FAST)

    def add(self, a, b):
        """The sum, which may be contracted with a product."""
        return self.builder.fadd(a, b, flags=_FAST)

    def negated(self, a):
        """The number or vector with the other sign."""
        return self.builder.fneg(a)

    def accumulate(self, total, a, b):
        """Add a product to a variable."""
        self.builder.store(self.add(self.builder.load(total), self.multiply(a, b)), total)

    def splat(self, number):
        """One number in all lanes."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, number, ir.Constant(_INT32, 0))
        zeros = ir.Constant(ir.VectorType(_INT32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def across(self, vector):
        """The sum of the lanes, by halves."""
        size = self.lanes
        while size > 1:
            size //= 2
            half = [ir.Constant(ir.VectorType(_INT32, size), list(range(o, o + size))) for o in (0, size)]
            low, high = (self.builder.shuffle_vector(vector, vector, mask) for mask in half)
            vector = self.add(low, high)
        return self.builder.extract_element(vector, ir.Constant(_INT32, 0))

    def root(self, vector):
        """The square roots of the lanes."""
        kind = ir.FunctionType(self.vector, [self.vector])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.sqrt.{self.suffix}")
        return self.builder.call(function, [vector])

    def loop(self, first, last, step):
        """Code for each number from `first` up to `last`, in steps."""
        return Loop(self.builder, first, last, self.integer(step))


class Loop:
    """``for t in range(first, last, step)`` around the code written in the with block."""

    def __init__(self, builder, first, last, step):
        self.builder, self.first, self.last, self.step = builder, first, last, step

    def __enter__(self):
        builder = self.builder
        before = builder.basic_block
        self.head = builder.append_basic_block("loop.head")
        body = builder.append_basic_block("loop.body")
        self.after = builder.append_basic_block("loop.after")
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self.place = builder.phi(self.first.type)
        self.place.add_incoming(self.first, before)
        builder.cbranch(builder.icmp_signed("<", self.place, self.last), body, self.after)
        builder.position_at_end(body)
        return self.place

    def __exit__(self, *error):
        builder = self.builder
        following = builder.add(self.place, self.step)
        self.place.add_incoming(following, builder.basic_block)
        builder.branch(self.head)
        builder.position_at_end(self.after)
