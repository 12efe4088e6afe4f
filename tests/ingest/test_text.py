"""Plain text: encodings, line ends, and what is not text; and which parser a file gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import FileRefused, LimitExceeded
from ingest.limits import Limits
from ingest.model import Kind
from ingest.parsers.registry import choose_parser, is_archive
from ingest.parsers.text import read_text

LIMITS = Limits()


def put(tmp_path: Path, content: bytes) -> Path:
    source = tmp_path / "original"
    source.write_bytes(content)
    return source


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_it_reads_text_in_the_encodings_that_people_have(tmp_path: Path, encoding: str) -> None:
    text = "Die Gebühr beträgt 35 €. Über die Höhe entscheidet der Vorstand; die Mitglieder können widersprechen.\n" * 3
    assert read_text(put(tmp_path, text.encode(encoding)), LIMITS) == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", "Les frais s'élèvent à 35 francs. Après le délai, les intérêts sont dus; ça dépend de la durée écoulée.\n"),
        ("shift_jis", "料金は三十五円です。会員は年に一度、理事会に異議を申し立てることができます。\n"),
        ("cp1251", "Плата составляет 35 рублей. Решение принимает правление; члены могут возразить.\n"),
    ],
)
def test_it_tells_encodings_by_what_the_text_looks_like(tmp_path: Path, encoding: str, text: str) -> None:
    source = put(tmp_path, (text * 5).encode(encoding))
    assert choose_parser(source, "a.txt", LIMITS).kind is Kind.TEXT
    assert read_text(source, LIMITS) == text * 5


def test_it_makes_all_line_ends_the_same(tmp_path: Path) -> None:
    assert read_text(put(tmp_path, b"a\r\nb\rc\n"), LIMITS) == "a\nb\nc\n"


def test_it_reads_bytes_that_are_no_encoding_at_all(tmp_path: Path) -> None:
    assert "fee" in read_text(put(tmp_path, b"the fee is \xff\xfe\x81 due \xc3\x28"), LIMITS)


def test_it_keeps_characters_that_turn_the_direction(tmp_path: Path) -> None:
    text = "pay \u202e0005\u202c now"
    assert read_text(put(tmp_path, text.encode()), LIMITS) == text


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_it_refuses_an_empty_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FileRefused, match=r"^This file is empty\. "):
        read_text(put(tmp_path, content), LIMITS)


def test_it_refuses_a_file_without_bytes_before_it_is_parsed(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"^This file is empty\. "):
        choose_parser(put(tmp_path, b""), "empty.pdf", LIMITS)


def test_it_refuses_a_late_nul_byte(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="binary"):
        read_text(put(tmp_path, b"a" * 10_000 + b"\x00"), LIMITS)


def test_it_refuses_a_line_of_thirty_megabytes(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="line of this file has 30,000,000 characters, 29,000,000 more"):
        read_text(put(tmp_path, b"x" * 30_000_000), LIMITS)


def test_it_refuses_text_named_pdf_and_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"named \.pdf but holds plain text\. Rename it to \.txt"):
        choose_parser(put(tmp_path, b"hello"), "report.PDF", LIMITS)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"PK\x03\x04rest", "letter.docx", r"named \.docx but is damaged"),
        (b"PK\x03\x04rest", "more.zip", "archive deep inside other archives"),
        (b"GIF89a\x01\x00", "photo.gif", "a picture"),
        (b"ab\x00cd", "what", "binary data"),
    ],
)
def test_it_says_what_a_file_is_that_it_does_not_read(tmp_path: Path, content: bytes, name: str, words: str) -> None:
    with pytest.raises(FileRefused, match=words):
        choose_parser(put(tmp_path, content), name, LIMITS)


def test_it_refuses_a_file_over_the_limit(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="1 byte more than the 10 bytes that are read"):
        choose_parser(put(tmp_path, b"x" * 11), "a.txt", Limits(file_bytes=10))


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.txt", b"text", Kind.TEXT),
        ("README.md", b"text", Kind.TEXT),
        ("notes", b"text", Kind.TEXT),
        ("src/fees.py", b"x = 1", Kind.CODE),
        ("Makefile", b"all:", Kind.CODE),
        (".gitignore", b"var/", Kind.CODE),
        ("misnamed.txt", b"%PDF-1.7", Kind.PAGED),
    ],
)
def test_it_chooses_by_content_and_then_by_name(tmp_path: Path, name: str, content: bytes, kind: Kind) -> None:
    assert choose_parser(put(tmp_path, content), name, LIMITS).kind is kind


def test_it_tells_an_archive_from_an_office_file(tmp_path: Path) -> None:
    source = put(tmp_path, b"PK\x03\x04rest")
    assert is_archive(source, "code.zip")
    assert not is_archive(source, "letter.docx")
