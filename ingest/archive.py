"""Archives: their members, one at a time, under names that we make; archives in archives too. Reads no member's content.

Nothing that the archive claims is trusted: names never become paths, and sizes are counted while the bytes come out. The entries are gone
through twice: first their names, so that nothing of an archive with a hostile one is unpacked, then what they hold.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from ingest.code_folders import CodeFolders
from ingest.errors import FileRefused
from ingest.ignoring import FILE_BYTES, FILE_NAME, Ignored
from ingest.limit_settings import beyond_megabytes, exceeded, megabytes
from ingest.limits import Limits
from ingest.packed import DAMAGED, Entry, EntryDamaged
from ingest.parsers.registry import is_archive
from ingest.parsers.sniff import Content, sniff
from ingest.skipping import HEAD_BYTES, Reason, Skipped, reason_in_head, reason_to_skip
from ingest.submodules import SUBMODULES_FILE, Submodules
from ingest.tarred import tar_entries
from ingest.zipped import zip_entries

_PARTS = "Upload it in parts"
_BLOCK_BYTES = 1 << 16
_RATIO_FREE_BYTES = 1_000_000  # below it a high ratio costs nobody anything: empty logs, blank forms
_IGNORED = Skipped(Reason.IGNORED, "a .gitignore names it")
_EMPTY = Skipped(Reason.EMPTY, "it is empty")
_TWICE = Skipped(Reason.TWICE, "it stands twice in the archive")
_NO_TEXT = Skipped(Reason.BINARY, "it holds no text")
_SUBMODULE = Skipped(Reason.SUBMODULE, "it is a repository of its own (a submodule), which is not fetched")
_TOO_DEEP = Skipped(Reason.NESTED, "an archive so deep in archives is not opened")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive. Either `file` holds its bytes, or `skipped` says why it was not unpacked. `path` has that of its archive in
    an archive before it."""

    path: str
    file: Path | None
    skipped: Skipped | None


def expand(source: Path, name: str, into: Path, limits: Limits, *, is_tracked: bool = False) -> Iterator[Member]:
    """Unpacks the archive, which its owner calls `name`, into the existing folder `into`, member by member in the archive's order.

    What its own .gitignore files name is left out, unless it `is_tracked`: all of it comes out of Git, which has it in spite of them.
    Pictures among source code are left out too, as they are in all that is tracked.

    Raises FileRefused if the archive is damaged, has a hostile entry or holds nothing to read (only seen at the end), and
    LimitExceeded when it is past a limit. What was unpacked until then stays in `into`, which is the caller's to remove.
    """
    unpacked = 0
    reasons: list[str] = []
    deadline = time.monotonic() + limits.parsing.wall_seconds
    unpacking = _Unpacking(into, limits, deadline, limits.archive_bytes, is_tracked)
    for member in unpacking.members(source, name, "", 1, is_among_code=is_tracked):
        unpacked += member.file is not None
        if member.skipped and len(reasons) < 3:
            reasons.append(f"{member.path}: {member.skipped.why}")
        yield member
    if not unpacked:
        found = f" ({'; '.join(reasons)})" if reasons else ""
        raise FileRefused(f"Nothing in this archive can be read{found}. Pack documents or source code, then upload it again.")


@dataclass(frozen=True, slots=True)
class _Names:
    """What the names of all entries of one archive say."""

    ignored: Ignored
    code: CodeFolders
    submodules: Submodules


