"""What helps to read a document: its contents, the search in it, the letters over its pages, the thumbnails; and what to ask of it."""

from __future__ import annotations

from html import unescape
from uuid import uuid4

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from ingest.document import read_document
from ingest.prompt.page_map import WORD_ROW
from tests.processes import ROOT
from tests.webapp.terms import tokenizer
from webapp.accounts.models import User
from webapp.ask.models import Question
from webapp.ask.selectors import suggested_questions
from webapp.ask.suggesting import suggested
from webapp.core.templatetags.pieces import svg
from webapp.library.models import Collection, Document, DocumentState, Page
from webapp.library.outline import MOST_HEADINGS, Heading, headings
from webapp.library.searching import MOST_HITS, find, nearest
from webapp.library.viewer import TextLine, text_lines

pytestmark = [pytest.mark.django_db, pytest.mark.weights]

EVIL = '"><script>alert(1)</script>'
BOOK = "THE GREY SHIP\n\nCHAPTER I. The Harbour\n\nIt lay there.\n\nCHAPTER II. The Storm\n\nIt blew.\n\nCHAPTER III\n\nNothing more.\n"


def made(collection: Collection, name: str, content: bytes) -> Document:
    """A document as the pipeline leaves it."""
    document = Document(collection=collection, name=name, path=name, sha256=uuid4().hex, size_bytes=len(content))
    document.folder.original.parent.mkdir(parents=True)
    document.folder.original.write_bytes(content)
    read = read_document(name, name, document.folder, tokenizer())
    document.kind, document.state, document.token_count = read.kind.value, DocumentState.READY, read.tokens
    document.page_count, document.line_count = len(read.pages), read.lines
    document.save()
    for page in read.pages:
        Page.objects.create(
            document=document, number=page.number, start_char=page.start_char, end_char=page.end_char, width=page.width, height=page.height
        )
    return document


@pytest.fixture
def contract(collection: Collection) -> Document:
    return made(collection, "contract.pdf", (ROOT / "samples" / "contract.pdf").read_bytes())


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def page(browser: Client, document: Document, **query: object) -> str:
    response = browser.get(reverse("library-document", args=[document.id]), query)
    assert response.status_code == 200
    return response.content.decode()


def titles(kind: str, text: str) -> list[tuple[int, str]]:
    return [(heading.level, heading.title) for heading in headings(kind, text)]


def test_it_tells_the_headings_of_a_contract(contract: Document) -> None:
    text = contract.folder.parsed.text.read_text(encoding="utf-8")
    found = headings("paged", text)
    assert [heading.title for heading in found[:3]] == ["MASTER SERVICES AGREEMENT", "1. Definitions and interpretation", "2. The Services"]
    assert (2, "Annex A: Fees") in titles("paged", text)
    assert all(text[heading.start :].startswith(heading.title) for heading in found)
    assert not any(heading.title.startswith("1.1") for heading in found), "a clause that begins with its number is no heading"


def test_it_tells_chapters_markdown_and_definitions() -> None:
    assert titles("text", BOOK) == [(1, "THE GREY SHIP"), (2, "CHAPTER I. The Harbour"), (2, "CHAPTER II. The Storm"), (2, "CHAPTER III")]
    assert titles("text", "# One\ntext\n\n```\n# no heading\n```\n\n## Two ##\n") == [(1, "One"), (2, "Two")]
    assert titles(
        "code", "import x\n\nclass A:\n    def f(self):\n        def g(): ...\n\nexport async function go() {}\npub fn run()\n"
    ) == [
        (1, "class A"),
        (2, "def f"),
        (1, "function go"),
        (1, "fn run"),
    ]


def test_it_takes_prose_for_prose_and_has_an_end() -> None:
    assert titles("text", "1. is where a sentence goes on\nand on.\n\nChapter 3 says so, and it goes on\nover the line.\n") == []
    assert len(headings("text", "CHAPTER 1\n\n" * 2000)) == MOST_HEADINGS


