"""Pictures in a Word file on their way to its reader: from the upload to the page that shows them."""

from __future__ import annotations

import io

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from engine.events import Quote
from tests.ingest.test_embedded import coloured, word
from tests.ingest.test_scans import picture as scanned
from tests.webapp.test_answering import Scripted, done, run
from tests.webapp.test_upload import accepted, parse
from webapp.accounts.models import User
from webapp.ask.services import question_ask
from webapp.library.models import Collection, Document
from webapp.library.viewer import view_document

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker"), pytest.mark.weights]


@pytest.fixture
def letter(collection: Collection) -> Document:
    """A scanned page, and a red area."""
    page = io.BytesIO()
    scanned().save(page, "PNG")
    return parse(accepted(collection, "letter.docx", word(page.getvalue(), coloured(), wide=5.0)))


def test_they_stand_under_the_lines_that_show_them_and_a_quote_is_marked(letter: Document, alice: User, bob: User) -> None:
    text = letter.folder.parsed.text.read_text()
    start = text.index("repair the turbine")
    view = view_document(letter, wanted=None, start=start, end=start + len("repair the turbine"))
    shown = [("".join(piece.text for piece in line.pieces), line.pictures) for line in view.lines if line.pictures]
    assert [(line, [picture.number for picture in pictures]) for line, pictures in shown] == [
        ("[words in picture 1]", [1]),
        ("[picture 2]", [2]),
    ]
    ((first,), (second,)) = (pictures for _, pictures in shown)
    assert (first.reading, second.reading) == ("Read by OCR", "")
    assert (second.width, second.height) == (120, 90)
    assert first.outline.startswith("M0.")
    assert second.outline == ""
    assert (letter.page_count, letter.pages.count()) == (0, 2)

    client = Client()
    client.force_login(alice)
    html = client.get(reverse("library-document", args=[letter.id]), {"start": start, "end": start + 6}).content.decode()
    assert html.index("[words in picture 1]") < html.index('id="picture-1"') < html.index('id="quote"') < html.index('id="picture-2"')
    address = reverse("library-page-image", args=[letter.id, 2])
    assert address in html
    with Image.open(io.BytesIO(client.get(address).content)) as image:
        assert image.size == (120, 90)
    client.force_login(bob)
    assert client.get(address).status_code == 404


def test_a_quote_of_one_says_that_ocr_read_it(letter: Document, collection: Collection, alice: User) -> None:
    text = letter.folder.parsed.text.read_text()
    start = text.index("repair the turbine")
    quotes = [Quote(str(letter.id), at, at + 6, text[at : at + 6], verified=True) for at in (start, 0)]
    answer = question_ask(collection=collection, owner=alice, text="Who repairs it?").answer
    saved = run(answer, Scripted(*quotes, done()))
    assert [citation.reading for citation in saved.citations.all()] == ["ocr", "file"]


def test_without_a_quote_nothing_is_marked_on_them(letter: Document) -> None:
    view = view_document(letter, wanted=None, start=0, end=6)
    assert [picture.outline for line in view.lines for picture in line.pictures] == ["", ""]
    assert [picture.number for line in view_document(letter, wanted=None, start=0, end=0, run=2).lines for picture in line.pictures] == [
        1,
        2,
    ]
    assert view_document(letter, wanted=None, start=0, end=0, run=1, until=4).lines[-1].pictures == []
