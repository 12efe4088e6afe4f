"""A store's file made as small as its records: written anew, and put in its own place. Nobody may have it open meanwhile; who comes then
waits. Knows no record.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import lmdb

from engine.cache.folder import FILE, Opened, existing
from engine.errors import EngineError

COPY = "copy.mdb"


def compact(folder: Path) -> tuple[int, int]:
    """Bytes of the file before and after. Raises EngineError, and leaves the file as it was, where no store is, somebody has it open, or
    the disk has no room for the copy beside it."""
    file, copy = existing(folder), folder / COPY
    with closing(Opened(folder, alone=True)):
        before = file.stat().st_size
        copy.unlink(missing_ok=True)
        try:
            with lmdb.open(str(file), subdir=False, readonly=True, lock=False, map_size=0) as env:
                env.copy(str(copy), compact=True)
            to_disk(copy)
            copy.replace(file)
            to_disk(folder)
        except (lmdb.Error, OSError) as error:
            raise EngineError(f"The store in {folder} cannot be written anew: {error}. It needs room for its records once more.") from error
        finally:
            copy.unlink(missing_ok=True)
        # LMDB's list of who reads what: of the file that was.
        (folder / f"{FILE}-lock").unlink(missing_ok=True)
        return before, file.stat().st_size


def to_disk(place: Path) -> None:
    """What was written there survives the machine's end."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
