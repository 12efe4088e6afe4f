"""What loops over raw memory are built from: numbers at addresses, half-width numbers, exponentials, and torch's own threads.

A loop is compiled by numba when it is first imported and kept on disk from then on. It takes addresses and sizes as whole numbers, and
runs on the threads that torch's own operations run on (both call GNU's OpenMP), so that there is no second pool to fight with; where
torch brings another OpenMP, on the caller's thread alone. Nothing is checked here: callers see to types and sizes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

# Sums may be taken in any order and products joined to them; NaN and infinity keep their meaning.
LOOSE = {"reassoc", "contract", "nsz"}
HEADER = 2  # a loop's first two arguments: how it asks which thread it is, and of how many
Loop = Callable[..., None]


def openmp() -> ctypes.CDLL | None:
    """The OpenMP library that torch itself runs on, if it is GNU's."""
    for path in (Path(torch.__file__).parent / "lib").glob("libgomp*"):
        library = ctypes.CDLL(str(path))
        library.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        library.GOMP_parallel.restype = None
        return library
    return None


def address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


OPENMP = openmp()
ASKS = (0, 0) if OPENMP is None else (address(OPENMP.omp_get_thread_num), address(OPENMP.omp_get_num_threads))


def loop(body: Callable[[Any], None], *, loose: bool = True) -> Loop:
    """A compiled loop, called with whole numbers: `body(arguments)` finds them from HEADER on, and does the `share` that is its thread's.
    With `alone=True` it runs on the caller's thread, which is quicker for little work. `loose`: with LOOSE's freedom."""
    start = cfunc(types.void(types.CPointer(types.int64)), cache=True, error_model="numpy", fastmath=LOOSE if loose else False)(
        body
    ).address
    by_itself = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(start)
    parallel = by_itself if OPENMP is None else OPENMP.GOMP_parallel

    def run(*arguments: int, alone: bool = False) -> None:
        if alone or OPENMP is None:
            by_itself(pack(f"{HEADER + len(arguments)}q", 0, 0, *arguments))
        else:
            parallel(start, pack(f"{HEADER + len(arguments)}q", *ASKS, *arguments), 0, 0)

    return run


@intrinsic
def told(_context: Any, _function: Any) -> Any:
    """What the C function at this address says, an int without arguments."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        return builder.call(builder.inttoptr(values[0], ir.FunctionType(ir.IntType(32), []).as_pointer()), [])

    return types.int32(types.int64), build


@njit(inline="always", error_model="numpy")
def share(arguments: Any, total: int) -> tuple[int, int]:
    """First and end of this thread's part of so many pieces of work."""
    if arguments[0] == 0:
        return 0, total
    own, all_ = told(arguments[0]), told(arguments[1])
    return total * own // all_, total * (own + 1) // all_


@njit(inline="always", error_model="numpy")
def own_of(arguments: Any, most: int) -> tuple[int, int]:
    """This thread's number, and how many take part, which are `most` at most; a thread that does not take part gets a number beyond all."""
    if arguments[0] == 0:
        return 0, 1
    own, all_ = told(arguments[0]), min(told(arguments[1]), most)
    return own if own < all_ else np.iinfo(np.int64).max, all_


def pointers(kind: Any) -> Any:
    """The intrinsic that makes an address into a pointer to numbers of this kind."""

    def at(_context: Any, _address: Any) -> Any:
        pointer = types.CPointer(kind)

        def build(target: Any, builder: Any, _: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], target.get_value_type(pointer))

        return pointer(types.int64), build

    return intrinsic(at)


floats, halves = pointers(types.float32), pointers(types.uint16)
octets, wholes, numbers = pointers(types.int8), pointers(types.int32), pointers(types.int64)


@intrinsic
def as_float(_context: Any, _bits: Any) -> Any:
    """The float32 that has these 32 bits."""
    return types.float32(types.int32), lambda _, builder, __, values: builder.bitcast(values[0], ir.FloatType())


@intrinsic
def as_bits(_context: Any, _number: Any) -> Any:
    """The 32 bits of a float32."""
    return types.int32(types.float32), lambda _, builder, __, values: builder.bitcast(values[0], ir.IntType(32))


@njit(inline="always", error_model="numpy")
def two_to(x: Any) -> Any:
    """2^x in fp32, off by 3e-7 of it at most; x is held within -126..126. Unlike the C library's, it works on many numbers at once."""
    x = np.float32(-126) if x < np.float32(-126) else x
    x = np.float32(126) if x > np.float32(126) else x
    whole = np.rint(x)
    t = (x - whole) * np.float32(0.6931471805599453)
    series = np.float32(1 / 24) + t * (np.float32(1 / 120) + t * np.float32(1 / 720))
    series = np.float32(1) + t * (np.float32(1) + t * (np.float32(1 / 2) + t * (np.float32(1 / 6) + t * series)))
    return series * as_float(np.int32((np.int32(whole) + 127) << 23))


@njit(inline="always", error_model="numpy")
def from_half(bits: Any) -> Any:
    """The fp32 number of these bits of a bf16 one."""
    return as_float(np.int32(np.int32(bits) << 16))


@njit(inline="always", error_model="numpy")
def to_half(number: Any) -> Any:
    """The bits of the nearest bf16 number, an even one where two are as near."""
    bits = as_bits(number)
    return np.uint16((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)


@njit(inline="always", error_model="numpy")
def in_order(bits: Any) -> Any:
    """A number's bits as an int that is the greater, the greater the number, NaN the greatest; and back. Comparing numbers is no job for
    many lanes, because of NaN."""
    return np.int32(bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF)))
