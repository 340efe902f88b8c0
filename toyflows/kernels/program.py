"""A network as a list of steps, each a row of one of three tables: all steps in one call."""

from __future__ import annotations

from toyflows.kernels.group_norm import norm_swish, norm_swish_back
from toyflows.kernels.jit import kernel
from toyflows.kernels.tiles import convolve, weight_sums
from toyflows.kernels.winograd import winograd, winograd_sums

CONVOLVE, LEARN, WINOGRAD, WINOGRAD_LEARN, NORM, NORM_BACK = range(6)  # what a step does


@kernel
def play(program, tables, space, weights, sums):
    """program (steps, 2): what to do, and the row of its table; sums of gradients are added to."""
    passes, winograds, norms = tables
    for k in range(program.shape[0]):
        what, row = program[k]
        if what == CONVOLVE:
            convolve(passes[row], space, weights)
        elif what == LEARN:
            weight_sums(passes[row], space, sums)
        elif what == WINOGRAD:
            winograd(winograds[row], space, weights)
        elif what == WINOGRAD_LEARN:
            winograd_sums(winograds[row], space, sums)
        elif what == NORM:
            norm_swish(norms[row], space, weights)
        else:
            norm_swish_back(norms[row], space, weights, sums)
