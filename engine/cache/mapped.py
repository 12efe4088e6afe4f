"""The stretch of a memory map that was looked at, given back to the system: who goes through a large file once holds only what it has not
given back yet. The file's pages stay in the system's cache, and come back at the next look. Does nothing where the system has no such call.
"""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np

MADV_DONTNEED = 4  # Linux's; other systems mean other things by it
PAGE = mmap.PAGESIZE


class Stretch:
    """From the first to the last byte seen, in one map that is only read."""

    def __init__(self) -> None:
        self._first, self._end = 0, 0

    def add(self, view: memoryview) -> None:
        """It was seen."""
        if not view.nbytes:
            return
        first: int = np.frombuffer(view, dtype=np.uint8).__array_interface__["data"][0]
        end = first + view.nbytes
        self._first, self._end = (min(self._first, first), max(self._end, end)) if self._end else (first, end)

    def give_back(self) -> None:
        """No byte of it needs to stay in this process's memory; views stay valid."""
        if self._end and sys.platform == "linux":
            first = self._first - self._first % PAGE
            # What it returns does not matter: where it fails, memory is what it was.
            _LIBC.madvise(ctypes.c_void_p(first), ctypes.c_size_t(self._end - first), MADV_DONTNEED)
        self._first, self._end = 0, 0


_LIBC = ctypes.CDLL(None)