def test_it_finds_words_whatever_their_case_and_line_breaks() -> None:
    text = "The notice\nperiod. A NOTICE  PERIOD (90) is a notice."
    hits = find(text, " notice period ")
    assert [text[hit.start : hit.end] for hit in hits] == ["notice\nperiod", "NOTICE  PERIOD"]
    assert (hits[0].before, hits[0].words, hits[0].after) == ("…The ", "notice period", ". A NOTICE PERIOD (90) is a notice.…")
    assert [hit.words for hit in find(text, "(90)")] == ["(90)"], "signs are only signs"
    assert find(text, "  ") == []
    assert len(find("a " * 2000, "a")) == MOST_HITS
    assert [nearest(hits, start) for start in (0, 5, 1000)] == [0, 1, 0]
    assert nearest([], 5) == -1


@pytest.mark.parametrize("words", ["“customer’s”", '"customer\'s"', "„Customer‘s‟"])
@pytest.mark.parametrize("text", ["the “Customer’s” fee", 'the "Customer\'s" fee'])
def test_it_takes_curly_and_straight_quotation_marks_for_each_other(text: str, words: str) -> None:
    (hit,) = find(text, words)
    assert (hit.start, text[hit.start : hit.end], hit.words) == (4, text[4:16], text[4:16])
    assert find(text, "customer's fee") == [], "none is left out"


def test_it_takes_dashes_for_each_other() -> None:
    assert [hit.start for hit in find("pages 10–20, 10-20, 10‑20 and 10 20", "10-20")] == [6, 13, 20]


def test_it_finds_what_was_copied_out_of_a_file_with_signs_that_the_text_has_plain() -> None:
    (hit,) = find("the fee; a co-owner pays", "fee\u037e\xa0a co\u2011owner")
    assert hit.words == "fee; a co-owner"


def test_it_lays_each_line_of_a_page_over_its_image() -> None:
    text = "Two words\nnext"
    words = np.array([(0, 3, 1, 0.1, 0.1, 0.2, 0.12), (4, 9, 1, 0.25, 0.1, 0.4, 0.12), (10, 14, 1, 0.1, 0.13, 0.2, 0.15)], dtype=WORD_ROW)
    first, second = text_lines(words, text, 1.5)
    assert (first.text, first.left, first.width, first.size) == ("Two words", 100.0, 300.0, 30.0)
    assert first.base == 174.0
    assert second.text == "next"
    assert text_lines(words[:0], text, 1.5) == []


def test_its_letters_are_escaped() -> None:
    (line,) = svg([TextLine("</text><script>&", 1.0, 2.0, 3.0, 4.0)]).splitlines()
    assert "&lt;/text&gt;&lt;script&gt;&amp;</text>" in line
    assert line.startswith('<text x="1.0" y="2.0" font-size="4.0" textLength="3.0"')


def test_its_letters_are_the_text_of_the_page(browser: Client, contract: Document) -> None:
    shown = page(browser, contract, page=1)
    layer = shown.split('<svg class="letters"')[1].split("</svg>")[0]
    row = contract.pages.get(number=1)
    text = contract.folder.parsed.text.read_bytes().decode()[row.start_char : row.end_char]
    letters = [unescape(line.rpartition("</text")[0]) for line in layer.split(">") if line.endswith("</text")]
    assert "".join("".join(letters).split()) == "".join(text.split())


def test_it_opens_the_first_place_found_and_leads_on(browser: Client, contract: Document) -> None:
    shown = page(browser, contract, find="ninety (90) days")
    assert "2 places" in shown
    assert 'id="quote"' in shown
    assert 'data-hit="next"' in shown
    assert 'data-hit="previous"' not in shown
    following = unescape(shown.split('data-hit="next"')[0].rpartition('href="')[2].split('"')[0])
    second = browser.get(following).content.decode()
    assert 'data-hit="previous"' in second
    assert 'data-hit="next"' not in second
    assert 'name="page" value="5"' in second


