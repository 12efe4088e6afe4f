"""Two products of a few rows that hold all their sums in the processor's widest registers, from instructions that LLVM does not find in a
plain loop: products of bytes added by fours (VNNI), and of bf16 numbers added by twos (AVX512-BF16).

Only what the processor has may be compiled: `HAS_BYTES` and `HAS_HALVES` tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import llvmlite.binding
import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def features() -> Mapping[str, bool]:
    """What the processor has, by LLVM's names; nothing where LLVM cannot tell."""
    try:
        found: Mapping[str, bool] = llvmlite.binding.get_host_cpu_features()
    except RuntimeError:
        return {}
    return found


def byte_lanes(found: Mapping[str, bool]) -> int:
    """32-bit sums of products of bytes in a register; 0 where the processor has no such products."""
    return 16 if found.get("avx512vnni") else 8 if found.get("avxvnni") else 0


FEATURES = features()
HAS_HALVES = bool(FEATURES.get("avx512bf16"))
HAS_TILES: bool = torch.cpu._is_amx_tile_supported() and torch.cpu._init_amx()  # AMX, and the system lets us
LANES = 16  # 32-bit numbers in a register
REGISTER_BYTES = 64
DOT_LANES = byte_lanes(FEATURES)
HAS_BYTES = DOT_LANES > 0
DOT_BYTES, DOT_ROWS, DOT_TOKENS = 4 * DOT_LANES, 4, DOT_LANES // 4
BLOCKS_AHEAD = 2
TILE_ROWS, TILE_REGISTERS = 6, 4
TILE_COLUMNS = TILE_REGISTERS * LANES

I8, I32, I64, F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
PAIRS, FLOATS, FOURS = ir.VectorType(I32, LANES), ir.VectorType(F32, LANES), ir.VectorType(I32, DOT_LANES)


def load(builder: Any, place: Any, kind: Any, offset: Any = None) -> Any:
    """What lies at this address, however it is aligned."""
    if offset is not None:
        place = builder.add(place, offset)
    return builder.load(builder.inttoptr(place, kind.as_pointer()), align=1)


def store(builder: Any, value: Any, place: Any) -> None:
    builder.store(value, builder.inttoptr(place, value.type.as_pointer()), align=1)


def places(builder: Any, first: Any, apart: Any, count: int) -> list[Any]:
    """So many addresses, so far apart."""
    return [builder.add(first, builder.mul(apart, ir.Constant(I64, number))) for number in range(count)]


def everywhere(builder: Any, value: Any) -> Any:
    """A register with the value in each lane."""
    one = builder.insert_element(ir.Constant(PAIRS, ir.Undefined), value, ir.Constant(I32, 0))
    return spread(builder, one, [0] * LANES)


def spread(builder: Any, register: Any, lanes: Iterable[int]) -> Any:
    """The register made of these lanes of another."""
    chosen = list(lanes)
    return builder.shuffle_vector(register, register, ir.Constant(ir.VectorType(I32, len(chosen)), chosen))


def prefetch(builder: Any, place: Any) -> None:
    """Have this address's line brought near; the address may be nobody's."""
    pointer = I8.as_pointer()
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [pointer, I32, I32, I32]), "llvm.prefetch.p0")
    builder.call(function, [builder.inttoptr(place, pointer), *(ir.Constant(I32, number) for number in (0, 3, 1))])


def summed(
    builder: Any, kind: Any, held: Any, instruction: str, count: int, steps: Any, terms: Callable[[Any], list[tuple[Any, Any]]]
) -> list[Any]:
    """`count` registers, each the sum over all steps of what the instruction makes of its pair of `terms(step)`."""
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind, held, held]), instruction)
    sums = [cgutils.alloca_once_value(builder, ir.Constant(kind, None)) for _ in range(count)]
    for place in sums:
        builder.store(ir.Constant(kind, None), place)
    with cgutils.for_range(builder, steps) as loop:
        for place, (left, right) in zip(sums, terms(loop.index), strict=True):
            builder.store(builder.call(function, [builder.load(place), left, right]), place)
    return [builder.load(place) for place in sums]


def folded(builder: Any, registers: list[Any]) -> Any:
    """Register i's sum in lane i, for as many registers of int32 as they have lanes."""
    reach = DOT_LANES // 2
    while len(registers) > 1:
        half = len(registers) // 2
        registers = [halved(builder, registers[i], registers[i + half], reach) for i in range(half)]
        reach //= 2
    return registers[0]


