"""Exports: everything that the rows know, verbatim, and nothing in a document can break out of its place in the file."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import bibtexparser
import docx
import openpyxl
import pypdf
import pypdfium2
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from markdown_it import MarkdownIt
from PIL import Image

from tests.webapp.test_pages import signed_in
from webapp.accounts.models import User
from webapp.ask.models import Answer, AnswerState, Citation, Conversation, Question
from webapp.ask.records import question_record
from webapp.checklist.models import Cell, Checklist, Judgement, Sweep, SweepState, SweptDocument, Verdict
from webapp.export import fonts, pages, portable, sizes, sweeps
from webapp.export.answers import taken_question
from webapp.export.bibtex import bibtex
from webapp.export.blocks import Cited, Grid, Heading, Quoted, Said, Sheet
from webapp.export.forms import FORMS, file_response
from webapp.export.inert import escaped, fenced, harmless
from webapp.export.portable import pdf
from webapp.export.sheets import xlsx
from webapp.export.sweeps import taken_sweep
from webapp.export.word import docx as word
from webapp.library.models import Collection, Document

pytestmark = pytest.mark.django_db

HOSTILE = [
    "```\n# Owned\n<script>alert(1)</script>",
    "````text\n~~~\n> out",
    "two\n\n## Heading\n\n[click](javascript:alert(1)) ![x](http://a/b.png)",
    "tick at the end `",
    "a\r```\rb",
]


@pytest.fixture
def question(alice: User, collection: Collection) -> Question:
    question = Question.objects.create(collection=collection, owner=alice, text="How much notice is needed to terminate?")
    document = Document.objects.create(collection=collection, name="contract.pdf", path="contract.pdf", sha256="0" * 64)
    answer = Answer.objects.create(
        question=question,
        state=AnswerState.DONE,
        text="ninety (90) days",
        found=True,
        confidence=0.87,
        model="smollm2-135m-instruct",
        mode="joined",
        prompt_hash="abc123",
        located=[{"document": str(document.id), "name": "contract.pdf", "page": 4, "score": 3.5, "text": "upon ninety (90) days"}],
        usage={"prompt_tokens": 12000, "chunks": 30, "read_tokens": 900},
        timings={"locate_s": 0.01, "prefill_s": 1.5, "first_token_s": 1.7, "total_s": 2.0},
    )
    _cite(answer, 1, quote="ninety (90) days’ prior\nwritten notice", document=document, page=4, verified=True)
    _cite(answer, 2, quote="notice_period = 90", document_path="src/terms.py", first_line=12, last_line=14, verified=False)
    return question


def _cite(answer: Answer, number: int, **fields: Any) -> Citation:
    names = {"document_name": "contract.pdf", "document_path": "contract.pdf", "start_char": 100, "end_char": 140}
    return Citation.objects.create(answer=answer, number=number, **(names | fields))


def written(question: Question) -> str:
    text = FORMS["md"].write(taken_question(question), False)
    assert isinstance(text, str)
    return text


def test_it_exports_the_shape_that_ask_prints(question: Question) -> None:
    record = question_record(question)
    answer = record["answer"]
    keys = {"answer", "found", "confidence", "citations", "located", "model", "mode", "usage", "timings"}
    assert set(answer) == keys
    assert {"document", "page", "quote", "start_char", "end_char", "verified", "path", "first_line", "last_line"} <= set(
        answer["citations"][0]
    )
    assert {"document", "page", "score", "text"} <= set(answer["located"][0])
    assert set(answer["timings"]) == {"parse_s", "prefill_s", "locate_s", "first_token_s", "total_s"}
    assert answer["citations"][0]["quote"] == "ninety (90) days’ prior\nwritten notice"
    assert (answer["located"][0]["document"], answer["located"][0]["page"]) == ("contract.pdf", 4)
    assert record["prompt_hash"] == "abc123"


def test_it_writes_the_answer_with_its_quotes_and_places_as_markdown(question: Question) -> None:
    tokens = MarkdownIt().parse(written(question))
    fences = [token.content for token in tokens if token.type == "fence"]
    text = "".join(child.content for token in tokens for child in token.children or [] if child.type == "text")
    assert fences == ["ninety (90) days’ prior\nwritten notice\n", "notice_period = 90\n"]
    for words in ("ninety (90) days", "page 4", "lines 12-14", "src/terms.py", "verified: it stands", "unverified", "joined", "abc123"):
        assert words in text
    assert "smollm2-135m-instruct" in text
    assert "first_token_s: 1.700" in text


def test_what_may_answer_too_stands_apart(question: Question) -> None:
    """The answer's words are those of its first quote alone."""
    said = written(question)
    assert said.index("ninety (90) days’ prior") < said.index("May answer too") < said.index("notice_period = 90")
    question.answer.text = "It is ninety days [1][2]."
    question.answer.save()
    assert "May answer too" not in written(question)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_it_lets_no_quote_break_out_of_its_fence(hostile: str) -> None:
    tokens = MarkdownIt().parse(f"{fenced(hostile)}\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content == hostile.replace("\r", "\n") + "\n"


@pytest.mark.parametrize("hostile", [*HOSTILE, "- item", "1. item", "a | b", "https://evil.example", "&amp; <b>", "\\", "===", "    code"])
def test_it_lets_no_name_or_answer_mean_anything_to_markdown(hostile: str) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(escaped(hostile))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == " ".join(hostile.split())


def test_it_says_when_nothing_was_found_and_when_an_answer_failed(question: Question) -> None:
    answer = question.answer
    answer.found, answer.text = False, ""
    assert "Not found in these documents\\." in written(question)
    answer.state, answer.error = AnswerState.FAILED, "The model is missing."
    assert "No answer\\: The model is missing\\." in written(question)


def test_it_keeps_a_quote_whose_document_is_gone(question: Question) -> None:
    Document.objects.all().delete()
    again = Question.objects.get(id=question.id)
    citation = question_record(again)["answer"]["citations"][0]
    assert (citation["document"], citation["document_id"]) == ("contract.pdf", None)
    assert "ninety (90) days’ prior" in written(again)


@pytest.mark.parametrize(
    ("text", "name"),
    [("How much?", "how-much"), ('../../etc/passwd"; x="', "etcpasswd-x"), ("何日ですか", "longread"), ("a\r\nB: b", "a-b-b")],
)
def test_it_names_the_file_safely(question: Question, text: str, name: str) -> None:
    question.text = text
    response = file_response(taken_question(question), "md")
    assert response["Content-Disposition"] == f'attachment; filename="{name}.md"'
    assert response["Content-Type"].startswith("text/markdown")
    assert response["X-Content-Type-Options"] == "nosniff"


def taken(client: Client, question: Question, form: str, **query: str) -> bytes:
    response = client.get(reverse("ask-export", args=[question.id, form]), query)
    assert response.status_code == 200
    return b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def test_it_gives_the_file_to_those_who_may_see_it_alone(question: Question, browser: Client, bob: User, client: Client) -> None:
    for form in FORMS:
        address = reverse("ask-export", args=[question.id, form])
        assert client.get(address).status_code == 302
        assert signed_in(bob).get(address).status_code == 404
        assert browser.get(address).status_code == 200
    assert browser.get(reverse("ask-export", args=[question.id, "exe"])).status_code == 404
    assert json.loads(taken(browser, question, "json"))["question"] == question.text


# ------------------------------------------------------------------ each form read back by another's reader


def test_its_csv_has_a_line_a_citation(question: Question, browser: Client) -> None:
    text = taken(browser, question, "csv").decode()
    head, first, second = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    assert dict(zip(head, first, strict=True)) | {"asked at": ""} == {
        "question": question.text,
        "answer": "ninety (90) days",
        "found": "yes",
        "confidence": "0.87",
        "citation": "1",
        "document": "contract.pdf",
        "path": "contract.pdf",
        "page": "4",
        "first line": "",
        "last line": "",
        "quote": "ninety (90) days’ prior\nwritten notice",
        "verified": "yes",
        "reading": "file",
        "model": "smollm2-135m-instruct",
        "asked at": "",
    }
    assert second[6:12] == ["src/terms.py", "", "12", "14", "notice_period = 90", "no"]


def test_its_csv_has_a_line_where_nothing_was_found(question: Question, browser: Client) -> None:
    question.answer.citations.all().delete()
    Answer.objects.update(found=False, text="")
    text = taken(browser, question, "csv").decode()
    assert "Not found in these documents." in text
    assert len(text.splitlines()) == 2


def test_its_word_file_has_headings_quotes_and_places(question: Question, browser: Client) -> None:
    paper = docx.Document(io.BytesIO(taken(browser, question, "docx")))
    by_style: dict[str, list[str]] = {}
    for paragraph in paper.paragraphs:
        by_style.setdefault(paragraph.style.name, []).append(paragraph.text)
    assert by_style["Heading 1"] == [question.text]
    assert by_style["Heading 2"] == ["Citations", "May answer too", "How it was answered"]
    assert by_style["Intense Quote"] == ["ninety (90) days’ prior\nwritten notice"]
    assert by_style["Quote"] == ["notice_period = 90"]
    assert "1. contract.pdf, page 4 (verified: it stands so in the document)" in by_style["Facts"]
    assert "2. src/terms.py, lines 12-14 (unverified: it was not found in the document)" in by_style["Facts"]


def test_a_quote_that_ocr_read_says_so(question: Question, browser: Client) -> None:
    question.answer.citations.filter(number=1).update(reading="uncertain")
    said = "verified: it stands so in the document · Read by OCR, some words uncertain"
    assert said in written(question)
    assert said in " ".join(paragraph.text for paragraph in docx.Document(io.BytesIO(taken(browser, question, "docx"))).paragraphs)
    assert question_record(question)["answer"]["citations"][0]["reading"] == "uncertain"
    assert ",uncertain," in taken(browser, question, "csv").decode()


def test_its_pdf_has_the_answer_and_an_outline(question: Question, browser: Client) -> None:
    reader = pypdf.PdfReader(io.BytesIO(taken(browser, question, "pdf")))
    text = " ".join(" ".join(page.extract_text().split()) for page in reader.pages)
    for words in (question.text, "ninety (90) days", "1. contract.pdf, page 4 (verified", "src/terms.py, lines 12-14 (unverified"):
        assert words in text
    assert reader.metadata is not None
    assert reader.metadata.title == question.text
    outline = [str(entry.title) for entry in flat(reader.outline)]
    assert outline == [question.text, "Citations", "May answer too", "How it was answered"]


def flat(outline: Any) -> list[Any]:
    return [entry for part in outline for entry in (flat(part) if isinstance(part, list) else [part])]


def test_its_excel_file_has_the_same_as_the_csv(question: Question, browser: Client) -> None:
    page = openpyxl.load_workbook(io.BytesIO(taken(browser, question, "xlsx"))).active
    rows = list(page.values)
    assert rows[0][:2] == ("question", "answer")
    assert (rows[1][7], rows[1][10]) == (4, "ninety (90) days’ prior\nwritten notice")
    assert len(rows) == 3


def test_its_bibtex_names_each_document_once_with_its_pages(question: Question, browser: Client) -> None:
    _cite(question.answer, 3, quote="5 % & more_{x}", document=Document.objects.get(), page=9, verified=True)
    library = bibtexparser.parse_string(taken(browser, question, "bib").decode())
    assert not library.failed_blocks
    contract, code = library.entries
    assert (contract.entry_type, contract["title"], contract["pages"]) == ("misc", "contract.pdf", "4, 9")
    assert contract["note"] == f"SHA-256 {'0' * 64}"
    assert r"page 9: ``5 \% \& more\_\{x\}''" in contract["annote"]
    assert (code["howpublished"], code["note"]) == ("src/terms.py", "lines 12-14")


@pytest.mark.parametrize("hostile", ["}}, evil = {x", "a}\n@misc{evil,\n title={x}}", "\\input{/etc/passwd}", '"', "%", "@comment{", "ü漢"])
def test_no_text_ends_its_bibtex_entry(hostile: str) -> None:
    library = bibtexparser.parse_string(bibtex([Cited(hostile, hostile, "page 1", hostile)]))
    assert not library.failed_blocks
    assert len(library.entries) == 1
    assert {field.key for field in library.entries[0].fields} == {"title", "pages", "annote"}
    assert "\\input" not in library.entries[0]["title"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("http://a")'])
def test_no_cell_of_a_spreadsheet_runs(text: str) -> None:
    book = openpyxl.load_workbook(io.BytesIO(xlsx(Sheet([text], [[text]]), text)))
    cells = [cell for row in book.active.iter_rows() for cell in row]
    assert [cell.data_type for cell in cells] == ["s", "s"]
    assert [cell.value for cell in cells] == [text, text], "it stands there word for word"
    assert all(cell.quotePrefix for cell in cells), "and stays a text when it is edited"
    assert harmless(text) == f"'{text}"


NASTY = "a\x00b\x08\ud800c\ufffe漢字 🙂 עברית\t\x1b[31m <w:p/> & ]]>"


def test_every_form_holds_whatever_a_document_says(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [Heading(1, NASTY), Said(NASTY), Quoted(1, NASTY, "page 1", NASTY, True)]
    paper = docx.Document(io.BytesIO(word(blocks, NASTY)))
    assert "abc漢字 🙂 עברית" in paper.paragraphs[0].text
    assert "]]>" in paper.paragraphs[0].text
    assert "abc漢字" in openpyxl.load_workbook(io.BytesIO(xlsx(Sheet(["x"], [[NASTY]]), NASTY))).active["A2"].value
    assert pypdf.PdfReader(io.BytesIO(pdf(blocks, NASTY))).pages
    monkeypatch.setattr(portable, "face", lambda: None)
    text = pypdf.PdfReader(io.BytesIO(pdf(blocks, NASTY))).pages[0].extract_text()
    assert "abc?? ?" in text
    assert "This machine has no font" in text


def test_it_cuts_what_no_spreadsheet_cell_holds() -> None:
    value = openpyxl.load_workbook(io.BytesIO(xlsx(Sheet(["x"], [["y" * 40_000]]), ""))).active["A2"].value
    assert (len(value), value[-1]) == (32_767, "…")


def test_it_puts_the_cited_pages_in_where_they_are_wanted(
    question: Question, browser: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    drawn: list[int] = []

    def draw(folder: object, number: int, width: int, limits: object) -> Any:
        drawn.append(number)
        Image.new("RGB", (600, 800), "white").save(tmp_path / "page.webp")
        return tmp_path / "page.webp"

    monkeypatch.setattr(pages, "page_image", draw)
    _cite(question.answer, 3, quote="again", document=Document.objects.get(), page=4, verified=True)
    assert not docx.Document(io.BytesIO(taken(browser, question, "docx"))).inline_shapes
    assert len(docx.Document(io.BytesIO(taken(browser, question, "docx", pages="1"))).inline_shapes) == 1
    reader = pypdf.PdfReader(io.BytesIO(taken(browser, question, "pdf", pages="1")))
    assert sum(len(page.images) for page in reader.pages) == 1
    assert drawn == [4, 4]


def test_it_leaves_out_a_page_that_cannot_be_drawn(question: Question, browser: Client) -> None:
    paper = docx.Document(io.BytesIO(taken(browser, question, "docx", pages="1")))
    assert not paper.inline_shapes
    assert any("page 4" in paragraph.text for paragraph in paper.paragraphs)


def test_it_marks_quotes_in_yellow_and_nothing_else() -> None:
    def yellow(*blocks: Any) -> int:
        picture = pypdfium2.PdfDocument(pdf(blocks, "x"))[0].render(scale=0.5).to_pil().convert("RGB")
        return sum(count for count, colour in picture.getcolors(1 << 20) if colour == (251, 226, 107))

    quote, table = Quoted(1, "a.pdf", "page 1", "ninety days", True), Grid(("Question", "Answer"), [("Why?", "So.")], (0.5, 0.5))
    assert yellow(quote) > 1000
    assert yellow(quote, table) == yellow(quote)
    assert yellow(Quoted(1, "a.pdf", "page 1", "ninety days", False)) == 0


def test_it_sets_a_pdf_in_a_font_of_the_machine() -> None:
    face = fonts.face()
    text = pypdf.PdfReader(io.BytesIO(pdf([Said("Łódź Ελλάδα Привет")], "x"))).pages[0].extract_text()
    assert ("Łódź Ελλάδα Привет" in text) == (face is not None)


# ------------------------------------------------------------------ conversations


def test_it_takes_a_whole_conversation_home_in_its_order(question: Question, browser: Client) -> None:
    talk = Conversation.objects.create(collection=question.collection, owner=question.owner)
    Question.objects.update(conversation=talk)
    later = {"follows": question, "asked_as": "And for the licence?", "left_out": [{"document": None, "path": "old.pdf"}]}
    second = Question.objects.create(collection=question.collection, owner=question.owner, conversation=talk, text="And for it?", **later)
    Answer.objects.create(question=second, state=AnswerState.DONE)
    other = Question.objects.create(collection=question.collection, owner=question.owner, text="Elsewhere?")
    Answer.objects.create(question=other, state=AnswerState.DONE)
    for asked in (question, second):
        text = browser.get(reverse("ask-export-conversation", args=[asked.id, "md"])).content.decode()
        headings = [token.content for token in MarkdownIt().parse(text) if token.type == "inline"]
        assert headings.index(question.text) < headings.index(second.text)
        assert "Elsewhere" not in text
        assert "Asked as: And for the licence?" in text.replace("\\", "")
        assert "Left out: old.pdf" in text.replace("\\", "")
    record = json.loads(browser.get(reverse("ask-export-conversation", args=[second.id, "json"])).content)
    assert [row["question"] for row in record] == [question.text, "And for it?"]
    assert len(json.loads(browser.get(reverse("ask-export-conversation", args=[other.id, "json"])).content)) == 1


# ------------------------------------------------------------------ sweeps


@pytest.fixture
def sweep(alice: User, collection: Collection) -> Sweep:
    """Two questions over two documents, one of which was left out; one answer is judged."""
    checklist = Checklist.objects.create(collection=collection, owner=alice, questions=["=How much?", "Why?"])
    made = Sweep.objects.create(checklist=checklist, state=SweepState.DONE, model="scripted")
    document = SweptDocument.objects.create(sweep=made, number=0, name="a.pdf", path="a.pdf", sha256="f" * 64, token_count=1000)
    SweptDocument.objects.create(sweep=made, number=1, name="b.pdf", path="b.pdf", sha256="b", left_out="torn")
    place = {"page": 3, "first_line": None, "last_line": None, "start_char": 4, "end_char": 9}
    citations = [{"number": 1, "quote": "ninety days", "verified": True} | place]
    cell = Cell.objects.create(document=document, question=0, answer="90", found=True, confidence=0.95, citations=citations)
    Cell.objects.create(document=document, question=1)
    Verdict.objects.create(cell=cell, judgement=Judgement.WRONG, note="=it is 60", person=alice)
    return made


def taken_table(client: Client, sweep: Sweep, form: str) -> bytes:
    response = client.get(reverse("checklist-export", args=[sweep.id, form]))
    assert response.status_code == 200
    return b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]


def test_its_table_says_what_people_said_of_it(sweep: Sweep, browser: Client) -> None:
    head, first, second = csv.reader(io.StringIO(taken_table(browser, sweep, "csv").decode().removeprefix("\ufeff")))
    assert head[3:7] == ["'=How much?", "'=How much? (place)", "'=How much? (quote)", "'=How much? (verdict)"]
    date = f"{Verdict.objects.get().updated_at:%Y-%m-%d}"
    assert first[3:] == ["90", "page 3", "ninety days", f"wrong: =it is 60 (alice, {date})", "not found", "", "", ""]
    assert second[2] == "not asked: torn"
    rows = list(openpyxl.load_workbook(io.BytesIO(taken_table(browser, sweep, "xlsx"))).active.values)
    assert [rows[0][3], *rows[1][3:6]] == ["=How much?", "90", "page 3", "ninety days"]


def test_a_table_says_which_quotes_ocr_read(sweep: Sweep, browser: Client) -> None:
    cell = Cell.objects.get(answer="90")
    cell.citations[0]["reading"] = "ocr"
    cell.save()
    assert "page 3 · Read by OCR" in taken_table(browser, sweep, "csv").decode()


def test_a_table_tells_what_an_answer_rests_on_from_what_may_answer_too(sweep: Sweep, browser: Client) -> None:
    Cell.objects.filter(answer="90").update(answer="ninety")
    cell = Cell.objects.get(answer="ninety")
    cell.citations.append(cell.citations[0] | {"number": 2, "quote": "sixty, if both agree"})
    cell.save()
    assert "ninety days — may answer too: sixty, if both agree" in taken_table(browser, sweep, "csv").decode()


def test_its_papers_have_page_references(sweep: Sweep, browser: Client) -> None:
    paper = docx.Document(io.BytesIO(taken_table(browser, sweep, "docx")))
    (table,) = paper.tables
    assert [[cell.text for cell in row.cells][:3] for row in table.rows] == [
        ["Question", "Answer", "Quote and place"],
        ["=How much?", "90", "ninety days\npage 3"],
        ["Why?", "not found", ""],
    ]
    assert "Not asked: torn" in [paragraph.text for paragraph in paper.paragraphs]
    text = pypdf.PdfReader(io.BytesIO(taken_table(browser, sweep, "pdf"))).pages[0].extract_text()
    for words in ("1 of 2 documents", "ninety days", "page 3", "wrong: =it is 60", "Not asked: torn"):
        assert words in " ".join(text.split())
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(taken_table(browser, sweep, "md").decode())
    assert "table_open" in [token.type for token in tokens]


def test_its_json_and_bibtex_hold_the_rows(sweep: Sweep, browser: Client) -> None:
    record = json.loads(taken_table(browser, sweep, "json"))
    asked, left_out = record["documents"]
    assert (asked["answers"][0]["question"], asked["answers"][0]["answer"]) == ("=How much?", "90")
    assert (asked["answers"][0]["verdict"]["judgement"], asked["answers"][0]["verdict"]["by"]) == ("wrong", "alice")
    assert (left_out["left_out"], left_out["answers"]) == ("torn", [])
    (entry,) = bibtexparser.parse_string(taken_table(browser, sweep, "bib").decode()).entries
    assert (entry["title"], entry["pages"]) == ("a.pdf", "3")


def test_it_refuses_a_paper_that_nobody_could_read(sweep: Sweep, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "MOST_IN_PAPER", 1)
    monkeypatch.setattr(sizes, "ANSWERS_AT_ONCE", sizes.ANSWERS_AT_ONCE | {"docx": 1})
    response = browser.get(reverse("checklist-export", args=[sweep.id, "docx"]), follow=True)
    assert "Save the table as Excel or CSV." in response.content.decode()
    assert taken_table(browser, sweep, "xlsx")


def test_it_reads_a_table_a_document_at_a_time(sweep: Sweep, django_assert_max_num_queries: Any) -> None:
    questions = len(sweep.checklist.questions)
    for number in range(2, 60):
        document = SweptDocument.objects.create(sweep=sweep, number=number, name="x", path="x", sha256="x")
        Cell.objects.bulk_create([Cell(document=document, question=question) for question in range(questions)])
    with django_assert_max_num_queries(7):
        assert len(list(taken_sweep(sweep).sheet().rows)) == 60


def test_it_reads_a_table_without_a_cursor_that_stays_open(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker writes its progress between two documents, and SQLite refuses that under an open cursor that others have overtaken."""
    monkeypatch.setattr(sweeps, "DOCUMENTS_AT_ONCE", 1)
    with CaptureQueriesContext(connection) as asked:
        paths = [row[0] for row in taken_sweep(sweep).sheet().rows]
    assert paths == list(sweep.documents.values_list("path", flat=True))
    read = [query["sql"] for query in asked if 'FROM "checklist_sweptdocument"' in query["sql"] and '"path"' in query["sql"]]
    assert len(read) == len(paths) + 1
    assert all("LIMIT 1" in query for query in read)
