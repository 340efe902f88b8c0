"""Sixteen images in the lanes of registers: a vector type for kernels, and blocks of such vectors.

In memory an activation is 16 numbers, those of 16 images. A value f32s holds a register of them, so
that a layer is scalar code for one image whose scalars are vectors: no tails, no cases for a number
of channels, no sum across a register. That is all of them with AVX-512, and on smaller machines one
of PARTS parts (`machine.py`), for which a kernel runs twice or four times; the bits are the same on
all, because the order of the operations is written down and every fma rounds once.

A block [m, n] of vectors is a tuple (m slow, n fast). Its length is part of its type, so LLVM
unrolls everything and keeps it in registers; Numba's own vectoriser would keep the accumulators of
a convolution in memory. Places in an array are counted in floats and are not checked; arrays are
contiguous float32; `rows` and `columns` are literal numbers.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic, models, register_model

from toyflows.kernels.machine import HERE

LANES = 16
WIDTH = min(HERE.floats, LANES)  # lanes of one register
PARTS = LANES // WIDTH
OCTET = 8  # vectors that are summed over their lanes together
_INT = ir.IntType(32)
VECTOR = ir.VectorType(ir.FloatType(), WIDTH)


class F32s(types.Type):
    """One float32 of each of WIDTH images."""

    def __init__(self) -> None:
        super().__init__(name=f"f32x{WIDTH}")


f32s = F32s()


@register_model(F32s)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, VECTOR)


def address(context, builder, array, value, index, kind=VECTOR):
    """Of value[index], as the address of a vector."""
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def _elements(builder, block, kind):
    return [builder.extract_value(block, k) for k in range(kind.count)]


def llvm_function(builder, name, arguments):
    """LLVM's own function on vectors; llvmlite's builder.fma, say, refuses them."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * arguments)
    return get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f32")


def _block(*sizes):
    """The type of a block of literal sizes, or None."""
    if not all(isinstance(n, types.IntegerLiteral) for n in sizes):
        return None
    count = 1
    for n in sizes:
        count *= n.literal_value
    return types.UniTuple(f32s, count)


def _places(builder, start, row, step, block, columns):
    """start + m row + n step for each [m, n]."""
    for k in range(block.count):
        m, n = divmod(k, columns.literal_value)
        along, down = builder.mul(step, step.type(n)), builder.mul(row, row.type(m))
        yield builder.add(builder.add(start, along), down)


@intrinsic(prefer_literal=True)
def zeros(typingctx, rows, columns):
    """The block of zeros."""
    block = _block(rows, columns)
    if block is None:
        return None

    def codegen(context, builder, signature, args):
        zero = ir.Constant(VECTOR, [0.0] * WIDTH)
        return context.make_tuple(builder, block, [zero] * block.count)

    return block(rows, columns), codegen


@intrinsic(prefer_literal=True)
def load(typingctx, a, start, row, step, rows, columns):
    """[m, n] = a[start + m row + n step :][:WIDTH]"""
    block = _block(rows, columns)
    if block is None:
        return None

    def codegen(context, builder, signature, args):
        places = _places(builder, *args[1:4], block, columns)
        vectors = [
            builder.load(address(context, builder, a, args[0], place), align=4) for place in places
        ]
        return context.make_tuple(builder, block, vectors)

    return block(a, types.int64, types.int64, types.int64, rows, columns), codegen


@intrinsic(prefer_literal=True)
def store(typingctx, a, start, row, step, block, columns):
    """a[start + m row + n step :][:WIDTH] = block[m, n]"""
    if _block(columns) is None:
        return None

    def codegen(context, builder, signature, args):
        places = _places(builder, *args[1:4], block, columns)
        for place, vector in zip(places, _elements(builder, args[4], block), strict=True):
            builder.store(vector, address(context, builder, a, args[0], place), align=4)
        return context.get_dummy_value()

    return types.void(a, types.int64, types.int64, types.int64, block, columns), codegen


def in_all_lanes(builder, number):
    one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), number, _INT(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INT, WIDTH), [0] * WIDTH))


def _spread(apart):
    @intrinsic(prefer_literal=True)
    def numbers(typingctx, a, start, rows, columns):
        block = _block(rows, columns)
        if block is None:
            return None

        def codegen(context, builder, signature, args):
            vectors = []
            for m in range(rows.literal_value):
                place = builder.add(args[1], args[1].type(apart * m))
                at = address(context, builder, a, args[0], place, ir.FloatType())
                number = in_all_lanes(builder, builder.load(at, align=4))
                vectors += [number] * columns.literal_value
            return context.make_tuple(builder, block, vectors)

        return block(a, types.int64, rows, columns), codegen

    return numbers


spread = _spread(1)  # [m, n] = a[start + m] in all lanes
spread_lane = _spread(LANES)  # [m, n] = a[start + 16 m] in all lanes: one lane of several vectors


@intrinsic
def add_outer(typingctx, block, u, v):
    """block[m, n] + u[m] v[n], rounded once"""

    def codegen(context, builder, signature, args):
        fma = llvm_function(builder, "fma", 3)
        us, vs = _elements(builder, args[1], u), _elements(builder, args[2], v)
        sums = iter(_elements(builder, args[0], block))
        vectors = [builder.call(fma, (x, y, next(sums))) for x in us for y in vs]
        return context.make_tuple(builder, block, vectors)

    return block(block, u, v), codegen


