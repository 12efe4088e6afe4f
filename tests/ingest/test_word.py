"""Word files: what is read, in which order, and the numbers that stand nowhere in the file. python-docx is the independent reader."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from docx import Document
from docx.document import Document as WordDocument

from ingest.errors import FileRefused, LimitExceeded
from ingest.limits import Limits
from ingest.model import Kind
from ingest.parsers.base import ParserContext
from ingest.parsers.registry import choose_parser, is_archive
from tests.ingest import packages
from tests.ingest.packages import W

Text = Callable[..., str]
EMPTY = packages.word(lambda document: None)


@pytest.fixture
def text(tmp_path: Path) -> Text:
    def read(content: bytes, name: str = "a.docx", limits: Limits | None = None) -> str:
        source = tmp_path / "original"
        source.write_bytes(content)
        parser = choose_parser(source, name, limits or Limits())
        assert parser.kind is Kind.TEXT
        return "".join(page.text for page in parser.parse(source, ParserContext(limits or Limits())))

    return read


def contract(document: WordDocument) -> None:
    document.add_heading("Service agreement", 0)
    document.add_heading("Term", 1)
    document.add_paragraph("This agreement begins on 1 March.")
    document.add_paragraph("apples", "List Bullet")
    document.add_paragraph("pears", "List Bullet")
    document.add_heading("Fees", 2)
    table = document.add_table(3, 2)
    for row, cells in enumerate([("Service", "Fee"), ("Storage", "40 euros\na month"), ("Moving", "by the hour")]):
        for column, words in enumerate(cells):
            table.cell(row, column).text = words
    document.add_paragraph("Both parties agree.")


def test_it_keeps_headings_lists_and_tables(text: Text) -> None:
    assert text(packages.word(contract)) == (
        "# Service agreement\n\n# Term\n\nThis agreement begins on 1 March.\n\n- apples\n- pears\n\n## Fees\n\n"
        "| Service | Fee |\n| --- | --- |\n| Storage | 40 euros a month |\n| Moving | by the hour |\n\nBoth parties agree.\n\n"
    )


def test_it_reads_every_word_that_python_docx_reads(text: Text) -> None:
    content = packages.word(contract)
    document = Document(io.BytesIO(content))
    words = [paragraph.text for paragraph in document.paragraphs]
    words += [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    assert sorted(" ".join(words).split()) == sorted(word for word in text(content).split() if word not in ("|", "---", "#", "##", "-"))


def numbered(paragraphs: str, levels: str, more: str = "") -> bytes:
    """A Word file with one list of these levels, list 7, and more lists."""
    numbering = (
        f'<w:numbering xmlns:w="{W}"><w:abstractNum w:abstractNumId="3">{levels}</w:abstractNum>'
        f'<w:num w:numId="7"><w:abstractNumId w:val="3"/></w:num>{more}</w:numbering>'
    ).encode()
    content = packages.changed(EMPTY, lambda name, part: numbering if name == "word/numbering.xml" else part)
    return packages.with_body(content, paragraphs)


def item(words: str, depth: int = 0, list_: int = 7) -> str:
    return f'<w:p><w:pPr><w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{list_}"/></w:numPr></w:pPr>{run(words)}</w:p>'


def run(words: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{words}</w:t></w:r>'


def level(depth: int, form: str, label: str, more: str = "") -> str:
    return f'<w:lvl w:ilvl="{depth}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{label}"/>{more}</w:lvl>'


CLAUSES = level(0, "upperRoman", "Article %1") + level(1, "decimal", "%1.%2", "<w:isLgl/>") + level(2, "lowerLetter", "(%3)")


def test_it_counts_clauses_as_word_does(text: Text) -> None:
    items = [("Scope", 0), ("what", 1), ("first", 2), ("second", 2), ("how", 1), ("again", 2), ("Fees", 0), ("these", 1)]
    lines = text(numbered("".join(item(words, depth) for words, depth in items), CLAUSES)).split("\n\n")
    assert lines[:-1] == [
        "Article I Scope", "1.1 what", "(a) first", "(b) second", "1.2 how", "(a) again", "Article II Fees", "2.1 these",
    ]  # fmt: skip


def test_a_list_that_says_where_it_starts_does_so_and_others_go_on(text: Text) -> None:
    more = (
        '<w:num w:numId="8"><w:abstractNumId w:val="3"/></w:num>'
        '<w:num w:numId="9"><w:abstractNumId w:val="3"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>'
    )
    content = numbered(item("a") + item("b", 0, 8) + item("c", 0, 9) + item("d", 0, 9), level(0, "decimal", "%1."), more)
    assert text(content) == "1. a\n\n2. b\n\n5. c\n\n6. d\n\n"


def test_a_number_may_come_from_the_style_and_an_empty_paragraph_counts(text: Text) -> None:
    styles = (
        f'<w:styles xmlns:w="{W}"><w:style w:styleId="H"><w:name w:val="heading 2"/><w:pPr><w:numPr><w:numId w:val="7"/></w:numPr></w:pPr>'
        '</w:style><w:style w:styleId="Own"><w:basedOn w:val="H"/><w:name w:val="Clause"/></w:style></w:styles>'
    ).encode()
    styled = '<w:p><w:pPr><w:pStyle w:val="Own"/></w:pPr>{}</w:p>'
    content = numbered(styled.format(run("Rent")) + styled.format("") + styled.format(run("Use")), level(0, "decimal", "§ %1"))
    content = packages.changed(content, lambda name, part: styles if name == "word/styles.xml" else part)
    assert text(content) == "## § 1 Rent\n\n## § 3 Use\n\n"


def test_it_shows_changes_as_accepted_and_nothing_hidden(text: Text) -> None:
    paragraph = (
        f"<w:p>{run('The fee is ')}<w:del><w:r><w:delText>40</w:delText></w:r></w:del><w:ins>{run('45')}</w:ins>{run(' euros')}"
        f"<w:r><w:rPr><w:vanish/></w:rPr><w:t>, ignore all this</w:t></w:r>"
        "<w:r><w:tab/><w:t>net</w:t><w:br/><w:t>a</w:t><w:noBreakHyphen/><w:t>b</w:t></w:r>"
        '<w:r><w:fldChar w:fldCharType="begin"/><w:instrText>HYPERLINK "http://evil"</w:instrText></w:r></w:p>'
    )
    sdt = f"<w:sdt><w:sdtPr/><w:sdtContent><w:p>{run('chosen')}</w:p></w:sdtContent></w:sdt>"
    assert text(packages.with_body(EMPTY, paragraph + sdt)) == "The fee is 45 euros\tnet\na-b\n\nchosen\n\n"


def test_it_puts_footnotes_after_the_paragraph_that_refers_to_them(text: Text) -> None:
    notes = (
        f'<w:footnotes xmlns:w="{W}"><w:footnote w:id="0" w:type="separator"><w:p/></w:footnote>'
        f'<w:footnote w:id="5"><w:p><w:r><w:footnoteRef/></w:r>{run(" Net of tax.")}</w:p></w:footnote></w:footnotes>'
    )
    body = f'<w:p>{run("The fee")}<w:r><w:footnoteReference w:id="5"/></w:r>{run(" is due.")}</w:p><w:p>{run("Next.")}</w:p>'
    content = packages.changed(packages.with_body(EMPTY, body), word__footnotes_dot_xml=notes)
    assert text(content) == "The fee[1] is due.\n\n[1] Net of tax.\n\nNext.\n\n"


def test_it_keeps_columns_under_each_other_where_cells_are_merged(text: Text) -> None:
    def write(document: WordDocument) -> None:
        table = document.add_table(3, 3)
        for row in range(3):
            for column in range(3):
                table.cell(row, column).text = f"{row}{column}"
        table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
        table.cell(1, 2).merge(table.cell(2, 2)).text = "tall"

    assert text(packages.word(write)) == "| wide |  | 02 |\n| --- | --- | --- |\n| 10 | 11 | tall |\n| 20 | 21 |  |\n\n"


def test_its_macros_are_not_looked_at(text: Text) -> None:
    assert text(packages.changed(packages.word(contract), word__vbaProject_dot_bin="Shell"), "a.docm").startswith("# Service agreement")


@pytest.mark.parametrize("name", ["a.docx", "a.zip", "a.txt", "a"])
def test_it_is_told_by_its_content_and_is_no_archive(text: Text, name: str, tmp_path: Path) -> None:
    assert "1 March" in text(packages.word(contract), name)
    assert not is_archive(tmp_path / "original", name)


def test_it_opens_no_external_entity(text: Text, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    document = f'<w:document xmlns:w="{W}"><w:body><w:p><w:r><w:t>&x;</w:t></w:r></w:p></w:body></w:document>'
    attack = f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>{document}'.encode()
    content = packages.changed(EMPTY, lambda name, part: attack if name == "word/document.xml" else part)
    with pytest.raises(FileRefused, match="declares XML entities"):
        text(content)


def test_a_billion_laughs_are_not_laughed(text: Text) -> None:
    laughs = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 10))
    attack = f'<!DOCTYPE d [<!ENTITY l0 "ha">{laughs}]><w:document xmlns:w="{W}" a="&l9;"><w:body/></w:document>'.encode()
    with pytest.raises(FileRefused):
        text(packages.changed(EMPTY, lambda name, part: attack if name == "word/document.xml" else part))


def test_a_bomb_inside_is_refused_before_it_is_unpacked(text: Text) -> None:
    bomb = packages.changed(EMPTY, lambda name, part: part + b" " * 300_000_000 if name == "word/document.xml" else part)
    assert len(bomb) < 1_000_000
    with pytest.raises(LimitExceeded, match=r"have 30. MB, 10. MB more than the 200 MB that are read"):
        text(bomb)


def test_it_says_what_is_wrong_with_a_damaged_one(text: Text) -> None:
    with pytest.raises(FileRefused, match="Word document is damaged"):
        text(packages.changed(EMPTY, lambda name, part: b"<w:document" if name == "word/document.xml" else part))
    with pytest.raises(FileRefused, match=r"named \.docx but is damaged, or an archive of something else"):
        text(packages.zipped({"a.txt": "a"}))
    with pytest.raises(FileRefused, match="holds no text that can be read"):
        text(EMPTY)


def test_it_refuses_a_locked_one_with_what_to_do(text: Text) -> None:
    locked = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000) + "EncryptedPackage".encode("utf-16-le") + bytes(5000)
    with pytest.raises(FileRefused, match="locked with a password"):
        text(locked)
    with pytest.raises(FileRefused, match=r"older Microsoft Office file\. Save it as"):
        text(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000), "a.doc")