def test_it_says_where_words_stand_nowhere_and_escapes_them(browser: Client, contract: Document) -> None:
    shown = page(browser, contract, find=EVIL)
    assert "stands nowhere in this document" in shown
    assert "<script>alert" not in shown
    assert "No source" not in page(browser, contract, find="   ")


def test_its_contents_and_thumbnails_lead_to_their_pages(browser: Client, contract: Document) -> None:
    shown = page(browser, contract)
    assert "11. Term and termination" in shown
    link = unescape(shown.split("11. Term and termination")[0].rpartition('<a href="')[2].split('"')[0])
    assert link.endswith("?page=4#page-4")
    assert shown.count('alt="" loading="lazy"') == 8
    image = browser.get(reverse("library-page-image", args=[contract.id, 8]), {"width": 180})
    assert image["Content-Type"] == "image/webp"
    assert len(image.content) < len(browser.get(reverse("library-page-image", args=[contract.id, 8])).content)


def test_it_keeps_zoom_and_search_on_the_way(browser: Client, contract: Document) -> None:
    shown = page(browser, contract, page=2, zoom=200, find="notice", start=9806, end=9822)
    assert "zoom-200" in shown
    for part in shown.split('rel="next" href="')[1:]:
        assert "find=notice" in part.split('"')[0]
        assert "zoom=200" in part.split('"')[0]
    assert "zoom-100" in page(browser, contract, zoom="7")


@pytest.mark.parametrize(
    "query", [{"find": "\x00"}, {"start": "9" * 30, "end": "9" * 31}, {"page": "-1"}, {"find": "(" * 300}, {"zoom": "x"}]
)
def test_it_answers_whatever_stands_in_the_address(browser: Client, contract: Document, query: dict[str, str]) -> None:
    assert page(browser, contract, **query)


def test_it_escapes_headings_and_code(browser: Client, collection: Collection) -> None:
    document = made(collection, "evil.md", f"# {EVIL}\n\ntext {EVIL}\n\n## Two\n".encode())
    code = made(collection, "evil.py", f"class A:\n    x = '{EVIL}'\n\n\ndef f(): ...\n".encode())
    for shown in (page(browser, document), page(browser, document, find="script"), page(browser, code, find="alert")):
        assert "<script>alert" not in shown
        assert "alert" in shown


def of(*found: str) -> list[Heading]:
    return [Heading(1, title, 0) for title in found]


def test_it_asks_a_contract_what_people_ask_of_contracts() -> None:
    asked = suggested(
        [("paged", "contract.pdf", of("LEASE AGREEMENT", "1. Definitions", "10. Liability", "11. Term and termination", "12. Pets"))]
    )
    assert asked == ["What is the limit of liability?", "How much notice is needed to terminate?", "What is said about pets?"]


def test_it_asks_code_for_what_it_defines_and_a_book_for_what_happens() -> None:
    code = (
        "code",
        "a.py",
        [Heading(1, "class Toll", 0), Heading(2, "def inner", 0), Heading(1, "def _own", 0), Heading(1, "def charge", 0)],
    )
    book = ("text", "ship.txt", headings("text", BOOK))
    assert suggested([code]) == ["What is Toll?", "What does charge do?"]
    assert suggested([book]) == ["What happens in “The Harbour”?", "What happens in “The Storm”?"]
    assert suggested([code, book])[:2] == ["What is Toll?", "What happens in “The Harbour”?"], "documents take turns"
    assert suggested([]) == []


def test_it_suggests_on_the_page_until_something_was_asked(browser: Client, collection: Collection, alice: User) -> None:
    made(collection, "rules.md", f"# Rules\n\n## 1. Liability\n\nNone.\n\n## 2. {EVIL}\n\nNone.\n".encode())
    shown = browser.get(reverse("library-collection", args=[collection.id])).content.decode()
    assert "What is the limit of liability?" in shown
    assert "<script>alert" not in shown
    Question.objects.create(collection=collection, owner=alice, text="Why?")
    assert suggested_questions(collection=collection) == []