def halved(builder: Any, low: Any, high: Any, reach: int) -> Any:
    """Of each run of 2 * reach lanes the two halves added: low's sums in the first half of the run, high's in the second."""
    run = 2 * reach
    first = [lane - lane % run + lane % reach + (DOT_LANES if lane % run >= reach else 0) for lane in range(DOT_LANES)]
    masks = (ir.Constant(FOURS, [lane + add for lane in first]) for add in (0, reach))
    return builder.add(*(builder.shuffle_vector(low, high, mask) for mask in masks))


@intrinsic
def dots(_context: Any, _out: Any, _apart: Any, _rows: Any, _n: Any, _sums: Any, _columns: Any, _tokens: Any, _steps: Any) -> Any:
    """dots(out, apart, rows, n, sums, columns, tokens, steps): DOT_ROWS rows of n signed bytes, whose sums are these int32, times
    DOT_TOKENS tokens of as many; n is a multiple of DOT_BYTES. To `out`, fp32 [token, row] with so many bytes from token to token:
    product * the row's of `columns` * the token's of `steps`. All are addresses, but for n and apart."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        out, apart, rows, n, sums, columns, tokens, steps = values
        # 128 in each byte: added to a token's it makes them unsigned, as the instruction wants.
        signs = ir.Constant(FOURS, [-0x7F7F7F80] * DOT_LANES)

        def terms(step: Any) -> list[tuple[Any, Any]]:
            at = builder.mul(step, ir.Constant(I64, DOT_BYTES))
            ws, xs = places(builder, builder.add(rows, at), n, DOT_ROWS), places(builder, builder.add(tokens, at), n, DOT_TOKENS)
            for place in ws:
                prefetch(builder, builder.add(place, builder.mul(n, ir.Constant(I64, DOT_ROWS * BLOCKS_AHEAD))))
            held = [load(builder, place, FOURS) for place in ws]
            return [(builder.xor(load(builder, x, FOURS), signs), w) for x in xs for w in held]

        count = builder.udiv(n, ir.Constant(I64, DOT_BYTES))
        found = folded(builder, summed(builder, FOURS, FOURS, f"llvm.x86.avx512.vpdpbusd.{8 * DOT_BYTES}", DOT_LANES, count, terms))
        by_row, by_token = [lane % DOT_ROWS for lane in range(DOT_LANES)], [lane // DOT_ROWS for lane in range(DOT_LANES)]
        added = spread(builder, load(builder, sums, ir.VectorType(I32, DOT_ROWS)), by_row)
        whole = builder.sub(found, builder.mul(added, ir.Constant(FOURS, [128] * DOT_LANES)))
        number = builder.sitofp(whole, ir.VectorType(F32, DOT_LANES))
        number = builder.fmul(number, spread(builder, load(builder, columns, ir.VectorType(F32, DOT_ROWS)), by_row))
        number = builder.fmul(number, spread(builder, load(builder, steps, ir.VectorType(F32, DOT_TOKENS)), by_token))
        for t, place in enumerate(places(builder, out, apart, DOT_TOKENS)):
            own = spread(builder, number, range(t * DOT_ROWS, (t + 1) * DOT_ROWS))
            store(builder, own, place)
        return ir.Constant(I64, 0)

    return types.int64(*[types.int64] * 8), build


@intrinsic
def tile(_context: Any, _out: Any, _out_apart: Any, _rows: Any, _apart: Any, _panel: Any, _steps: Any) -> Any:
    """tile(out, out_apart, rows, apart, panel, steps): six rows of pairs of bf16 times a panel [steps, 64, 2] of bf16, as fp32 [6, 64];
    addresses, and distances in bytes."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        out, out_apart, rows, apart, panel, steps = values

        def terms(step: Any) -> list[tuple[Any, Any]]:
            at = builder.mul(step, ir.Constant(I64, TILE_REGISTERS * REGISTER_BYTES))
            base = builder.add(panel, at)
            columns = [load(builder, base, PAIRS, ir.Constant(I64, REGISTER_BYTES * c)) for c in range(TILE_REGISTERS)]
            pair = builder.mul(step, ir.Constant(I64, 4))
            pairs = [everywhere(builder, load(builder, place, I32, pair)) for place in places(builder, rows, apart, TILE_ROWS)]
            return [(p, c) for p in pairs for c in columns]

        sums = summed(builder, FLOATS, PAIRS, "llvm.x86.avx512bf16.dpbf16ps.512", TILE_ROWS * TILE_REGISTERS, steps, terms)
        lines = places(builder, out, out_apart, TILE_ROWS)
        for number, value in enumerate(sums):
            row, column = divmod(number, TILE_REGISTERS)
            store(builder, value, builder.add(lines[row], ir.Constant(I64, REGISTER_BYTES * column)))
        return ir.Constant(I64, 0)

    return types.int64(*[types.int64] * 6), build
