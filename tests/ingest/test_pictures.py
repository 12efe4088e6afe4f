"""Page images in prompts: which pages, where in the prompt, and a tiny model with random eyes that reads them from file to answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from docx.document import Document as WordDocument
from fpdf import FPDF
from PIL import Image, ImageDraw
from pypdf import PdfReader, PdfWriter, Transformation

from engine.engine import Engine
from engine.errors import ModelDamaged, PromptUnreadable
from engine.events import AnswerOptions, Done
from engine.model.image_reader import ImageReader
from engine.prompt import Chunk, ImageSegment, Prompt
from engine.sight import Sight
from engine.tiling import token_count
from engine.tokenizer import Tokenizer
from ingest.document import index_document, open_prompt, read_document
from ingest.limits import Limits
from ingest.model import DocumentSummary, ParsedPage
from ingest.page_images import PageImages, PageImagesWrong, page_images_from
from ingest.parsers.base import ParserContext
from ingest.parsers.pdf import PdfParser
from ingest.progress import Progress
from ingest.prompt.pictures import Seeing
from ingest.storage import DocumentFolder
from tests.engine.models import save_model
from tests.ingest import packages, pdfs

Stored = Callable[[bytes], DocumentFolder]
WORDS = [(72.0, 72.0 + 20 * line, f"Line {line} of a page that says what it means in words.") for line in range(12)]


def pdf(*draw: Callable[[FPDF], None]) -> bytes:
    """A page for each, A4 in points."""
    made = FPDF(unit="pt", format="A4")
    made.set_auto_page_break(False)
    made.set_font("Helvetica", size=12)
    for each in draw:
        made.add_page()
        each(made)
    return bytes(made.output())


def words(made: FPDF) -> None:
    for x, y, line in WORDS:
        made.text(x, y, line)


def picture(made: FPDF, x: float, y: float, w: float, h: float, shade: int = 200) -> None:
    drawn = Image.new("L", (120, 120), shade)
    ImageDraw.Draw(drawn).ellipse((10, 10, 90, 90), fill=20)
    made.image(drawn, x=x, y=y, w=w, h=h)


def scan(made: FPDF) -> None:
    picture(made, 0, 0, 595, 842)


def chart(made: FPDF) -> None:
    """A line of many points, with a caption."""
    words(made)
    made.polyline([(100.0 + 10 * step, 500.0 + (37 * step) % 190) for step in range(40)])


def table(made: FPDF) -> None:
    """Rules, boxes and shades, all of them behind words or thin."""
    words(made)
    made.set_fill_color(230)
    for row in range(20):
        made.rect(60, 400 + 20 * row, 475, 18, style="DF")
        made.line(60, 400 + 20 * row, 535, 400 + 20 * row)


def read(content: bytes, tmp_path: Path) -> list[ParsedPage]:
    source = tmp_path / "a.pdf"
    source.write_bytes(content)
    return list(PdfParser().parse(source, ParserContext(Limits())))


@pytest.mark.parametrize(
    ("draw", "more"),
    [
        (words, False),
        (scan, True),
        (lambda made: (words(made), picture(made, 100, 400, 300, 200)), True),  # a chart as a picture: 12 % of the page
        (lambda made: (words(made), picture(made, 72, 760, 90, 60)), False),  # a logo: 1 %
        (lambda made: (picture(made, 70, 55, 270, 240), words(made)), False),  # a background, words all over it
        (chart, True),
        (table, False),
        (lambda made: made.rect(10, 10, 575, 822, style="D", round_corners=True, corner_radius=20), False),  # a frame around nothing
    ],
    ids=["words", "scan", "picture", "logo", "background", "chart", "table", "frame"],
)
def test_it_tells_pages_that_show_more_than_they_say(tmp_path: Path, draw: Callable[[FPDF], None], more: bool) -> None:
    (page,) = read(pdf(draw), tmp_path)
    assert page.shows_more is more


@pytest.mark.parametrize(("scale", "more"), [(1.0, True), (0.3, False)])
def test_it_looks_into_forms_and_sees_how_large_they_are_drawn(tmp_path: Path, scale: float, more: bool) -> None:
    """The whole page in a form, as converters make it, drawn at its size or small in a corner."""
    inner = PdfReader(io.BytesIO(pdf(lambda made: picture(made, 100, 100, 300, 300)))).pages[0]
    writer = PdfWriter()
    outer = writer.add_blank_page(595, 842)
    outer.merge_transformed_page(inner, Transformation().scale(scale))
    target = io.BytesIO()
    writer.write(target)
    (page,) = read(target.getvalue(), tmp_path)
    assert page.shows_more is more


def test_a_rotated_page_shows_the_same(tmp_path: Path) -> None:
    one = pdf(lambda made: (words(made), picture(made, 100, 400, 300, 200)))
    assert [page.shows_more for page in read(pdfs.rotated(one, 90), tmp_path)] == [True]


def test_the_setting_is_one_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    assert page_images_from() is PageImages.NEEDED
    monkeypatch.setenv("LONGREAD_PAGE_IMAGES", "all")
    assert page_images_from() is PageImages.ALL
    monkeypatch.setenv("LONGREAD_PAGE_IMAGES", "yes")
    with pytest.raises(PageImagesWrong, match="LONGREAD_PAGE_IMAGES is 'yes'; it may be needed, all, none"):
        page_images_from()


# ---------------------------------------------------------------------------------------------------- a model that sees


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama 4 with eyes, whose vocabulary has the words for images where its config says."""
    folder = tmp_path_factory.mktemp("model")
    save_model("llama4", folder)
    patch = Tokenizer.open(folder).special("<|patch|>")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"image_token_index": patch, "longread": {"reading": "exact"}}))
    return folder


