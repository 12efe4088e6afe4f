"""Pages that are read from their pictures: by the models themselves, in processes of their own."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pytest
from fpdf import FPDF
from PIL import Image

from ingest.confined import environment
from ingest.document import read_document
from ingest.limits import Limits
from ingest.model import Box, DocumentSummary, ParsedPage, Reading, Word
from ingest.page_lines import PageLines, ReadLine, page_lines, plain, turned_back
from ingest.parsers.base import ParserContext
from ingest.parsers.pdf import PdfParser
from ingest.prompt.page_map import PageMap
from ingest.scans import read_scans
from ingest.storage import DocumentFolder
from tests.ingest import pdfs
from tests.ingest.conftest import ByteTokenizer
from tests.processes import ROOT

Stored = Callable[[bytes], DocumentFolder]
LINES = ["The Supplier shall repair the turbine", "within nineteen days of the notice."]
TEXT = pdfs.pages_of_text([(72, 100 + 16 * index, line) for index, line in enumerate(LINES)])
STAMP = "Envelope 4711"


def picture(content: bytes = TEXT, dpi: int = 120) -> Image.Image:
    """A page as a scanner sees it."""
    page: Image.Image = pdfium.PdfDocument(content)[0].render(scale=dpi / 72).to_pil()
    return page.convert("L")


def bound(*pages: Image.Image | str) -> bytes:
    """A PDF with a scan a page; a string is a page of text, or a stamp if a scan stands before it on the same page."""
    pdf = FPDF(unit="pt", format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_font("Helvetica", size=12)
    for page in pages:
        if page != STAMP:
            pdf.add_page()
        if isinstance(page, str):
            pdf.text(72, 60, page)
        else:
            pdf.image(page, x=0, y=0, w=595.28, h=841.89)
    return bytes(pdf.output())


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[DocumentFolder, DocumentSummary]:
    """Text, a scan that was put in upside down, a skewed one, a stamped one, an empty one."""
    skewed = picture().rotate(2, fillcolor=255, resample=Image.Resampling.BICUBIC)
    empty = Image.new("L", (595, 842), 240)
    folder = DocumentFolder(tmp_path_factory.mktemp("documents"), "scan")
    folder.folder.mkdir()
    folder.original.write_bytes(bound("Born digital.", picture().rotate(180), skewed, picture(), STAMP, empty))
    return folder, read_document("scan.pdf", "", folder, ByteTokenizer())


def test_each_page_says_how_it_was_read(read: tuple[DocumentFolder, DocumentSummary]) -> None:
    _, summary = read
    assert [page.reading for page in summary.pages] == [Reading.FILE, Reading.OCR, Reading.OCR, Reading.OCR, Reading.FILE]
    assert [page.confidence is not None and page.confidence > 0.95 for page in summary.pages] == [False, True, True, True, False]
    assert [page.has_text for page in summary.pages] == [True, True, True, True, False]
    assert summary.notes == ("Pages 2-4 were read by OCR.", "Page 5 is a picture without text.")


def test_a_scan_has_the_text_that_was_printed(read: tuple[DocumentFolder, DocumentSummary]) -> None:
    folder, _ = read
    pages = folder.parsed.text.read_text().split("\f")
    assert pages[0] == "Born digital."
    assert pages[1:3] == ["\n".join(LINES)] * 2
    assert pages[3].split("\n")[-2:] == LINES
    assert STAMP in pages[3]
    assert pages[4] == ""


def test_a_quote_is_marked_where_its_words_are_printed(read: tuple[DocumentFolder, DocumentSummary]) -> None:
    """Beside the places that the page had before it was a picture."""
    folder, _ = read
    text, page_map = folder.parsed.text.read_text(), PageMap.open(folder.parsed)
    (printed,) = PdfParser().parse(_original(folder, TEXT), ParserContext())
    start = text.rindex("repair the turbine")
    (marked,) = page_map.place(start, start + len("repair the turbine")).boxes
    first = printed.text.index("repair")
    words = [word.box for word in printed.words if first <= word.start < first + len("repair the turbine")]
    assert marked[0] == 4
    assert marked[1][::2] == pytest.approx((words[0][0], words[-1][2]), abs=0.012)
    assert marked[1][1] - 0.005 < words[0][1] < words[0][3] < marked[1][3] + 0.005
    upside_down = page_map.place(text.index("repair"), text.index("repair") + 6).boxes[0][1]
    assert upside_down == pytest.approx([1 - edge for edge in (words[0][2], words[0][3], words[0][0], words[0][1])], abs=0.012)


def test_the_pages_of_a_tiff_are_read(stored: Stored) -> None:
    target = io.BytesIO()
    sideways = picture().transpose(Image.Transpose.ROTATE_90)
    picture().save(target, "TIFF", save_all=True, append_images=[sideways], compression="tiff_lzw")
    folder = stored(target.getvalue())
    one_process = Limits(ocr_processes=1)  # loading the models takes as long as two of these pages
    summary = read_document("fax.tif", "", folder, ByteTokenizer(), limits=one_process)
    assert folder.parsed.text.read_text() == "\f".join(["\n".join(LINES)] * 2)
    assert summary.notes == ("Pages 1-2 were read by OCR.",)


@pytest.mark.parametrize("limits", [Limits(ocr_processes=0), Limits(ocr_seconds=0)], ids=["switched off", "too slow"])
def test_a_page_that_is_not_read_says_so_and_the_others_go_on(stored: Stored, limits: Limits) -> None:
    summary = read_document("a.pdf", "", stored(bound("Born digital.", picture(), "The end.")), ByteTokenizer(), limits=limits)
    assert [page.reading for page in summary.pages] == [Reading.FILE, Reading.UNREAD, Reading.FILE]
    assert summary.notes == ("Page 2 was not read by OCR; it can be looked at but not quoted.",)


def test_nothing_is_started_for_pages_whose_text_is_good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    pages = list(PdfParser().parse(_original(DocumentFolder(tmp_path, ""), TEXT), ParserContext()))
    assert list(read_scans(iter(pages), tmp_path, Limits())) == pages


def test_the_files_text_stays_where_ocr_finds_no_more(tmp_path: Path) -> None:
    """A page of few words on a picture: exact words are better than read ones."""
    page = ParsedPage(1, "Annual report 2024", 600, 800, has_image=True, wants_ocr=True)
    said = PageLines((ReadLine("Annual rep0rt 2024", ()),), 0, 0.9)
    assert _answer(page, said, tmp_path) == page
    longer = PageLines((ReadLine("Annual report 2024 of the Halvorsen Tidal Works", ()),), 0, 0.9)
    assert _answer(page, longer, tmp_path).text == longer.lines[0].text


@pytest.mark.parametrize(("confidence", "reading"), [(0.99, Reading.OCR), (0.9, Reading.UNCERTAIN), (0.6, Reading.POOR)])
def test_how_sure_it_is_becomes_a_word(confidence: float, reading: Reading, tmp_path: Path) -> None:
    page = ParsedPage(1, "", 600, 800, wants_ocr=True)
    assert _answer(page, PageLines((ReadLine("Fees", ()),), 0, confidence), tmp_path).reading is reading


def test_a_word_that_a_line_end_cut_is_whole(tmp_path: Path) -> None:
    lines = tuple(
        ReadLine(text, (Word(0, 5, (0.1, 0.1 * row, 0.2, 0.1 * row + 0.08)),))
        for row, text in enumerate(["nation and", "a termi-", "nation of it"])
    )
    page = ParsedPage(1, "", 600, 800, wants_ocr=True)
    assert _answer(page, PageLines(lines, 0, 1.0), tmp_path).text == "nation and\na termi-nation of it"


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_boxes_go_back_to_where_the_page_has_them(turn: int) -> None:
    page = np.zeros((200, 100), dtype=np.uint8)
    page[20:40, 10:50] = 1
    read = np.rot90(page, -turn // 90)
    rows, columns = np.nonzero(read)
    height, width = read.shape
    box: Box = (columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height)
    assert turned_back(box, turn) == pytest.approx((0.1, 0.1, 0.5, 0.2))


def test_ocr_leaves_no_id_of_the_machine_and_reports_to_nobody(tmp_path: Path) -> None:
    """ONNX Runtime leaves a file of each session, an id and a queue of reports, unless it is told not to."""
    (tmp_path / "scan.pdf").write_bytes(bound(picture()))
    (home := tmp_path / "home").mkdir()
    command = [sys.executable, "-m", "ingest.ocr", str(tmp_path / "scan.pdf"), "1000000", "60"]
    own = environment() | {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home)}
    done = subprocess.run(command, input='{"page": 1}\n', capture_output=True, text=True, cwd=ROOT, env=own, check=True)
    assert "turbine" in done.stdout
    assert not list(home.rglob("*"))


def test_a_page_on_which_ocr_finds_nothing_was_read(tmp_path: Path) -> None:
    page = ParsedPage(1, "", 595.0, 842.0, has_image=True, wants_ocr=True)
    assert _answer(page, PageLines((), 0, 0.0), tmp_path) == page


def test_it_passes_between_processes_as_it_is() -> None:
    page = PageLines((ReadLine("a b", (Word(0, 1, (0.0, 0.1, 0.2, 0.3)), Word(2, 3, (0.2, 0.1, 0.4, 0.3)))),), 270, 0.98)
    assert page_lines(plain(page)) == page


def _answer(page: ParsedPage, said: PageLines, folder: Path) -> ParsedPage:
    """What becomes of a page of which OCR says this."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ingest.scans._Reader.ask", lambda reader, number: plain(said))
        return next(iter(read_scans(iter([page]), folder, Limits())))


def _original(folder: DocumentFolder, content: bytes) -> Path:
    source = folder.folder / "printed.pdf"
    source.write_bytes(content)
    return source
