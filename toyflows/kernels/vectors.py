"""Arithmetic of single registers of images: x + y, x − y, x y, and what one line of it needs.

Kernels read and write them one by one; for what must stay in registers there are `lanes`' blocks.
"""

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from toyflows.kernels.lanes import VECTOR, WIDTH, address, f32s, in_all_lanes, llvm_function
from toyflows.kernels.polynomials import EDGE, EXP2_32, LOG2E, ROUND_32


def _same(operation):
    """An operation on two vectors."""

    @intrinsic
    def apply(typingctx, x, y):
        def codegen(context, builder, signature, args):
            return getattr(builder, operation)(*args)

        return (f32s(x, y), codegen) if x == y == f32s else None

    return apply


_plus, _minus, _times = _same("fadd"), _same("fsub"), _same("fmul")


def _operator(symbol, apply):
    @overload(symbol)
    def of(x, y):
        return (lambda x, y: apply(x, y)) if x == y == f32s else None


_operator(operator.add, _plus)
_operator(operator.sub, _minus)
_operator(operator.mul, _times)


@intrinsic
def get(typingctx, a, start):
    """The vector a[start :][:WIDTH]"""

    def codegen(context, builder, signature, args):
        return builder.load(address(context, builder, a, *args), align=4)

    return f32s(a, types.int64), codegen


@intrinsic
def put(typingctx, a, start, x):
    """a[start :][:WIDTH] = x"""

    def codegen(context, builder, signature, args):
        builder.store(args[2], address(context, builder, a, *args[:2]), align=4)
        return context.get_dummy_value()

    return types.void(a, types.int64, f32s), codegen


@intrinsic
def splat(typingctx, number):
    """The float32 in all lanes."""

    def codegen(context, builder, signature, args):
        return in_all_lanes(builder, args[0])

    return (f32s(number), codegen) if number == types.float32 else None


@intrinsic
def fma_each(typingctx, x, y, z):
    """x y + z, rounded once"""

    def codegen(context, builder, signature, args):
        return builder.call(llvm_function(builder, "fma", 3), args)

    return (f32s(x, y, z), codegen) if x == y == z == f32s else None


@intrinsic
def sigmoid_each(typingctx, x):
    """1/(1 + e^{−x}): the operations of polynomials.sigmoid2 at −x log₂e, so its error, 3e−7."""

    def codegen(context, builder, signature, args):
        def all_lanes(number):
            return ir.Constant(VECTOR, [float(np.float32(number))] * WIDTH)

        integers = ir.VectorType(ir.IntType(32), WIDTH)
        t = builder.fmul(all_lanes(-LOG2E), args[0])
        t = builder.call(llvm_function(builder, "maxnum", 2), (t, all_lanes(-EDGE)))
        t = builder.call(llvm_function(builder, "minnum", 2), (t, all_lanes(EDGE)))
        n = builder.fadd(t, all_lanes(ROUND_32))
        f, p = builder.fsub(t, builder.fsub(n, all_lanes(ROUND_32))), all_lanes(EXP2_32[-1])
        for c in reversed(EXP2_32[:-1]):
            p = builder.call(llvm_function(builder, "fma", 3), (p, f, all_lanes(c)))
        bits = builder.shl(builder.bitcast(n, integers), ir.Constant(integers, [23] * WIDTH))
        power = builder.bitcast(builder.add(builder.bitcast(p, integers), bits), VECTOR)
        return builder.fdiv(all_lanes(1), builder.fadd(all_lanes(1), power))

    return (f32s(x), codegen) if x == f32s else None
