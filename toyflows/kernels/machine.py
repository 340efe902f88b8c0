"""The vector registers of the processor that Numba compiles for: shapes of tiles derive from here.

What LLVM emits for that processor (NUMBA_CPU_NAME and NUMBA_CPU_FEATURES respected) tells its
class: 128 bits and 32 registers (NEON), 256 and 16 (AVX2), 512 and 32 (AVX-512). How much is kept
in registers at once never decides the order of a sum, so all classes compute the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import llvmlite.binding as llvm

from toyflows.kernels.jit import processor


class Registers(NamedTuple):
    """A class of processors: its name, and the width and number of its vector registers."""

    name: str
    bits: int
    many: int

    @property
    def floats(self) -> int:
        """float32 numbers in one register."""
        return self.bits // 32

    def rows(self, columns: int, most: int = 8) -> int:
        """The most rows, a power of two up to `most`, of a tile of rows × columns sums which stays
        in registers together with what it is made of: `columns` vectors and one spread number."""
        return max(
            n for k in range(most.bit_length())
            if (n := 2**k) == 1 or (n + 1) * columns + 1 <= self.many
        )  # fmt: skip

    def best(self, *sizes: int, rows: int = 1) -> int:
        """The first of `sizes` so that rows × size sums, `rows` spread numbers and a vector fit."""
        return next(n for n in (*sizes, 1) if rows * n + rows + 1 <= self.many)


SIXTEEN = """define <16 x float> @add(<16 x float> %x) {
    %y = fadd <16 x float> %x, %x
    ret <16 x float> %y
}"""
CLASSES = {
    "%zmm": Registers("AVX-512", 512, 32),
    "%ymm": Registers("AVX", 256, 16),
    "%xmm": Registers("SSE", 128, 16),
    ".4s": Registers("NEON", 128, 32),
}
UNKNOWN = Registers("none", 128, 16)


def registers() -> Registers:
    """The widest that LLVM uses for sixteen numbers at once."""
    name, features = processor()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=name, features=features)
    code = machine.emit_assembly(llvm.parse_assembly(SIXTEEN))
    return next((found for sign, found in CLASSES.items() if sign in code), UNKNOWN)


HERE = registers()
