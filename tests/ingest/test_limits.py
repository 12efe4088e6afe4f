"""The limits: each is a setting, and each refusal says which it is, by how much, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from ingest.apart import ParsingProcess
from ingest.archive import expand
from ingest.document import read_document
from ingest.errors import LimitExceeded
from ingest.limit_settings import SETTINGS, LimitSettingWrong, limits_from, limits_of, megabytes
from ingest.limits import Cost, Limits
from ingest.parsers.base import ParserContext
from ingest.parsers.registry import choose_parser
from ingest.storage import DocumentFolder
from tests.architecture.source import ROOT
from tests.ingest import packages, pdfs
from tests.ingest.conftest import ByteTokenizer

Stored = Callable[[bytes], DocumentFolder]
TIGHT = replace(Limits().parsing, memory_bytes=800_000_000, written_bytes=5_000_000)
OPEN_TEXT = "application/vnd.oasis.opendocument.text"
TWO_PAGES = pdfs.pages_of_text([(72, 72, "Ninety days.")], [(72, 72, "Thirty days.")])


def names() -> Iterator[str]:
    for field in fields(Limits):
        whole = getattr(Limits(), field.name)
        yield from (f"{field.name}.{part.name}" for part in fields(Cost)) if isinstance(whole, Cost) else [field.name]


def value(limits: Limits, name: str) -> int:
    first, _, part = name.partition(".")
    return int(getattr(getattr(limits, first), part) if part else getattr(limits, first))


def test_each_limit_is_a_setting_of_its_own() -> None:
    assert set(SETTINGS) == set(names())
    for name, setting in SETTINGS.items():
        set_ = limits_from({setting.variable: "987654321"})
        assert [other for other in names() if value(set_, other) != value(Limits(), other)] == [name]
    assert limits_from({}) == limits_from({"LONGREAD_LIMIT_PAGES": ""}) == Limits()


def test_each_stands_in_the_documentation_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", page, re.M))
    assert {setting.variable: value(Limits(), name) for name, setting in SETTINGS.items()}.items() <= {
        name: int(number) for name, number in said.items()
    }.items()


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "1e9", " "])
def test_it_refuses_what_is_no_limit(text: str) -> None:
    with pytest.raises(LimitSettingWrong, match=rf"LONGREAD_LIMIT_PAGES is '{re.escape(text)}'; it must be a whole number of at least 1\."):
        limits_from({"LONGREAD_LIMIT_PAGES": text})
    with pytest.raises(LimitSettingWrong, match=r"PARSING_MEMORY_BYTES is '1000'; .* at least 500,000,000"):
        limits_from({"LONGREAD_LIMIT_PARSING_MEMORY_BYTES": "1000"})


def test_they_reach_another_process_as_they_are() -> None:
    limits = limits_from({"LONGREAD_LIMIT_PAGES": "7", "LONGREAD_LIMIT_DRAWING_SECONDS": "9"})
    assert limits_of(asdict(limits)) == limits
    assert (limits.pages, limits.drawing.wall_seconds) == (7, 9)


def test_sizes_are_never_nought() -> None:
    assert [megabytes(count) for count in (7, 250_000, 200_000_000)] == ["7 bytes", "0.2 MB", "200 MB"]


def refusal(file: Path, limits: Limits) -> str:
    with pytest.raises(LimitExceeded) as refused:
        list(choose_parser(file, file.name, limits).parse(file, ParserContext(limits)))
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "limits", "said"),
    [
        (
            "a.txt",
            b"x" * 3_000_000,
            Limits(file_bytes=1_000_000),
            "This file has 3.0 MB, 2.0 MB more than the 1.0 MB that are read. Split it into parts, or ask your operator to raise "
            "LONGREAD_UPLOAD_BYTES.",
        ),
        (
            "a.pdf",
            TWO_PAGES,
            Limits(pages=1),
            "This PDF has 2 pages, 1 more than the 1 that are read. Split it into parts, or ask your operator to raise "
            "LONGREAD_LIMIT_PAGES.",
        ),
        (
            "a.txt",
            b"abc\n" * 5,
            Limits(text_chars=10),
            "This text has 20 characters, 10 more than the 10 that are read. Split it into parts, or ask your operator to raise "
            "LONGREAD_LIMIT_CHARACTERS.",
        ),
        (
            "a.txt",
            b"abcdef\n",
            Limits(line_chars=4),
            "A line of this file has 6 characters, 2 more than the 4 that are read, and looks like data rather than text. Break its lines, "
            "leave it out, or ask your operator to raise LONGREAD_LIMIT_LINE_CHARACTERS.",
        ),
        (
            "a.odt",
            packages.zipped({"mimetype": OPEN_TEXT, "content.xml": "x" * 5_000}),
            Limits(package_bytes=1_000),
            "The text and marks of this OpenDocument text have 5,000 bytes, 4,000 bytes more than the 1,000 bytes that are read, "
            "unpacked. Split it into parts, save it as a new file if it should be smaller, or ask your operator to raise "
            "LONGREAD_LIMIT_PACKAGE_BYTES.",
        ),
        (
            "a.odt",
            packages.zipped({"mimetype": OPEN_TEXT, "content.xml": "x"}),
            Limits(archive_entries=1),
            "This OpenDocument text has 2 parts, 1 more than the 1 that are read. Split it, or ask your operator to raise "
            "LONGREAD_LIMIT_ARCHIVE_FILES.",
        ),
    ],
    ids=["bytes", "pages", "characters", "line", "package", "parts"],
)
def test_a_file_past_a_limit_is_told_which_by_how_much_and_what_to_do(
    tmp_path: Path, name: str, content: bytes, limits: Limits, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert (
        re.fullmatch(said.replace(".", r"\.").replace(r"\\.", r"\."), refusal(tmp_path / name, limits))
        or refusal(tmp_path / name, limits) == said
    )


def test_a_long_document_is_told_where_it_went_past(stored: Stored) -> None:
    with pytest.raises(LimitExceeded) as refused:
        read_document("a.pdf", "", stored(TWO_PAGES), ByteTokenizer(), limits=Limits(text_chars=15))
    assert str(refused.value) == (
        "This document has more than the 15 characters that are read, and is past them at page 2 of 2. Split it into parts, or ask your "
        "operator to raise LONGREAD_LIMIT_CHARACTERS."
    )


def test_a_document_of_many_tokens_is_told_how_many(stored: Stored) -> None:
    folder = stored(b"abcdefghij")
    with pytest.raises(LimitExceeded) as refused:
        read_document("a.txt", "", folder, ByteTokenizer(), limits=Limits(tokens=3))
    assert str(refused.value) == (
        "This document has 5 tokens, 2 more than the 3 that are read. Split it into parts, or ask your operator to raise "
        "LONGREAD_LIMIT_TOKENS."
    )
    assert [path.name for path in folder.folder.iterdir()] == ["original"]


@pytest.fixture(scope="module")
def obeying() -> Iterator[ParsingProcess]:
    process = ParsingProcess("tests.ingest.hostile")
    yield process
    process.close()


@pytest.mark.parametrize(
    ("order", "cost", "most", "variable"),
    [
        ("allocate", TIGHT, "800 MB of memory", "MEMORY_BYTES"),
        ("write", TIGHT, "5.0 MB for its text and its places", "WRITTEN_BYTES"),
        ("loop", replace(TIGHT, cpu_seconds=1), "1 second of processor time", "CPU_SECONDS"),
        ("sleep", replace(TIGHT, wall_seconds=1), "1 second", "SECONDS"),
    ],
)
def test_a_file_that_takes_too_much_is_told_how_far_it_came(
    stored: Stored, obeying: ParsingProcess, order: str, cost: Cost, most: str, variable: str
) -> None:
    with pytest.raises(LimitExceeded) as refused:
        read_document("a.txt", "", stored(f"first\n{order}".encode()), ByteTokenizer(), limits=Limits(parsing=cost), process=obeying)
    said = str(refused.value)
    assert said.startswith(f"Reading this file takes more than {most}, the most, and was stopped a")
    assert said.endswith(
        " It is damaged, or holds more than it shows: save it as a new file, split it into parts, or ask your operator to raise "
        f"LONGREAD_LIMIT_PARSING_{variable}."
    )


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (
            Limits(archive_entries=1),
            "This archive has too many files: more than the 1 that are read, of 2 entries in all. Upload it in parts, or ask your operator "
            "to raise LONGREAD_LIMIT_ARCHIVE_FILES.",
        ),
        (
            Limits(archive_listed=1),
            "This archive has too many entries: more than the 1 that are looked at. Upload it in parts, or ask your operator to raise "
            "LONGREAD_LIMIT_ARCHIVE_ENTRIES.",
        ),
        (
            Limits(archive_directory_bytes=100),
            "The list of this archive's entries has 102 bytes, 2 bytes more than the 100 bytes that are read. Upload it in parts, or ask "
            "your operator to raise LONGREAD_LIMIT_ARCHIVE_DIRECTORY_BYTES.",
        ),
        (
            Limits(archive_bytes=1_000_010),
            "This archive unpacks to more than the 1.0 MB that are read, and is past them at its file 2, 'b.txt'. Upload it in parts, or "
            "ask your operator to raise LONGREAD_LIMIT_ARCHIVE_BYTES.",
        ),
    ],
    ids=["files", "entries", "list", "bytes"],
)
def test_an_archive_past_a_limit_is_told_which_and_where(tmp_path: Path, limits: Limits, said: str) -> None:
    source = tmp_path / "a.zip"
    source.write_bytes(packages.zipped({"a.txt": b"x" * 1_000_000, "b.txt": b"x" * 1_000_000}))
    (tmp_path / "into").mkdir()
    with pytest.raises(LimitExceeded) as refused:
        list(expand(source, "a.zip", tmp_path / "into", limits))
    assert str(refused.value) == said


def test_a_bomb_and_a_large_file_in_an_archive_are_told_apart(tmp_path: Path) -> None:
    source = tmp_path / "a.zip"
    source.write_bytes(packages.zipped({"a.txt": b"some words", "b.txt": b"x" * 9_000_000}))
    (tmp_path / "into").mkdir()
    with pytest.raises(LimitExceeded) as refused:
        list(expand(source, "a.zip", tmp_path / "into", Limits()))
    assert re.fullmatch(
        r"The entry 'b\.txt' unpacks to more than 200 times its size, as a bomb does: its [\d,]+ bytes to 9\.0 MB and perhaps more\. "
        r"Remove it from the archive, or ask your operator to raise LONGREAD_LIMIT_ARCHIVE_RATIO\.",
        str(refused.value),
    )
    (tmp_path / "again").mkdir()
    (_, large) = expand(source, "a.zip", tmp_path / "again", Limits(file_bytes=1_000_000))
    assert large.skipped
    assert large.skipped.why == "it has 9.0 MB, 8.0 MB more than the 1.0 MB that are read"
