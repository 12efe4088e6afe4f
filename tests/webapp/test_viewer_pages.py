"""The viewer: runs of pages and lines, and marks that are exact or absent."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from ingest.errors import FileRefused
from webapp.accounts.models import User
from webapp.library import viewer
from webapp.library.built import built_pieces
from webapp.library.models import Collection, Document, DocumentState, Page
from webapp.library.strip import strip_of
from webapp.library.viewer import outline, view_document

pytestmark = pytest.mark.django_db


def test_what_a_text_is_built_of_stands_back_and_stays_where_it_is() -> None:
    text = "# Rent\n\n| Part | Due |\n| --- | --- |\n| Loft | 1st |\nno # heading\n#\n| no row"
    pieces = built_pieces(text)
    assert "".join(piece for piece, _ in pieces) == text
    assert [piece for piece, css in pieces if css == "heading"] == ["Rent"]
    assert " ".join("".join(piece for piece, css in pieces if not css).split()) == "Part Due Loft 1st no # heading # | no row"


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def lined(collection: Collection, text: str, *, name: str = "a.py", kind: str = "code") -> Document:
    document = Document.objects.create(
        collection=collection,
        name=name,
        path=name,
        kind=kind,
        state=DocumentState.READY,
        sha256=uuid4().hex,
        line_count=text.count("\n") + 1,
    )
    document.folder.parsed.folder.mkdir(parents=True)
    document.folder.parsed.text.write_bytes(text.encode())
    document.folder.original.write_bytes(text.encode())
    return document


def paged(collection: Collection, pages: int) -> Document:
    document = lined(collection, "\f".join(f"page {number} has words" for number in range(1, pages + 1)), name="a.pdf", kind="paged")
    Document.objects.filter(id=document.id).update(page_count=pages)
    document.refresh_from_db()
    start = 0
    for number in range(1, pages + 1):
        end = start + len(f"page {number} has words")
        Page.objects.create(document=document, number=number, start_char=start, end_char=end, width=595, height=842)
        start = end + 1
    return document


def shown(document: Document, **query: int | None) -> viewer.View:
    return view_document(document, **{"wanted": None, "start": 0, "end": 0, **query})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["def f():\r\n    return 'é\U0001f600'\n\n# end", "x", "", "\n\n", '"""open\nstring\n', "\tif x:\n\t\ty\n"]
)
def test_it_shows_every_character_of_a_file_once(collection: Collection, text: str) -> None:
    view = shown(lined(collection, text))
    lines = ["".join(piece.text for piece in line.pieces) for line in view.lines]
    expected = [line.rstrip("\r") for line in text.split("\n")]
    assert lines == expected[: len(lines)]
    assert not any(expected[len(lines) :])
    assert [line.number for line in view.lines] == list(range(1, len(lines) + 1))


def test_it_marks_exactly_the_wanted_characters(collection: Collection) -> None:
    text = "".join(f"value_{number} = '{number}' # é\n" for number in range(1000))
    start, end = text.index("value_700"), text.index("value_702") + 5
    view = shown(lined(collection, text), start=start, end=end)
    marked = "\n".join("".join(piece.text for piece in line.pieces if piece.marked) for line in view.lines if line.marked)
    assert marked == text[start:end]
    assert view.first <= 701 <= view.last
    assert [line.number for line in view.lines if line.first_marked] == [701]


def test_it_marks_the_same_when_only_the_window_is_coloured(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "COLOURED_WHOLE_CHARS", 10)
    test_it_marks_exactly_the_wanted_characters(collection)


def test_it_shows_a_long_file_in_runs_that_meet(collection: Collection) -> None:
    document = lined(collection, "\n".join(f"line {number}" for number in range(1, 2001)), kind="text", name="a.txt")
    view = shown(document, wanted=1000)
    assert (view.first, view.last) == (920, 1319)
    later = shown(document, run=view.later)
    assert later.first == view.last + 1
    assert view.earlier is not None
    earlier = shown(document, run=view.earlier, until=view.first - 1)
    assert (earlier.first, earlier.last) == (520, 919)
    assert shown(document, wanted=10**9).last == 2000


def test_it_shows_a_run_of_pages_around_the_wanted_one(collection: Collection, browser: Client) -> None:
    document = paged(collection, 30)
    html = browser.get(reverse("library-document", args=[document.id]), {"page": "12"}).content.decode()
    assert [number for number in range(1, 31) if f'id="page-{number}"' in html] == [11, 12, 13, 14, 15, 16]
    assert 'height="1274"' in html
    later = browser.get(reverse("library-document", args=[document.id]), {"from": "17"}, headers={"HX-Request": "true"}).content.decode()
    assert 'id="page-17"' in later
    assert "before this" not in later
    assert "<html" not in later


def test_it_gives_the_pane_alone(collection: Collection, browser: Client) -> None:
    document = lined(collection, "a\nb\nc")
    headers = {"HX-Request": "true", "HX-Target": "source"}
    html = browser.get(reverse("library-document", args=[document.id]), {"line": "2"}, headers=headers).content.decode()
    assert html.lstrip().startswith('<section id="source"')
    assert 'data-wanted="line-2"' in html


