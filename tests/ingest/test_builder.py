"""Chunks: they tile the text, stay below their size, and end where it is natural."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loading.bundled import default_folder
from engine.prompt import Chunk
from engine.tokenizer import Tokenizer
from ingest.model import Kind, PageSummary
from ingest.progress import silent
from ingest.prompt.builder import Builder, Built, Encoder
from ingest.prompt.headers import header_for
from ingest.prompt.offsets import TokenSpans
from ingest.prompt.wording import headings, paged_header, text_header
from tests.ingest.conftest import ByteTokenizer
from tests.processes import ROOT

bundled = cache(lambda: Tokenizer.open(default_folder()))
TEXTS = st.text(st.sampled_from("ab .\n\f\t#é日🙂)"), max_size=600)
WORDS = "The quick fox pays a toll. " * 8


def build(
    text: str, kind: Kind = Kind.TEXT, tokens: int = 48, encoder: Encoder | None = None, pages: tuple[PageSummary, ...] = ()
) -> Built:
    return Builder(encoder or ByteTokenizer(), tokens).build(text, kind, header_for(kind, "a", text, pages), silent)


def bodies(text: str, built: Built) -> list[str]:
    return [text[row["start_char"] : row["end_char"]] for row in built.rows]


@given(TEXTS, st.sampled_from(list(Kind)))
def test_it_loses_and_repeats_no_character(text: str, kind: Kind) -> None:
    built = build(text, kind, tokens=24)
    position = 0
    for row in built.rows:
        assert not text[position : row["start_char"]].strip()
        assert row["start_char"] >= position
        position = row["end_char"]
    assert not text[position:].strip()


@given(TEXTS)
def test_it_keeps_chunks_below_their_size_and_bodies_byte_exact(text: str) -> None:
    encoder = ByteTokenizer()
    built = build(text, tokens=24)
    assert sum(int(row["end_token"] - row["first_token"]) for row in built.rows) == len(built.ids)
    for row, body in zip(built.rows, bodies(text, built), strict=True):
        assert row["end_token"] - row["first_token"] <= 24
        ids = built.ids[row["first_token"] + row["header_tokens"] : row["end_token"]]
        assert encoder.byte_lengths[ids].sum() == len(body.encode())


@given(TEXTS, st.data())
def test_it_finds_the_tokens_of_characters_and_the_characters_of_tokens(text: str, data: st.DataObject) -> None:
    built = build(text, tokens=24)
    for index, row in enumerate(built.rows):
        ids = built.ids[row["first_token"] : row["end_token"]]
        chunk = Chunk("d", index, ids, int(row["header_tokens"]), int(row["start_char"]), int(row["end_char"]))
        spans = TokenSpans.of(chunk, text, ByteTokenizer.byte_lengths)
        start = data.draw(st.integers(chunk.start_char, chunk.end_char - 1))
        end = data.draw(st.integers(start + 1, chunk.end_char))
        first, last = spans.tokens(start, end)
        wide = spans.characters(first, last)
        assert wide[0] <= start < end <= wide[1]
        assert spans.tokens(*wide)[0] <= first
        assert spans.characters(0, len(chunk.body)) == (chunk.start_char, chunk.end_char)


def test_it_ends_bodies_at_paragraphs_before_sentences() -> None:
    text = (WORDS.strip() + "\n\n") * 4
    assert all(body.endswith("\n\n") for body in bodies(text, build(text, tokens=150)))


def test_it_ends_bodies_at_sentences_and_leaves_the_space_to_the_next() -> None:
    text = WORDS * 6
    parts = bodies(text, build(text))
    assert all(body.rstrip().endswith(".") for body in parts)
    assert all(body.startswith(" The") for body in parts[1:])


def test_it_ends_code_before_a_function() -> None:
    text = "".join(f"def f{number}():\n    a = {number}\n\n    return a\n\n\n" for number in range(20))
    parts = bodies(text, build(text, Kind.CODE, tokens=64))
    assert len(parts) > 3
    assert all(body.startswith("def") for body in parts)


def test_it_cuts_a_word_that_is_longer_than_a_chunk() -> None:
    text = "x" * 1000
    assert "".join(bodies(text, build(text))) == text


def test_it_names_the_pages_of_a_body() -> None:
    text = "one.\ftwo.\fthree."
    pages = tuple(PageSummary(n, s, e, 1, 1, True) for n, s, e in [(1, 0, 4), (2, 5, 9), (3, 10, 16)])
    header = header_for(Kind.PAGED, "a.pdf", text, pages)
    assert header(0, 5) == "[a.pdf, page 1]\n"
    assert header(5, 9) == "[a.pdf, page 2]\n"
    assert header(3, 12) == "[a.pdf, pages 1-3]\n"


def test_it_names_the_lines_of_code() -> None:
    header = header_for(Kind.CODE, "src/a.py", "a\nb\nc\nd\n", ())
    assert header(2, 6) == "[src/a.py, lines 2-3]\n"


def test_it_names_the_heading_above_a_body_and_not_one_inside_it() -> None:
    text = "# Leave\n\nlong text\n\n## Illness\n\nmore"
    header = header_for(Kind.TEXT, "h.md", text, ())
    assert header(9, 18) == "[h.md]\nLeave\n"
    assert header(text.index("##"), len(text)) == "[h.md]\n"


def test_it_finds_markdown_and_clause_headings() -> None:
    text = "# Top #\n11. Term and termination\nSECTION 4 - Fees\n\n3 apples were bought and eaten at once.\nARTICLE IX Taxes\n"
    assert [heading for _, heading in headings(text)] == ["Top", "11. Term and termination", "SECTION 4 - Fees", "ARTICLE IX Taxes"]


def test_it_finds_underlined_headings() -> None:
    text = "=====\nGuide\n=====\n\nFees\n----\nText.\n\n| a | b |\n| --- | --- |\n- x\n---\nno\n\nParts\n~~~~~\n"
    assert [heading for _, heading in headings(text)] == ["Guide", "Fees", "- x", "Parts"]


def test_a_chunk_that_begins_inside_a_table_names_its_first_row() -> None:
    rows = "".join(f"| Service {number} | {number} euros a month |\n" for number in range(60))
    text = f"# Fees\n\nAs agreed.\n\n| Service | Fee |\n| --- | --- |\n{rows}\nAfter the table.\n\n" + "Words of the end.\n\n" * 20
    built = build(text, tokens=120)
    starts = [int(row["start_char"]) for row in built.rows]
    header = header_for(Kind.TEXT, "a.xlsx", text, [])
    inside = [start for start in starts if text[start:].startswith("| Service ") and start > text.index("| Service 0 ")]
    assert len(inside) > 3
    assert all(header(start, start + 1) == "[a.xlsx]\nFees\n| Service | Fee |\n" for start in inside)
    assert all(text[start - 1] == "\n" for start in starts[1:])
    assert header(text.index("After"), text.index("After") + 1) == "[a.xlsx]\nFees\n"
    assert header(0, 1) == "[a.xlsx]\n"


def test_it_looks_for_headings_in_a_line_of_blanks_in_no_time() -> None:
    text = "# Fees" + " " * 300_000 + "x\n## Dues ##" + " " * 300_000 + "\n"
    assert [heading for _, heading in headings(text)] == ["Fees", "Dues"]


def test_it_keeps_a_header_on_one_short_line_whatever_the_name() -> None:
    header = paged_header("evil]\n[other.pdf, page 9" + "x" * 500, 1, 1)
    assert header.count("\n") == 1
    assert len(header) < 110
    assert text_header("a\u2028b", "") == "[a b]\n"


@pytest.mark.weights
def test_it_builds_with_the_real_tokenizer() -> None:
    tokenizer = Tokenizer.open(default_folder())
    text = "\n\n".join(f"{number}. Clause\n" + WORDS * 3 for number in range(60))
    built = build(text, tokens=384, encoder=tokenizer)
    for row, body in zip(built.rows, bodies(text, built), strict=True):
        ids = built.ids[row["first_token"] : row["end_token"]].tolist()
        assert len(ids) <= 384
        assert tokenizer.decode(ids[row["header_tokens"] :]) == body
        assert re.match(r"\[a\]\n", tokenizer.decode(ids[: row["header_tokens"]]))


@pytest.mark.weights
@given(st.text(st.sampled_from("ab. \n\f\t#é日🙂),;:_-'12\xa0\u2028\x07"), max_size=900))
@settings(max_examples=25)
def test_a_body_has_the_tokens_that_it_has_alone(text: str) -> None:
    """However they were had: the same text has the same tokens in every document, or its state would not be found."""
    tokenizer = bundled()
    samples = ROOT / "samples"
    text = text + (samples / "code/tollroad/fees.py").read_text() + text + (samples / "contract.txt").read_text()[:6000] + text
    built = build(text, tokens=64, encoder=tokenizer)
    for row, body in zip(built.rows, bodies(text, built), strict=True):
        assert built.ids[row["first_token"] + row["header_tokens"] : row["end_token"]].tolist() == tokenizer.encode(body).tolist()
