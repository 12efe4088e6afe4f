"""The arrays of a parsed document, opened for reading. Knows no document.

A memory map holds a descriptor as long as it lives, and a process may have 1,024 of them or 256, while a prompt may have thousands of
documents. So small arrays are read at once, and only large ones, of which a prompt has few, are mapped.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAPPED_BYTES = 2_000_000  # half a million tokens
_HEAD = b"\x93NUMPY\x01\x00"  # and the length of a description (NPY format, version 1.0)


def opened_array(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    """What np.save wrote there: one dimension, read-only. Raises OSError, and ValueError for an array of another type."""
    with path.open("rb") as file:
        data = file.read(MAPPED_BYTES + 1)
    start = _start(data, dtype)
    if start and len(data) <= MAPPED_BYTES:
        return np.frombuffer(data, dtype, offset=start)
    array: NDArray[Any] = np.load(path, mmap_mode="r")
    if array.dtype != dtype:
        raise ValueError(f"{path} holds {array.dtype}, not {dtype}")
    return array


def _start(data: bytes, dtype: np.dtype[Any]) -> int:
    """Where the numbers begin, 0 where the head is not ours: np.load takes fifty times as long, most of it over the description."""
    length = int.from_bytes(data[len(_HEAD) : len(_HEAD) + 2], "little")
    start = len(_HEAD) + 2 + length
    return start if data.startswith(_HEAD) and _described(dtype) in data[:start] else 0


@lru_cache
def _described(dtype: np.dtype[Any]) -> bytes:
    return f"'descr': {np.lib.format.dtype_to_descr(dtype)!r}, 'fortran_order': False".encode()
