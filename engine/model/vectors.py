"""Two products of a few rows that hold all their sums in the processor's widest registers, from instructions that LLVM does not find in a
plain loop: products of bytes added by fours (VNNI), and of bf16 numbers added by twos (AVX512-BF16).

Only what the processor has may be compiled: `HAS_BYTES` and `HAS_HALVES` tell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

FEATURES = llvmlite.binding.get_host_cpu_features()
HAS_HALVES = FEATURES.get("avx512bf16", False)
HAS_BYTES = FEATURES.get("avx512vnni", False)

LANES = 16  # 32-bit numbers in a register
REGISTER_BYTES = 64
DOT_ROWS = DOT_TOKENS = 4
TILE_ROWS, TILE_REGISTERS = 6, 4
TILE_COLUMNS = TILE_REGISTERS * LANES

I8, I32, I64, F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
INTS, FLOATS = ir.VectorType(I32, LANES), ir.VectorType(F32, LANES)


def load(builder: Any, place: Any, kind: Any, offset: Any = None) -> Any:
    """What lies at this address, however it is aligned."""
    if offset is not None:
        place = builder.add(place, offset)
    return builder.load(builder.inttoptr(place, kind.as_pointer()), align=1)


def store(builder: Any, value: Any, place: Any) -> None:
    builder.store(value, builder.inttoptr(place, value.type.as_pointer()), align=1)


def everywhere(builder: Any, value: Any, kind: Any) -> Any:
    """A register with the value in each lane."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(I32, LANES), [0] * LANES))


def summed(builder: Any, kind: Any, instruction: str, count: int, steps: Any, terms: Callable[[Any], list[tuple[Any, Any]]]) -> list[Any]:
    """`count` registers, each the sum over all steps of what the instruction makes of its pair of `terms(step)`."""
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind, INTS, INTS]), instruction)
    sums = [cgutils.alloca_once_value(builder, ir.Constant(kind, None)) for _ in range(count)]
    for place in sums:
        builder.store(ir.Constant(kind, None), place)
    with cgutils.for_range(builder, steps) as loop:
        for place, (left, right) in zip(sums, terms(loop.index), strict=True):
            builder.store(builder.call(function, [builder.load(place), left, right]), place)
    return [builder.load(place) for place in sums]


def folded(builder: Any, registers: list[Any]) -> Any:
    """Register i's sum in lane i, for 16 registers of int32."""
    reach = LANES // 2
    while len(registers) > 1:
        half = len(registers) // 2
        registers = [halved(builder, registers[i], registers[i + half], reach) for i in range(half)]
        reach //= 2
    return registers[0]


def halved(builder: Any, low: Any, high: Any, reach: int) -> Any:
    """Of each run of 2 * reach lanes the two halves added: low's sums in the first half of the run, high's in the second."""
    lanes = range(LANES)
    first = [lane - lane % (2 * reach) + lane % reach + (LANES if lane % (2 * reach) >= reach else 0) for lane in lanes]
    masks = (ir.Constant(ir.VectorType(I32, LANES), [lane + add for lane in first]) for add in (0, reach))
    return builder.add(*(builder.shuffle_vector(low, high, mask) for mask in masks))


@intrinsic
def dots(_context: Any, _out: Any, _rows: Any, _apart: Any, _tokens: Any, _tokens_apart: Any, _steps: Any) -> Any:
    """dots(out, rows, apart, tokens, tokens_apart, steps): the products of four rows of signed bytes plus 128 with four tokens of signed
    bytes, over `steps` times 64 bytes each, as int32 [row, token]; addresses, and distances in bytes."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        out, rows, apart, tokens, tokens_apart, steps = values
        signs = ir.Constant(ir.VectorType(I32, LANES), [-0x7F7F7F80] * LANES)  # 0x80 in each byte: adds 128, and makes it unsigned

        def terms(step: Any) -> list[tuple[Any, Any]]:
            at = builder.mul(step, ir.Constant(I64, REGISTER_BYTES))
            xs = [load(builder, builder.add(tokens, builder.mul(tokens_apart, ir.Constant(I64, t))), INTS, at) for t in range(DOT_TOKENS)]
            ws = [load(builder, builder.add(rows, builder.mul(apart, ir.Constant(I64, r))), INTS, at) for r in range(DOT_ROWS)]
            return [(builder.xor(w, signs), x) for w in ws for x in xs]

        sums = summed(builder, INTS, "llvm.x86.avx512.vpdpbusd.512", DOT_ROWS * DOT_TOKENS, steps, terms)
        store(builder, folded(builder, sums), out)
        return ir.Constant(I64, 0)

    return types.int64(*[types.int64] * 6), build


@intrinsic
def tile(_context: Any, _out: Any, _out_apart: Any, _rows: Any, _apart: Any, _panel: Any, _steps: Any) -> Any:
    """tile(out, out_apart, rows, apart, panel, steps): six rows of pairs of bf16 times a panel [steps, 64, 2] of bf16, as fp32 [6, 64];
    addresses, and distances in bytes."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        out, out_apart, rows, apart, panel, steps = values

        def terms(step: Any) -> list[tuple[Any, Any]]:
            at = builder.mul(step, ir.Constant(I64, TILE_REGISTERS * REGISTER_BYTES))
            base = builder.add(panel, at)
            columns = [load(builder, base, INTS, ir.Constant(I64, REGISTER_BYTES * c)) for c in range(TILE_REGISTERS)]
            pair = builder.mul(step, ir.Constant(I64, 4))
            pairs = [
                everywhere(builder, load(builder, builder.add(rows, builder.mul(apart, ir.Constant(I64, r))), I32, pair), INTS)
                for r in range(TILE_ROWS)
            ]
            return [(p, c) for p in pairs for c in columns]

        sums = summed(builder, FLOATS, "llvm.x86.avx512bf16.dpbf16ps.512", TILE_ROWS * TILE_REGISTERS, steps, terms)
        for number, value in enumerate(sums):
            row, column = divmod(number, TILE_REGISTERS)
            place = builder.add(out, builder.mul(out_apart, ir.Constant(I64, row)))
            store(builder, value, builder.add(place, ir.Constant(I64, REGISTER_BYTES * column)))
        return ir.Constant(I64, 0)

    return types.int64(*[types.int64] * 6), build
