"""What was left out of an archive, and why: a list beside the document's files, grouped for people. Knows no request."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from ingest.skipping import Reason, Skipped, vendored_folder
from webapp.library.models import Document

LINES_A_PAGE = 200
# What people see as a group's name, and what it means for them.
GROUPS: dict[Reason, tuple[Promise, Promise]] = {
    Reason.VENDORED: (gettext_lazy("Other people's code"), gettext_lazy("Packages, tools' own folders and what a build leaves.")),
    Reason.IGNORED: (gettext_lazy("Named by a .gitignore"), gettext_lazy("The repository itself leaves them out.")),
    Reason.GENERATED: (gettext_lazy("Generated or minified"), gettext_lazy("A program wrote them out of other files.")),
    Reason.LOCK: (gettext_lazy("Lock files"), gettext_lazy("Lists of package versions that a tool writes.")),
    Reason.BINARY: (gettext_lazy("Without text"), gettext_lazy("Programs, sounds, fonts, data.")),
    Reason.PICTURE: (
        gettext_lazy("Pictures"),
        gettext_lazy("Those among source code, and those too small for a page of text. Others are read by OCR."),
    ),
    Reason.EMPTY: (gettext_lazy("Empty"), gettext_lazy("Nothing stands in them.")),
    Reason.LINK: (gettext_lazy("Links and special files"), gettext_lazy("Links are not followed, and devices are not made.")),
    Reason.SUBMODULE: (
        gettext_lazy("Submodules"),
        gettext_lazy("Repositories of their own, which do not come with this one. Fetch or upload them by themselves."),
    ),
    Reason.LOCKED: (gettext_lazy("Locked"), gettext_lazy("A password is needed. Pack them again without one.")),
    Reason.TOO_LARGE: (gettext_lazy("Too large"), gettext_lazy("Upload them in parts.")),
    Reason.DAMAGED: (gettext_lazy("Damaged"), gettext_lazy("Pack them again, or upload them by themselves.")),
    Reason.TWICE: (gettext_lazy("There twice"), gettext_lazy("The first of the same name is read.")),
    Reason.NESTED: (gettext_lazy("Archives inside"), gettext_lazy("Too deep, or of a kind that is not opened. Upload them by themselves.")),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A file that was left out, or a folder with so many."""

    path: str
    files: int
    why: str


@dataclass(frozen=True, slots=True)
class Group:
    """Files left out for one reason, with one page of them."""

    reason: Reason
    files: int
    lines: Page[Line]

    @property
    def label(self) -> str:
        return str(GROUPS[self.reason][0])

    @property
    def means(self) -> str:
        return str(GROUPS[self.reason][1])


def skipped_write(*, document: Document, skipped: Sequence[tuple[str, Skipped]]) -> None:
    """In place of the list that was there."""
    partial = document.folder.skipped.with_suffix(".partial")
    partial.write_text(json.dumps([(path, said.reason.value, said.why) for path, said in skipped]), encoding="utf-8")
    partial.replace(document.folder.skipped)


def skipped_notes(skipped: Iterable[tuple[str, Skipped]]) -> list[str]:
    """A sentence a reason, the most frequent first, in English: notes are written once."""
    counted = Counter(said.reason for _, said in skipped)
    return [f"{'1 file was' if n == 1 else f'{n:,} files were'} skipped: {reason}" for reason, n in counted.most_common()]


def skipped_lines(*, document: Document) -> list[tuple[str, Reason, str]]:
    """(path, reason, why) of each file, in the archive's order."""
    try:
        listed = json.loads(document.folder.skipped.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [(path, Reason(reason), why) for path, reason, why in listed]


def skipped_groups(*, document: Document, reason: str = "", page: str = "1") -> list[Group]:
    """The largest first; `page` is that of the group of this reason. Vendored files are told as their folders."""
    by_reason: dict[Reason, list[tuple[str, str]]] = {}
    for path, why_group, why in skipped_lines(document=document):
        by_reason.setdefault(why_group, []).append((path, why))
    groups = [_group(found, files, page if found == reason else "1") for found, files in by_reason.items()]
    return sorted(groups, key=lambda group: (-group.files, group.reason))


def _group(reason: Reason, files: list[tuple[str, str]], page: str) -> Group:
    if reason is Reason.VENDORED:
        folders = Counter(vendored_folder(path) for path, _ in files)
        lines = [Line(folder, count, "") for folder, count in sorted(folders.items())]
    else:
        whys = {why for _, why in files}
        lines = [Line(path, 1, why if len(whys) > 1 else "") for path, why in sorted(files)]
    return Group(reason, len(files), Paginator(lines, LINES_A_PAGE).get_page(page))