@pytest.mark.parametrize(
    "query", [{"page": "x"}, {"start": "-1", "end": "9" * 40}, {"line": "0"}, {"from": "9" * 30}, {"until": "1", "from": "5"}]
)
def test_it_takes_any_numbers(collection: Collection, browser: Client, query: dict[str, str]) -> None:
    for document in (lined(collection, "a\nb\nc"), paged(collection, 3)):
        if "end" not in query or document.kind != "paged":
            assert browser.get(reverse("library-document", args=[document.id]), query).status_code == 200


def test_it_draws_a_quote_of_several_lines_as_one_block() -> None:
    path = outline([(0.5, 0.10, 0.9, 0.12), (0.1, 0.125, 0.9, 0.145), (0.1, 0.5, 0.2, 0.52)])
    assert path.startswith("M0.5000 0.1000H0.9000V0.1250H0.5000Z")
    assert "V0.1450" in path
    assert outline([]) == ""


def test_it_serves_a_page_image_to_its_reader_only(
    collection: Collection, browser: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    document = paged(collection, 1)
    (tmp_path / "image").write_bytes(b"webp")
    widths = []
    monkeypatch.setattr("webapp.library.views.page_image", lambda folder, page, width, limits: widths.append(width) or tmp_path / "image")
    address = reverse("library-page-image", args=[document.id, 1])
    response = browser.get(address, {"width": "1800"})
    browser.get(address, {"width": "77"})
    assert response.headers["Cache-Control"].startswith("private")
    assert response.headers["Content-Type"] == "image/webp"
    assert widths == [1800, 900]
    assert browser.get(reverse("library-page-image", args=[document.id, 2])).status_code == 404


def test_it_has_no_image_of_a_page_that_cannot_be_drawn(collection: Collection, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Path:
        raise FileRefused("no")

    monkeypatch.setattr("webapp.library.views.page_image", refuse)
    assert browser.get(reverse("library-page-image", args=[paged(collection, 1).id, 1])).status_code == 404


def test_it_gives_the_original_back_byte_for_byte_and_never_shows_it(collection: Collection, browser: Client) -> None:
    document = lined(collection, "x" * 3_000_000, name='a"\r\nSet-Cookie: b/..\\<é>.html')
    response = browser.get(reverse("library-original", args=[document.id]))
    assert b"".join(response) == b"x" * 3_000_000
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert "Set-Cookie" not in response.headers
    document.folder.delete()
    assert browser.get(reverse("library-original", args=[document.id])).status_code == 404


def test_it_says_of_each_upload_what_became_of_it(collection: Collection, browser: Client) -> None:
    files = [SimpleUploadedFile("empty.txt", b"")]
    response = browser.post(reverse("upload-files", args=[collection.id]), {"file": files}, headers={"Accept": "application/json"})
    (outcome,) = response.json()["files"]
    assert outcome["name"] == "empty.txt"
    assert not outcome["accepted"]
    assert outcome["reason"]
    plain = browser.post(reverse("upload-files", args=[collection.id]), {"file": [SimpleUploadedFile("empty.txt", b"")]}, follow=True)
    assert "empty.txt" in plain.content.decode()


def test_it_draws_the_prompt_to_scale(collection: Collection) -> None:
    for name, tokens in (("a", 500), ("b", 499), ("c", 1), ("d", 0)):
        Document.objects.create(collection=collection, name=name, path=name, token_count=tokens, page_count=10, state="ready", sha256=name)
    documents = list(collection.documents.all())
    strip = strip_of(documents)
    assert strip.tokens == 1000
    assert [band.width for band in strip.bands] == [500, 499, 1]
    assert strip.at(str(documents[1].id), 10, None) == pytest.approx(500 + 499 * 0.95, abs=0.01)
    assert strip.at(str(uuid4()), 1, None) is None


def test_it_draws_many_small_documents_together(collection: Collection) -> None:
    documents = [Document(collection=collection, name=str(number), path=str(number), token_count=1) for number in range(10_000)]
    bands = strip_of(documents).bands
    assert len(bands) <= 500
    assert sum(band.width for band in bands) == pytest.approx(1000, abs=0.5)


@pytest.mark.parametrize(
    ("name", "path", "words"), [("question", "questions", "Back to the answer"), ("sweep", "sweeps", "Back to the table")]
)
def test_it_leads_back_to_what_it_was_opened_from(browser: Client, collection: Collection, name: str, path: str, words: str) -> None:
    document, opened_from = paged(collection, 3), uuid4()
    page = browser.get(reverse("library-document", args=[document.id]), {name: str(opened_from), "page": "2"}).content.decode()
    assert f'href="/{path}/{opened_from}/' in page
    assert words in page
    assert page.count(f"{name}={opened_from}") >= 5, "whatever is pressed in the viewer keeps the way back"
    page = browser.get(reverse("library-document", args=[document.id]), {name: "javascript:alert(1)"}).content.decode()
    assert "javascript:" not in page
    assert words not in page