@dataclass(slots=True)
class _Unpacking:
    """One upload's: its bytes, files and entries are counted together, however archives are nested."""

    into: Path
    limits: Limits
    deadline: float
    budget: int
    is_tracked: bool
    files: int = 0
    entries: int = 0
    targets: int = 0
    seen: set[str] = field(default_factory=set)

    def members(self, source: Path, name: str, prefix: str, depth: int, *, is_among_code: bool) -> Iterator[Member]:
        opened = partial(_entries, source, name, self.limits)
        names = self._look_through(opened(), CodeFolders(is_all=is_among_code))
        for entry in opened():
            self._check_time()
            if not entry.is_folder:
                names.submodules.see(entry.name)
                yield from self._member(entry, names, prefix, depth)
        for place in names.submodules.left:
            yield Member(prefix + place, None, _SUBMODULE)

    def _check_time(self) -> None:
        if time.monotonic() > self.deadline:
            said = f"Unpacking this archive takes more than {self.limits.parsing.wall_seconds:,} seconds, the most, and was stopped"
            raise exceeded(f"{said} after {self.files:,} files.", _PARTS, "parsing.wall_seconds")

    def _look_through(self, entries: Iterable[Entry], code: CodeFolders) -> _Names:
        """What is to be known of all entries before the first is unpacked: that no name is hostile, which are ignored, where code is."""
        ignored, submodules = Ignored(), Submodules()
        for entry in entries:
            self._check_time()
            self.entries += 1
            if self.entries > self.limits.archive_listed:
                said = f"This archive has too many entries: more than the {self.limits.archive_listed:,} that are looked at."
                raise exceeded(said, _PARTS, "archive_listed")
            _refuse_hostile_name(entry.name)
            name = PurePosixPath(entry.name)
            code.add(name.as_posix())
            if entry.is_folder or entry.unfit:
                continue
            if name.name == FILE_NAME and not self.is_tracked:
                ignored.add(name.as_posix(), _head(entry))
            elif name.name == SUBMODULES_FILE:
                submodules.add(name.as_posix(), _head(entry))
        return _Names(ignored, code, submodules)

    def _member(self, entry: Entry, names: _Names, prefix: str, depth: int) -> Iterator[Member]:
        name = PurePosixPath(entry.name).as_posix()
        path = prefix + name
        is_among_code = names.code.hold(name)
        unfit = _TWICE if path in self.seen else self._unfit(entry, is_among_code)
        skipped = unfit or (_IGNORED if names.ignored.matches(name) else None)
        self.seen.add(path)
        self.targets += 1
        target = self.into / f"{self.targets:06d}"
        skipped = skipped or self._unpack(entry, target) or _reason_in_file(entry.name, target, is_among_code)
        if not skipped and is_archive(target, entry.name):
            yield from self._nested(target, path, depth, is_among_code)
            return
        if skipped:
            target.unlink(missing_ok=True)
        else:
            self._count_file()
        yield Member(path, None if skipped else target, skipped)

    def _nested(self, source: Path, path: str, depth: int, is_among_code: bool) -> Iterator[Member]:
        """What an archive in this one holds. One that cannot be read is listed like any other file."""
        try:
            if depth >= self.limits.archive_nesting:
                yield Member(path, None, _TOO_DEEP)
            else:
                yield from self.members(source, PurePosixPath(path).name, f"{path}/", depth + 1, is_among_code=is_among_code)
        except FileRefused as refusal:
            yield Member(path, None, Skipped(Reason.DAMAGED, f"it is an archive that was refused: {refusal}"))
        finally:
            source.unlink(missing_ok=True)

    def _unfit(self, entry: Entry, is_among_code: bool) -> Skipped | None:
        """Why an entry is not unpacked, told by what is claimed of it."""
        if entry.unfit:
            return entry.unfit
        if found := reason_to_skip(entry.name, is_among_code=is_among_code):
            return found
        if entry.size == 0:
            return _EMPTY
        if entry.size > self.limits.file_bytes:
            return Skipped(Reason.TOO_LARGE, f"it has {beyond_megabytes(entry.size, self.limits.file_bytes)}")
        return None

    def _count_file(self) -> None:
        self.files += 1
        if self.files > self.limits.archive_entries:
            said = f"This archive has too many files: more than the {self.limits.archive_entries:,} that are read, of"
            raise exceeded(f"{said} {self.entries:,} entries in all.", _PARTS, "archive_entries")

    def _unpack(self, entry: Entry, target: Path) -> Skipped | None:
        """Writes one entry and counts what comes out. Returns why it was skipped after all."""
        size = 0
        try:
            with entry.open() as stream, target.open("xb") as file:
                while block := stream.read(_BLOCK_BYTES):
                    size += len(block)
                    self._check_growth(entry, size)
                    file.write(block)
        except EntryDamaged:
            return DAMAGED
        self.budget -= size
        return None if size else _EMPTY

    def _check_growth(self, entry: Entry, size: int) -> None:
        if size > self.budget:
            said = (
                f"This archive unpacks to more than the {megabytes(self.limits.archive_bytes)} that are read, and is past them at its file"
            )
            raise exceeded(f"{said} {self.files + 1:,}, {entry.name!r}.", _PARTS, "archive_bytes")
        packed = entry.packed_bytes
        if packed is not None and size > _RATIO_FREE_BYTES and size > self.limits.archive_ratio * max(1, packed):
            said = f"The entry {entry.name!r} unpacks to more than {self.limits.archive_ratio:,} times its size, as a bomb does: its"
            said = f"{said} {megabytes(packed)} to {megabytes(max(size, entry.size))} and perhaps more."
            raise exceeded(said, "Remove it from the archive", "archive_ratio")


def _entries(source: Path, name: str, limits: Limits) -> Iterator[Entry]:
    return zip_entries(source, limits) if sniff(source) is Content.ZIP else tar_entries(source, name, limits)


def _head(entry: Entry) -> bytes:
    """As much of what it holds; nothing where it is damaged, which is told when it is unpacked."""
    with suppress(EntryDamaged), entry.open() as content:
        return content.read(FILE_BYTES)
    return b""


def _refuse_hostile_name(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name) or "\x00" in name:
        raise FileRefused(
            f"This archive has an entry named {name!r}, which points outside of it. Nothing was unpacked. "
            "Pack the folder again without such entries."
        )


def _reason_in_file(name: str, file: Path, is_among_code: bool) -> Skipped | None:
    """Why an unpacked file is left out after all, told by how it begins."""
    if sniff(file) is Content.BINARY:
        return _NO_TEXT
    with file.open("rb") as opened:
        return reason_in_head(name, opened.read(HEAD_BYTES), is_among_code=is_among_code)
