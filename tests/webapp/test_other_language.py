"""Pages in a language that is made up: each text that can be translated stands in brackets, so what stands outside of them cannot be."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from pytest_django import Settings

from tests.architecture.test_translating import READ_ALOUD
from tests.webapp.test_access import API, World, close, rows
from tests.webapp.test_access import world as world
from webapp.accounts.models import User
from webapp.core.versions import versions
from webapp.library.models import Collection, Document, DocumentState

pytestmark = pytest.mark.django_db

WORD = re.compile(r"[^\W\d_]{2,}")
# What people and documents said, and names.
DATA = {
    *("Longread", "PDF", "Word", "Excel", "Markdown", "CSV", "JSON", "BibTeX", "SHA", "GB", "MB", "kB", "TB", "UTC"),
    *(
        "alice",
        "rita",
        "walt",
        "bob",
        "olga",
        "Contracts",
        "laptop",
        "test",
        "pdf",
        "csv",
        "How",
        "much",
        "notice",
        "days",
        "ingest",
        "engine",
    ),
}
ROLES = ("anonymous", "owner", "staff")


class _Outside(HTMLParser):
    """Collects the texts that stand in no brackets."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.depth, self.code = 0, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.code += tag in ("script", "style", "pre", "code", "kbd")
        for name, value in attrs:
            if name in READ_ALOUD and value:
                self.found += outside(value)

    def handle_endtag(self, tag: str) -> None:
        self.code -= tag in ("script", "style", "pre", "code", "kbd")

    def handle_data(self, data: str) -> None:
        if not self.code:
            self.found += outside(data, self)


def outside(text: str, parser: _Outside | None = None) -> list[str]:
    depth, found = parser.depth if parser else 0, []
    for piece in re.split("([⟦⟧])", text):
        if piece in ("⟦", "⟧"):
            depth += 1 if piece == "⟦" else -1
        elif not depth and set(WORD.findall(piece)) - DATA:
            found.append(piece.strip())
    if parser:
        parser.depth = depth
    return found


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    named = {word for name, version in versions() for word in WORD.findall(f"{name} {version}")}
    monkeypatch.setattr("tests.webapp.test_other_language.DATA", DATA | named)

    def plural(one: str, many: str, number: int) -> str:
        return f"⟦{one if number == 1 else many}⟧"

    for name, say in {"gettext": lambda text: f"⟦{text}⟧" if text else "", "ngettext": plural}.items():
        monkeypatch.setattr(translation._trans, name, say)
    monkeypatch.setattr(translation._trans, "pgettext", lambda _, text: f"⟦{text}⟧")
    monkeypatch.setattr(translation._trans, "npgettext", lambda _, *forms: plural(*forms))


def test_it_says_nothing_in_english_alone(world: World, made_up: None) -> None:
    wrong: dict[str, list[str]] = {}
    for row in rows():
        if row.method != "GET" or row.route.startswith((API, "words.js")):
            continue
        for role in ROLES:
            if row.expected[role] in ("200", "403", "404"):
                wrong[f"{role} {row.route}"] = _words(world, role, row.route)
    assert not {address: texts for address, texts in wrong.items() if texts}
    assert len(wrong) > 30


def test_it_writes_no_number_that_a_drawing_cannot_read(alice: User, collection: Collection, settings: Settings) -> None:
    """German writes 1,5; SVG and HTML do not."""
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    for number in range(3):
        ready = {"state": DocumentState.READY, "token_count": 1000 + number, "sha256": str(number)}
        Document.objects.create(collection=collection, name=f"{number}.txt", path=f"{number}.txt", **ready)
    client = Client(headers={"accept-language": "de"})
    client.force_login(alice)
    page = client.get(f"/collections/{collection.id}/").content.decode()
    assert '<html lang="de">' in page
    assert 'src="/words.js?de"' in page
    widths = re.findall(r'<rect [^>]*width="([^"]*)"', page)
    assert len(widths) == 3
    assert abs(sum(map(float, widths)) - 1000) < 1


def _words(world: World, role: str, route: str) -> list[str]:
    address = "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(world.ids[found[1]]), route)
    response: Any = world.pages[role].get(address)
    if not response["Content-Type"].startswith("text/html") or response.streaming:
        close(response)
        return []
    parser = _Outside()
    parser.feed(response.content.decode())
    assert parser.depth == 0, address
    return parser.found