@pytest.fixture(scope="module")
def tokenizer(model: Path) -> Tokenizer:
    return Tokenizer.open(model)


@pytest.fixture(scope="module")
def seeing(model: Path, tokenizer: Tokenizer) -> Seeing:
    found = Seeing.of(model, tokenizer)
    assert found
    return found


@pytest.fixture(scope="module")
def engine(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.opening.placement", lambda _: (torch.device("cpu"), torch.float32))
        engine = Engine.open(model, tmp_path_factory.mktemp("store"))
    yield engine
    engine.close()


def say(line: str) -> Callable[[FPDF], None]:
    return lambda made: made.text(72, 72, line)


MIXED = (say("The notice is ninety days."), scan, lambda made: (say("The fee is forty euros.")(made), picture(made, 100, 300, 300, 300)))
FILE = pdf(*MIXED)


def chunks_of(folder: DocumentFolder, tmp_path: Path) -> tuple[Prompt, list[Chunk]]:
    index_document(tmp_path / "lexical.sqlite3", "d", folder)
    prompt = open_prompt([("d", "a.pdf", folder)], tmp_path / "lexical.sqlite3", "salt")
    return prompt, list(prompt.documents[0].chunks())


def read_seeing(folder: DocumentFolder, tokenizer: Tokenizer, seeing: Seeing | None) -> DocumentSummary:
    return read_document("a.pdf", "", folder, tokenizer, limits=Limits(ocr_processes=0), seeing=seeing)


def test_a_page_that_shows_more_opens_a_chunk_with_its_image(stored: Stored, tmp_path: Path, tokenizer: Tokenizer, seeing: Seeing) -> None:
    folder = stored(FILE)
    summary = read_seeing(folder, tokenizer, seeing)
    _, (first, scanned, mixed) = chunks_of(folder, tmp_path)
    text = folder.parsed.text.read_text()
    assert [len(chunk.images) for chunk in (first, scanned, mixed)] == [0, 1, 1]
    assert [text[chunk.start_char : chunk.end_char].strip("\f") for chunk in (first, scanned, mixed)] == [
        "The notice is ninety days.",
        "",
        "The fee is forty euros.",
    ]
    for chunk, page in ((scanned, 2), (mixed, 3)):
        (image,) = chunk.images
        with Image.open(image.path) as drawn:
            tiles, ids = seeing.sight.laid_out(drawn.width, drawn.height)
        assert (image.tiles, len(ids)) == (tiles, token_count(tiles, seeing.sight.tokens_per_tile))
        assert chunk.ids[image.first_token : image.end_token].tolist() == ids.tolist()
        assert image.end_token == chunk.header_tokens
        assert tokenizer.decode(chunk.ids[: image.first_token].tolist()) == f"[a.pdf, page {page}]\n"
    assert tokenizer.decode(mixed.body.tolist()) == "The fee is forty euros."
    assert summary.tokens == sum(len(chunk.ids) for chunk in (first, scanned, mixed))
    assert not any("only the words around" in note for note in summary.notes)


def test_whoever_does_not_see_pays_nothing_and_is_told(stored: Stored, tmp_path: Path, tokenizer: Tokenizer) -> None:
    folder = stored(FILE)
    summary = read_seeing(folder, tokenizer, None)
    prompt, chunks = chunks_of(folder, tmp_path)
    assert not any(chunk.images for chunk in chunks)
    assert not folder.parsed.pictures.exists()
    assert summary.tokens == prompt.tokens < 60
    assert "Page 3 shows pictures or drawings of which only the words around are read." in summary.notes


@pytest.mark.parametrize(("pages", "shown"), [(PageImages.ALL, 3), (PageImages.NONE, 0)])
def test_a_setting_chooses_all_pages_or_none(
    stored: Stored, tmp_path: Path, tokenizer: Tokenizer, seeing: Seeing, pages: PageImages, shown: int
) -> None:
    folder = stored(FILE)
    seen: list[Progress] = []
    read_document("a.pdf", "", folder, tokenizer, limits=Limits(ocr_processes=0), seeing=replace(seeing, pages=pages), report=seen.append)
    _, chunks = chunks_of(folder, tmp_path)
    assert sum(len(chunk.images) for chunk in chunks) == shown
    assert ([progress.total for progress in seen if progress.stage == "drawing pages"] or [0])[0] == shown


def test_a_document_of_nothing_but_scans_is_all_images(stored: Stored, tmp_path: Path, tokenizer: Tokenizer, seeing: Seeing) -> None:
    folder = stored(pdf(scan, scan))
    read_seeing(folder, tokenizer, seeing)
    _, chunks = chunks_of(folder, tmp_path)
    assert [(len(chunk.images), len(chunk.body)) for chunk in chunks] == [(1, 0), (1, 0)]


def test_it_keeps_no_image_of_an_earlier_reading(stored: Stored, tmp_path: Path, tokenizer: Tokenizer, seeing: Seeing) -> None:
    folder = stored(FILE)
    read_seeing(folder, tokenizer, seeing)
    read_seeing(folder, tokenizer, None)
    assert not folder.parsed.pictures.exists()
    assert not any(chunk.images for chunk in chunks_of(folder, tmp_path)[1])


def test_a_long_page_has_its_image_once(stored: Stored, tmp_path: Path, tokenizer: Tokenizer, seeing: Seeing) -> None:
    lines = [(30.0, 20.0 + 12 * line, f"{line} what was said of the fee and of the notice, again and again") for line in range(60)]

    def long(made: FPDF) -> None:
        picture(made, 450, 0, 145, 842)
        for x, y, line in lines:
            made.text(x, y, line)

    folder = stored(pdf(say("The notice is ninety days."), long))
    read_seeing(folder, tokenizer, seeing)
    _, chunks = chunks_of(folder, tmp_path)
    assert len(chunks) > 3
    assert [len(chunk.images) for chunk in chunks] == [0, 1, *[0] * (len(chunks) - 2)]
    text = folder.parsed.text.read_text()
    assert "".join(text[chunk.start_char : chunk.end_char] for chunk in chunks) == text


def test_a_model_that_sees_is_shown_the_pictures_in_a_text(stored: Stored, tmp_path: Path, tokenizer: Tokenizer, seeing: Seeing) -> None:
    """But not the small ones."""
    chart, icon = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (400, 300), "red").save(chart, "PNG")
    Image.new("RGB", (64, 64), "blue").save(icon, "PNG")

    def write(made: WordDocument) -> None:
        made.add_paragraph("The notice is ninety days.")
        for drawn in (icon, chart):
            made.add_picture(drawn)
        made.add_paragraph("The end.")

    folder = stored(packages.word(write))
    read_seeing(folder, tokenizer, seeing)
    _, chunks = chunks_of(folder, tmp_path)
    text = folder.parsed.text.read_text()
    assert [len(chunk.images) for chunk in chunks] == [0, 1]
    bodies = [text[chunk.start_char : chunk.end_char] for chunk in chunks]
    assert bodies == ["The notice is ninety days.\n\n[picture 1]\n\n[picture 2]", "\n\nThe end.\n\n"]
    with Image.open(chunks[1].images[0].path) as image:
        assert image.size == (400, 300)


