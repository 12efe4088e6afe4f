"""An entry of an archive as its readers hand it over: ZIP (ingest.zipped) and tar (ingest.tarred). Knows no format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from ingest.skipping import Reason, Skipped

DAMAGED = Skipped(Reason.DAMAGED, "it is damaged")
LINK = Skipped(Reason.LINK, "it is a link, and links are not followed")
LOCKED = Skipped(Reason.LOCKED, "it is locked with a password")
NO_FILE = Skipped(Reason.LINK, "it is no file: a device, a pipe or the like")


Open = Callable[[], IO[bytes]]


class EntryDamaged(Exception):
    """What one entry holds cannot be read; the others may be fine."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Its name and size are claims. `packed_bytes` is what it takes in the archive, where that is known of one entry alone.

    `open` gives its content, only until the next entry is asked for; reading it raises EntryDamaged. `unfit` says why it has none for us.
    """

    name: str
    size: int
    is_folder: bool
    open: Open
    unfit: Skipped | None = None
    packed_bytes: int | None = None
