"""The words of a document's pages as one array on disk, written a page at a time, so that memory does not grow with the pages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

WORD_ROW = np.dtype(
    [
        ("start", np.int64),
        ("end", np.int64),
        ("page", np.int32),
        ("left", np.float32),
        ("top", np.float32),
        ("right", np.float32),
        ("bottom", np.float32),
    ]
)


def write_words(path: Path, pages: Iterable[NDArray[np.void]]) -> None:
    """One array of all pages' words, as np.save would write it, of which only a page is ever in memory."""
    with path.open("wb") as file:
        _write_head(file, 0)
        start, count = file.tell(), 0
        for rows in pages:
            file.write(rows.tobytes())
            count += len(rows)
        file.seek(0)
        _write_head(file, count)
        if file.tell() != start:
            raise RuntimeError("numpy's head of an array has no room for its length any more")


def _write_head(file: BinaryIO, count: int) -> None:
    """numpy leaves room in it for any count (NPY format, version 1.0)."""
    described = {"descr": np.lib.format.dtype_to_descr(WORD_ROW), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, described)