def test_the_engine_reads_the_images_on_the_way_to_an_answer(
    stored: Stored, tmp_path: Path, tokenizer: Tokenizer, seeing: Seeing, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ImageSegment] = []
    features = ImageReader.features

    def looked(self: ImageReader, segment: ImageSegment) -> torch.Tensor:
        seen.append(segment)
        return features(self, segment)

    monkeypatch.setattr(ImageReader, "features", looked)
    folder = stored(FILE)
    summary = read_seeing(folder, tokenizer, seeing)
    prompt, _ = chunks_of(folder, tmp_path)
    *_, event = engine.prefill(prompt)
    assert (event.tokens_done, event.tokens) == (summary.tokens, summary.tokens)
    assert [segment.path.name for segment in seen] == ["2-900.webp", "3-900.webp"]
    *_, last = engine.answer(prompt, "What is the fee?", options=AnswerOptions(max_tokens=4))
    assert isinstance(last, Done)
    assert len(seen) == 2, "the answer is read from what was stored"

    changed = stored(pdf(MIXED[0], lambda made: picture(made, 0, 0, 595, 842, shade=90), MIXED[2]))
    read_seeing(changed, tokenizer, seeing)
    assert folder.parsed.ids.read_bytes() == changed.parsed.ids.read_bytes()
    list(engine.prefill(chunks_of(changed, tmp_path)[0]))
    assert len(seen) == 4, "another picture of the same size is another state"