def _each(operation):
    """An operation on two blocks of the same size, vector by vector."""

    @intrinsic
    def apply(typingctx, u, v):
        def codegen(context, builder, signature, args):
            pairs = zip(_elements(builder, args[0], u), _elements(builder, args[1], v), strict=True)
            vectors = [getattr(builder, operation)(x, y) for x, y in pairs]
            return context.make_tuple(builder, u, vectors)

        return u(u, v), codegen

    return apply


add, multiply = _each("fadd"), _each("fmul")


def _shuffled(builder, x, y, lanes):
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_INT, len(lanes)), lanes))


def _halves_added(builder, x, y):
    """x and y are pairs (register, whose sum a lane belongs to), equal ones in a row: the sums of
    both, in half as many lanes each. A shuffle of 128 bits is the cheapest, so they stay there."""
    width = x[1].count(x[1][0])
    low, block = [], max(width, 4)
    for first in range(0, WIDTH, block):
        half = [k for k in range(first, first + block) if (k - first) % width < width // 2]
        low += half + [WIDTH + k for k in half]
    parts = (_shuffled(builder, x[0], y[0], [k + s for k in low]) for s in (0, width // 2))
    return builder.fadd(*parts), [(x[1] + y[1])[k] for k in low]


def _parts_added(builder, parts):
    """One register with the sums of lanes that are 8 apart, then 4 …, down to its own width."""
    while len(parts) > 1:
        half = len(parts) // 2
        parts = [builder.fadd(x, y) for x, y in zip(parts[:half], parts[half:], strict=True)]
    return parts[0]


def _sorted_sums(builder, register, owners):
    """The sums in their order, where one or two lanes are left of each."""
    lanes = sorted(range(WIDTH), key=lambda k: (owners[k], k))
    step = owners.count(owners[0])
    parts = [_shuffled(builder, register, register, lanes[s::step]) for s in range(step)]
    return parts[0] if step == 1 else builder.fadd(*parts)


@intrinsic
def add_lane_sums(typingctx, a, start, block):
    """a[start + k] += the sum over the 16 lanes of [k, part], as a tree: lanes that are 8 apart,
    then 4, 2, 1; eight k at a time."""

    def codegen(context, builder, signature, args):
        vectors = _elements(builder, args[2], block)
        for first in range(0, block.count // PARTS, OCTET):
            whole = vectors[first * PARTS : (first + OCTET) * PARTS]
            level = [
                (_parts_added(builder, whole[k * PARTS : (k + 1) * PARTS]), [k] * WIDTH)
                for k in range(OCTET)
            ]
            while len(level) > 1 and level[0][1].count(level[0][1][0]) > 1:
                pairs = zip(level[::2], level[1::2], strict=True)
                level = [_halves_added(builder, x, y) for x, y in pairs]
            for register, owners in level:
                total = _sorted_sums(builder, register, owners)
                place = builder.add(args[1], args[1].type(first + min(owners)))
                at = address(context, builder, a, args[0], place, total.type)
                builder.store(builder.fadd(builder.load(at, align=4), total), at, align=4)
        return context.get_dummy_value()

    return types.void(a, types.int64, block), codegen


@intrinsic
def transpose(typingctx, block):
    """[0, n] lane m = block[0, m] lane n, of as many vectors as they have lanes."""

    def codegen(context, builder, signature, args):
        vectors, width = _elements(builder, args[0], block), 1
        lanes = range(WIDTH)
        while width < WIDTH:  # exchanges the bit `width` of a vector's number and of a lane's
            low = [k if not k & width else WIDTH + k - width for k in lanes]
            high = [k + width if not k & width else WIDTH + k for k in lanes]
            for k in lanes:
                if not k & width:
                    pair = vectors[k], vectors[k + width]
                    vectors[k], vectors[k + width] = (
                        _shuffled(builder, *pair, m) for m in (low, high)
                    )
            width *= 2
        return context.make_tuple(builder, block, vectors)

    return (block(block), codegen) if block == types.UniTuple(f32s, WIDTH) else None


def sandwich(M):
    """The function X → M X Mᵀ of blocks; no operation for a zero of M, and no product for ±1."""

    def dot(builder, row, vectors):
        terms = [(float(m), v) for m, v in zip(row, vectors, strict=True) if m]
        terms.sort(key=lambda term: (abs(term[0]) != 1, -term[0]))
        (m, v), total = terms[0], None
        total = v if m == 1 else builder.fmul(ir.Constant(VECTOR, [m] * WIDTH), v)
        for m, v in terms[1:]:
            if abs(m) == 1:
                total = builder.fadd(total, v) if m == 1 else builder.fsub(total, v)
            else:
                factor = ir.Constant(VECTOR, [m] * WIDTH)
                total = builder.call(llvm_function(builder, "fma", 3), (factor, v, total))
        return total

    rows, columns = len(M), len(M[0])

    @intrinsic
    def apply(typingctx, block):
        result = types.UniTuple(f32s, rows * rows)

        def codegen(context, builder, signature, args):
            X = _elements(builder, args[0], block)
            MX = [[dot(builder, m, X[n::columns]) for n in range(columns)] for m in M]
            vectors = [dot(builder, m, line) for line in MX for m in M]
            return context.make_tuple(builder, result, vectors)

        return result(block), codegen

    return apply
