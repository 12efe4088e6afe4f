"""A store's folder: the file that its records are in, and who has it open, any number of processes together or one alone.

LMDB keeps those who read and write a file apart from each other, but not from one who puts another file in its place. Knows no record.
"""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path

from engine.errors import EngineError

# The layout of the file is in its name: another version's is not opened, and goes.
FILE = "records-2.mdb"
MOST_READERS = 512
READER_BYTES = 64


class Opened:
    """A store's folder as long as it is open here, until `close` or the end of this object."""

    def __init__(self, folder: Path, *, alone: bool = False) -> None:
        """Together with others, and after whoever has it alone; or `alone`: raises EngineError while anybody has it open."""
        descriptor = os.open(folder, os.O_RDONLY)
        self.close = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except BlockingIOError:
            self.close()
            raise EngineError(f"The store in {folder} is open elsewhere. End the engine worker, and whatever else uses it.") from None


def reserve(folder: Path) -> None:
    """Room on the disk for LMDB's list of who reads: it is written through a memory map, which would end the process where there is none.
    Raises OSError then."""
    listed = folder / f"{FILE}-lock"
    there = listed.stat().st_size if listed.is_file() else 0
    if there < MOST_READERS * READER_BYTES:
        with listed.open("ab") as file:
            file.write(bytes(MOST_READERS * READER_BYTES - there))


def existing(folder: Path) -> Path:
    """The file of the store in this folder. Raises EngineError where none is."""
    if not (folder / FILE).is_file():
        raise EngineError(f"There is no store in {folder}. Name the folder 'store' in LONGREAD_HOME.")
    return folder / FILE


def remove_other_layouts(folder: Path) -> None:
    """Files of another version's store go, for what they hold cannot be read here and is read again; and copies that were begun."""
    for file in [*folder.glob("*.mdb"), *folder.glob("*.mdb-lock")]:
        if not file.name.startswith(FILE):
            file.unlink(missing_ok=True)
