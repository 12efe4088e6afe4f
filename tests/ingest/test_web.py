"""Web pages: what a reader sees of them, whatever they are encoded in, and what hostile ones ask for in vain."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from ingest.errors import LimitExceeded
from ingest.limits import Limits
from ingest.model import Kind
from ingest.parsers.base import ParserContext
from ingest.parsers.markup import markup_text
from ingest.parsers.registry import choose_parser

PAGE = """<!-- saved --><!DOCTYPE html>
<html><head><title>Fees</title><style>p {color: red}</style><script>evil()</script></head><body>
<h1>Fees &amp; <i>dues</i></h1>
<p>The toll is&nbsp;<a href="http://evil.example">40&#160;euros</a>,<br>
   payable at once.</p>
<ol><li>first<ul><li>with a part</li></ul></li><li value="5"><p>fifth</p><p>and more of it</p></li></ol>
<ol type="a"><li>alpha<li>beta</ol>
<table><caption>Prices</caption><thead><tr><th>Item<th>Price</thead><tr><td>Boat</td><td><p>3</p><p>or 4</p></td></tr></table>
<table><tr><td><table><tr><td>left</td></tr></table></td><td>right</td></tr></table>
<pre>if a:
    b</pre>
<p hidden>secret</p><p style="display: none">secret</p><noscript>secret</noscript><template>secret</template>
<iframe src="http://evil.example">secret</iframe>so&shy;ft</body></html>"""
WORDS = """# Fees & dues

The toll is 40 euros,
payable at once.

1. first
  - with a part
5. fifth
  and more of it

a. alpha
b. beta

Prices

| Item | Price |
| --- | --- |
| Boat | 3 or 4 |

left

right

if a:
    b

soft

"""


class Words(HTMLParser):
    """The independent reader: all text but that of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.inside += tag in ("script", "style", "title")

    def handle_endtag(self, tag: str) -> None:
        self.inside -= tag in ("script", "style", "title")

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.found += data.split()


def read(tmp_path: Path, content: bytes, name: str = "a.html") -> str:
    source = tmp_path / "original"
    source.write_bytes(content)
    parser = choose_parser(source, name, Limits())
    assert parser.kind is Kind.TEXT
    return "".join(page.text for page in parser.parse(source, ParserContext()))


def test_it_reads_what_a_page_shows(tmp_path: Path) -> None:
    assert read(tmp_path, PAGE.encode()) == WORDS


def test_it_reads_every_word_that_pythons_parser_reads() -> None:
    page = PAGE[: PAGE.index("<pre>")]
    words = Words()
    words.feed(page)
    marks = {"#", "|", "---", "-", "1.", "5.", "a.", "b."}
    assert "".join(word for word in markup_text(page).split() if word not in marks) == "".join(words.found)


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-16"),
        ('<meta charset="shift_jis">', "shift_jis"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">', "cp1252"),
        ('<meta charset="utf-8">', "cp1252"),
        ('<meta charset="no-such-thing">', "utf-8"),
    ],
)
def test_it_takes_a_page_at_its_word_where_that_is_true(tmp_path: Path, declared: str, encoding: str) -> None:
    words = "運賃は四十円です。" if encoding == "shift_jis" else "Die Gebühr beträgt 40 € für jeden. " * 5
    assert read(tmp_path, f"<html><head>{declared}</head><body><p>{words}</p></body></html>".encode(encoding)).strip() == words.strip()


def test_it_reads_a_page_nested_a_thousand_deep_and_refuses_one_nested_for_ever(tmp_path: Path) -> None:
    assert read(tmp_path, b"<html>" + b"<div><ul><li>" * 400 + b"deep").strip() == "- deep"
    with pytest.raises(LimitExceeded, match="nests its elements deeper than"):
        read(tmp_path, b"<html>" + b"<div>" * 100_000 + b"deep")


def test_it_follows_no_entity(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    attack = f'<!DOCTYPE html [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]><html><body>here &x; there</body></html>'
    assert "SECRET" not in read(tmp_path, attack.encode())


def test_a_program_that_begins_like_a_page_stays_code(tmp_path: Path) -> None:
    source = tmp_path / "original"
    source.write_bytes(b"<html><?php echo 1 ?></html>")
    assert choose_parser(source, "page.php", Limits()).kind is Kind.CODE


def test_a_page_without_a_beginning_is_code_by_its_name(tmp_path: Path) -> None:
    source = tmp_path / "original"
    source.write_bytes(b"{% extends 'base.html' %}")
    assert choose_parser(source, "page.html", Limits()).kind is Kind.CODE
