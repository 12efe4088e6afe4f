"""Reading a document from end to end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.lexical import LexicalIndex
from ingest.document import index_document, open_prompt, read_document
from ingest.errors import FileRefused, LimitExceeded
from ingest.limits import Limits
from ingest.model import DocumentSummary, Kind, ParsedPage
from ingest.notes import page_notes
from ingest.parsers.base import ParserContext
from ingest.parsers.pdf import PdfParser
from ingest.progress import Progress
from ingest.prompt.page_map import PageMap
from ingest.storage import DocumentFolder
from tests.ingest import pdfs
from tests.ingest.conftest import ByteTokenizer

Read = Callable[[str, bytes], tuple[DocumentFolder, DocumentSummary]]
Stored = Callable[[bytes], DocumentFolder]
TWO_PAGES = pdfs.pages_of_text([(72, 72, "Page one")], [(72, 72, "Page two")])


def test_it_reads_a_pdf_to_a_prompt(read: Read, tmp_path: Path) -> None:
    folder, summary = read("a.pdf", TWO_PAGES)
    prompt = open_prompt([("id", "a.pdf", folder)], tmp_path / "lexical", "salt")
    assert summary.kind is Kind.PAGED
    assert [(page.number, page.start_char, page.end_char) for page in summary.pages] == [(1, 0, 8), (2, 9, 17)]
    assert prompt.documents[0].text() == "Page one\fPage two"
    assert (prompt.chunks, prompt.tokens) == (summary.chunks, summary.tokens)
    assert prompt.salt == "salt"


def test_a_no_break_space_between_the_words_of_a_page_is_a_space(read: Read, tmp_path: Path) -> None:
    """As browsers and word processors write PDFs. Each took two tokens, and no sentence ended for whoever looks for one."""
    (tmp_path / "odd.pdf").write_bytes(pdfs.spelled("h\xa0llo"))
    (odd,) = PdfParser().parse(tmp_path / "odd.pdf", ParserContext())
    assert odd.text == "h\xa0llo"
    (folder, summary), (_, plain) = read("a.pdf", pdfs.spelled("h\xa0llo")), read("a.pdf", pdfs.spelled("h llo"))
    assert folder.parsed.text.read_text() == "h llo"
    assert (summary.tokens, summary.chunks) == (plain.tokens, plain.chunks)
    assert [(word["start"], word["end"]) for word in PageMap.open(folder.parsed).words_of(1)] == [(0, 1), (2, 5)]


@pytest.mark.parametrize(("name", "kept"), [("a.txt", False), ("a.eml", False), ("a.py", True)])
def test_signs_that_look_like_a_plain_one_become_it_one_for_one_except_in_code(read: Read, name: str, kept: bool) -> None:
    said = "toll =\xa0'40\u202feuros\u037e a co\u2011owner\u3000pays – “nothing”'\n"
    folder, _ = read(name, said.encode() if name != "a.eml" else b"From: a@b.example\nTo: c@d.example\nSubject: x\n\n" + said.encode())
    text = folder.parsed.text.read_text()
    assert text.endswith(said if kept else "toll = '40 euros; a co-owner\u3000pays – “nothing”'\n")


def test_it_names_the_path_of_an_archives_member_in_the_header(stored: Stored) -> None:
    seen: list[str] = []

    class Listening(ByteTokenizer):
        def encode(self, text: str):
            seen.append(text)
            return super().encode(text)

    read_document("code.zip", "src/a.py", stored(b"x = 1\n"), Listening())
    assert "[src/a.py, lines 1-1]\n" in seen


@pytest.mark.parametrize(("path", "is_code"), [("code/tolls/fees.py", True), ("code/README.md", False), ("fees.pdf", False)])
def test_a_prompt_knows_a_programs_files(read: Read, tmp_path: Path, path: str, is_code: bool) -> None:
    folder, _ = read("a.txt", b"Fees.\n")
    assert open_prompt([("id", path, folder)], tmp_path / "lexical", "salt").documents[0].is_code == is_code


def test_it_indexes_the_bodies_of_the_chunks(read: Read, tmp_path: Path) -> None:
    folder, summary = read("a.txt", ("The toll is paid.\n\n" * 200 + "Ostriches travel free.\n").encode())
    index_document(tmp_path / "lexical", "id", folder)
    (hit,) = LexicalIndex(tmp_path / "lexical").search("ostriches", None, 5)
    assert (hit.document, hit.chunk) == ("id", summary.chunks - 1)


def test_it_reports_each_page(stored: Stored) -> None:
    seen: list[Progress] = []
    read_document("a.pdf", "", stored(TWO_PAGES), ByteTokenizer(), report=seen.append)
    assert [progress for progress in dict.fromkeys(seen) if progress.unit == "pages" and progress.done] == [
        Progress("reading pages", 1, 2, "pages"),
        Progress("reading pages", 2, 2, "pages"),
    ]


def test_it_leaves_the_old_parse_alone_when_a_report_stops_it(read: Read) -> None:
    folder, _ = read("a.pdf", TWO_PAGES)

    def cancel(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_document("a.pdf", "", folder, ByteTokenizer(), report=cancel)
    assert folder.parsed.text.read_text() == "Page one\fPage two"
    assert sorted(path.name for path in folder.folder.iterdir()) == ["original", "parsed"]


def test_it_opens_a_scan_as_a_document_without_chunks_and_says_so(read: Read, tmp_path: Path) -> None:
    folder, summary = read("scan.pdf", pdfs.scan())
    assert summary.notes == ("Page 1 is a picture without text.",)
    assert (summary.chunks, summary.pages[0].has_text) == (0, False)
    assert open_prompt([("id", "scan.pdf", folder)], tmp_path, "").tokens == 0


def test_it_leaves_nothing_behind_of_a_refused_file(stored: Stored) -> None:
    folder = stored(b"plain")
    with pytest.raises(FileRefused):
        read_document("a.pdf", "", folder, ByteTokenizer())
    assert [path.name for path in folder.folder.iterdir()] == ["original"]


def test_it_counts_characters_over_all_pages(stored: Stored) -> None:
    with pytest.raises(LimitExceeded, match="more than the 10 characters"):
        read_document("a.pdf", "", stored(TWO_PAGES), ByteTokenizer(), limits=Limits(text_chars=10))


def test_it_joins_neighbouring_pages_in_notes() -> None:
    scans = [ParsedPage(number, "", 1, 1, (), has_image=True) for number in (1, 2, 3, 5, 9)]
    others = [ParsedPage(6, "", 1, 1), ParsedPage(7, "")]
    assert page_notes([*scans, *others]) == (
        "Page 7 is damaged and could not be read.",
        "Pages 1-3, 5 and 9 are pictures without text.",
        "Page 6 has no text.",
    )
