"""Folders for what is being made, each held by the process that works in it: one that nobody holds was left by a killed one, and is swept.

The hold is a lock on the folder (flock), which the system gives back with the process. Knows nothing of what is made.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def held_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent`, held until the block ends, and then gone if it is still there. First sweeps those before it."""
    sweep(parent, prefix)
    folder, lock = _made(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(parent: Path, prefix: str) -> None:
    """Removes the folders in `parent` whose names begin so and that nobody holds."""
    for folder in parent.glob(f"{prefix}*"):
        with suppress(FileNotFoundError, NotADirectoryError), _locked(folder) as is_ours:
            if is_ours:
                shutil.rmtree(folder, ignore_errors=True)


def _made(parent: Path, prefix: str) -> tuple[Path, int]:
    """Whoever sweeps may come between making and holding it: then another one is made."""
    while True:
        folder = parent / f"{prefix}{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether nobody else holds it."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield _taken(lock)
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
