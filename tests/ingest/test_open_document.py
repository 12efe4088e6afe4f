"""OpenDocument texts and sheets, written by hand as LibreOffice writes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingest.errors import FileRefused
from tests.ingest import packages

TextOf = Callable[..., str]
PREFIXES = ("office", "text", "table", "style", "draw", "presentation")
NAMES = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in PREFIXES)
LISTS = """<office:automatic-styles><text:list-style style:name="L1">
<text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>
<text:list-level-style-number text:level="2" style:num-format="a" style:num-prefix="(" style:num-suffix=")"/></text:list-style>
<text:list-style style:name="L2"><text:list-level-style-bullet text:level="1" text:bullet-char="•"/></text:list-style>
</office:automatic-styles>"""
OUTLINE = """<text:outline-style style:name="Outline"><text:outline-level-style text:level="1" style:num-format="I"/>
<text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2" style:num-suffix="."/></text:outline-style>"""


def document(body: str, *, kind: str = "text", manifest: str = "", outline: str = "") -> bytes:
    parts = {
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "content.xml": f"<office:document-content {NAMES}>{LISTS}<office:body><office:{kind}>{body}</office:{kind}></office:body>"
        "</office:document-content>",
        "styles.xml": f"<office:document-styles {NAMES}>{outline}</office:document-styles>",
        "META-INF/manifest.xml": f"<manifest>{manifest}</manifest>",
    }
    return packages.zipped(parts)


def paragraph(words: str) -> str:
    return f"<text:p>{words}</text:p>"


def test_it_reads_headings_paragraphs_and_notes(text_of: TextOf) -> None:
    deleted = f"<text:tracked-changes><text:deletion>{paragraph('deleted')}</text:deletion></text:tracked-changes>"
    note = f"<text:note><text:note-citation>1</text:note-citation><text:note-body>{paragraph('Net.')}</text:note-body></text:note>"
    comment = f"<office:annotation>{paragraph('why?')}</office:annotation>"
    box = f"<draw:frame><draw:text-box>{paragraph('boxed')}</draw:text-box></draw:frame>"
    words = f'The <text:span>fee</text:span>{note} is<text:s text:c="2"/>40\n   euros<text:line-break/>a<text:tab/>month.{comment}{box}'
    body = f'{deleted}<text:h text:outline-level="1">Fees</text:h><text:section>{paragraph(words)}</text:section>'
    assert text_of(document(body), "a.odt") == "# Fees\n\nThe fee[1] is  40 euros\na\tmonth.\n\n[1] Net.\n\nboxed\n\n"


def test_it_counts_lists_and_headings(text_of: TextOf) -> None:
    def items(*words: str) -> str:
        return "".join(f"<text:list-item>{word}</text:list-item>" for word in words)

    inner = f"<text:list>{items(paragraph('x'), paragraph('y'))}</text:list>"
    body = (
        '<text:h text:outline-level="1">One</text:h><text:h text:outline-level="2">Part</text:h><text:h text:outline-level="1">Two</text:h>'
        '<text:h text:outline-level="2">Part</text:h>'
        f'<text:list text:style-name="L1">{items(paragraph("a") + inner, paragraph("b"))}</text:list>'
        f'<text:list text:style-name="L1" text:continue-numbering="true">{items(paragraph("c"))}</text:list>'
        f'<text:list text:style-name="L1">{items(paragraph("d"))}</text:list>'
        f'<text:list text:style-name="L2">{items(paragraph("e"))}</text:list>'
    )
    assert text_of(document(body, outline=OUTLINE)) == (
        "# I One\n\n## I.1. Part\n\n# II Two\n\n## II.1. Part\n\n1. a\n  (a) x\n  (b) y\n2. b\n\n3. c\n\n1. d\n\n- e\n\n"
    )


def cell(words: str, times: int = 1) -> str:
    return f'<table:table-cell table:number-columns-repeated="{times}">{paragraph(words) if words else ""}</table:table-cell>'


def test_it_reads_tables(text_of: TextOf) -> None:
    rows = f"<table:table-header-rows><table:table-row>{cell('Item')}{cell('Fee')}</table:table-row></table:table-header-rows>"
    rows += f"<table:table-row>{cell('wide')}<table:covered-table-cell/></table:table-row>"
    assert text_of(document(f"<table:table>{rows}</table:table>")) == "| Item | Fee |\n| --- | --- |\n| wide |  |\n\n"


def test_it_reads_sheets_and_repeats_no_emptiness(text_of: TextOf) -> None:
    rows = f"<table:table-row>{cell('a', 2)}{cell('', 16382)}</table:table-row>"
    rows += f'<table:table-row table:number-rows-repeated="1048574">{cell("", 16384)}</table:table-row>'
    content = document(f'<table:table table:name="Fees">{rows}</table:table>', kind="spreadsheet")
    assert text_of(content, "a.ods") == "# Fees\n\n| a | a |\n| --- | --- |\n\n\n"


def test_a_cell_that_repeats_itself_a_million_times_does_so_a_thousand_times(text_of: TextOf) -> None:
    row = f'<table:table-row table:number-rows-repeated="1000000">{cell("ha", 1000000)}</table:table-row>'
    content = document(f'<table:table table:name="S">{row}</table:table>', kind="spreadsheet")
    assert text_of(content).count("ha") == 1_000_000


def test_it_says_that_it_is_locked_or_damaged(text_of: TextOf) -> None:
    with pytest.raises(FileRefused, match="OpenDocument text is locked with a password"):
        text_of(document(paragraph("x"), manifest="<file-entry><encryption-data/></file-entry>"))
    with pytest.raises(FileRefused, match="OpenDocument text is damaged"):
        text_of(document("<text:p>"))


def shape(words: str, kind: str = "") -> str:
    named = f' presentation:class="{kind}"' if kind else ""
    return f"<draw:frame{named}><draw:text-box>{paragraph(words)}</draw:text-box></draw:frame>"


def test_it_reads_slides_with_their_titles_and_notes(text_of: TextOf) -> None:
    items = "".join(f"<text:list-item>{paragraph(words)}</text:list-item>" for words in ("ninety days", "thirty days"))
    listed = f'<draw:frame presentation:class="outline"><draw:text-box><text:list>{items}</text:list></draw:text-box></draw:frame>'
    table = f"<draw:frame><table:table><table:table-row>{cell('Fee')}{cell('40')}</table:table-row></table:table></draw:frame>"
    own = f"<draw:g><draw:custom-shape>{paragraph('in a group')}</draw:custom-shape></draw:g>"
    notes = f"<presentation:notes>{shape('Say it slowly.', 'notes')}{shape('7', 'page-number')}</presentation:notes>"
    one = f'<draw:page draw:name="p1">{shape("Notice", "title")}{listed}{table}{own}{shape("7", "page-number")}{notes}</draw:page>'
    two = f'<draw:page draw:name="p2">{shape("Thank you")}</draw:page>'
    text = text_of(document(f"<presentation:settings/>{one}{two}", kind="presentation"), "a.odp")
    assert text == (
        "# Slide 1: Notice\n\n- ninety days\n- thirty days\n\n| Fee | 40 |\n| --- | --- |\n\nin a group\n\nNotes: Say it slowly.\n\n"
        "# Slide 2\n\nThank you\n\n"
    )
