"""ZIP archives: their members, one at a time, under names that we make. Knows no format but ZIP and reads no member's content.

Nothing that the archive claims is trusted: names never become paths, and sizes are counted while the bytes come out.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ingest.errors import FileRefused, LimitExceeded
from ingest.limits import Limits
from ingest.parsers.sniff import directory_bytes
from ingest.skipping import reason_to_skip

_BLOCK_BYTES = 1 << 16
_RATIO_FREE_BYTES = 1_000_000  # below it a high ratio costs nobody anything: empty logs, blank forms


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive. Either `file` holds its bytes, or `skipped` says why it was not unpacked."""

    path: str
    file: Path | None
    skipped: str | None


def expand(source: Path, into: Path, limits: Limits) -> Iterator[Member]:
    """Unpacks the archive into the existing folder `into`, member by member in the archive's order.

    Raises FileRefused if the archive is damaged, has a hostile entry or holds nothing to read (only seen at the end), and
    LimitExceeded when it is past a limit. What was unpacked until then stays in `into`, which is the caller's to remove.
    """
    _check_directory(source, limits)
    try:
        with zipfile.ZipFile(source) as archive:
            yield from _members(archive, into, limits)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise FileRefused("This ZIP archive is damaged and cannot be opened. Pack it again, then upload the new archive.") from error


def _check_directory(source: Path, limits: Limits) -> None:
    """The list of entries is read into memory whole, so its size is looked at before."""
    if directory_bytes(source) > limits.archive_directory_bytes:
        raise LimitExceeded(_too_many(limits))


def _members(archive: zipfile.ZipFile, into: Path, limits: Limits) -> Iterator[Member]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > limits.archive_entries:
        raise LimitExceeded(_too_many(limits))
    for entry in archive.infolist():
        _refuse_hostile_name(entry.filename)
    budget, seen, reasons, unpacked = limits.archive_bytes, set[str](), list[str](), 0
    for number, entry in enumerate(entries):
        reason = "it stands twice in the archive" if entry.filename in seen else _reason_to_skip(entry, limits)
        seen.add(entry.filename)
        target = into / f"{number:06d}"
        if reason is None:
            reason, size = _unpack(archive, entry, target, budget, limits)
            budget -= size
        unpacked += reason is None
        if reason:
            reasons.append(f"{entry.filename}: {reason}")
        yield Member(entry.filename, None if reason else target, reason)
    if not unpacked:
        found = f" ({'; '.join(reasons[:3])})" if reasons else ""
        raise FileRefused(f"Nothing in this archive can be read{found}. Pack documents or source code, then upload it again.")


def _refuse_hostile_name(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name) or "\x00" in name:
        raise FileRefused(
            f"This archive has an entry named {name!r}, which points outside of it. Nothing was unpacked. "
            "Pack the folder again without such entries."
        )


def _reason_to_skip(entry: zipfile.ZipInfo, limits: Limits) -> str | None:
    """Why an entry is not unpacked, told by its name and flags alone; the words end "skipped: ..."."""
    reasons = (
        (stat.S_ISLNK(entry.external_attr >> 16), "it is a link, and links are not followed"),
        (bool(entry.flag_bits & 0x1), "it is locked with a password"),
        (entry.file_size == 0, "it is empty"),
        (entry.file_size > limits.file_bytes, f"it is larger than {limits.file_bytes / 1e6:,.0f} MB"),
    )
    return next((reason for applies, reason in reasons if applies), None) or reason_to_skip(entry.filename)


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, budget: int, limits: Limits) -> tuple[str | None, int]:
    """Writes one entry and counts what comes out. Returns why it was skipped after all, and its bytes."""
    size = 0
    try:
        with archive.open(entry) as stream, target.open("xb") as file:
            while block := stream.read(_BLOCK_BYTES):
                size += len(block)
                _check_growth(entry, size, budget, limits)
                file.write(block)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        target.unlink(missing_ok=True)
        return "it is damaged", 0
    return None, size


def _check_growth(entry: zipfile.ZipInfo, size: int, budget: int, limits: Limits) -> None:
    if size > budget:
        raise LimitExceeded(
            f"This archive unpacks to more than {limits.archive_bytes / 1e6:,.0f} MB, the most that is read. Upload it in parts."
        )
    if size > _RATIO_FREE_BYTES and size > limits.archive_ratio * max(1, entry.compress_size):
        raise LimitExceeded(
            f"The entry {entry.filename!r} unpacks to more than {limits.archive_ratio} times its size, as a bomb does. "
            "Remove it from the archive, then upload the archive again."
        )


def _too_many(limits: Limits) -> str:
    return f"This archive has too many entries; {limits.archive_entries:,} are read at most. Upload it in parts."
