"""Files that are written whole or not at all, and sums that are computed once.

A sum is remembered in a small stamp beside its file, valid for that size and modification time. Knows no model. Imports no torch.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that becomes `path` when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def file_sum(path: Path) -> str:
    """The file's sha256 in hex, read from its stamp where that still holds."""
    stamp = path.with_name(f"{path.name}.sha256")
    state = _state(path)
    with suppress(OSError, ValueError):
        known, sum_ = stamp.read_text(encoding="ascii").rsplit(" ", 1)
        if known == state:
            return sum_
    with path.open("rb") as file:
        sum_ = hashlib.file_digest(file, "sha256").hexdigest()
    # A folder that cannot be written to only costs the sum again.
    _write_stamp(stamp, f"{state} {sum_}")
    return sum_


def _state(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _write_stamp(stamp: Path, line: str) -> None:
    keep_beside(stamp, lambda path: path.write_text(line, encoding="ascii"))


def keep_beside(path: Path, write: Callable[[Path], object]) -> None:
    """Write a cache file whole; a read-only or full folder leaves it out, for it can be made again."""
    with suppress(OSError), written_whole(path) as temporary:
        write(temporary)