def test_an_image_that_is_gone_is_said(stored: Stored, tmp_path: Path, tokenizer: Tokenizer, seeing: Seeing, engine: Engine) -> None:
    folder = stored(pdf(say("Another one."), scan))
    read_seeing(folder, tokenizer, seeing)
    (folder.parsed.pictures / "2-900.webp").unlink()
    with pytest.raises(PromptUnreadable, match=r"2-900\.webp is missing\. Parse the document again"):
        list(engine.prefill(chunks_of(folder, tmp_path)[0]))


def test_none_is_drawn_for_a_model_that_answers_over_words(model: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"longread": {"reading": "free"}}))
    (tmp_path / "model.safetensors").symlink_to(model / "model.safetensors")
    assert Sight.open(tmp_path, tokenizer) is None


def test_a_vocabulary_of_another_model_is_told_apart(model: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    for file in model.iterdir():
        if file.name != "config.json":
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "config.json").write_text(json.dumps(config | {"image_token_index": 7}))
    with pytest.raises(ModelDamaged, match="reads page images at token 7"):
        Sight.open(tmp_path, tokenizer)


def test_no_page_image_is_drawn_for_a_server(model: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGREAD_ENGINE_URL", "http://127.0.0.1:9/v1")
    assert Seeing.of(model, tokenizer) is None


def test_images_count_as_tokens_of_the_limit(stored: Stored, tokenizer: Tokenizer, seeing: Seeing) -> None:
    with pytest.raises(Exception, match=r"more than the 50 that are read\. Split it into parts, .* LONGREAD_LIMIT_TOKENS"):
        read_document("a.pdf", "", stored(pdf(*[scan] * 20)), tokenizer, limits=Limits(tokens=50, ocr_processes=0), seeing=seeing)
