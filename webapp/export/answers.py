"""A question with its answer, and a conversation of several, as what can be taken home."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from django.utils.translation import gettext

from webapp.ask.models import Answer, Citation, Conversation, Question
from webapp.ask.records import question_record, usage_said
from webapp.ask.selectors import conversation_questions
from webapp.ask.supporting import others, supporting
from webapp.export.blocks import Block, Cited, Facts, Heading, Plain, Quoted, Said, Sheet, place_said
from webapp.export.forms import Taken
from webapp.export.pages import Pages
from webapp.library.page_reading import read_by_ocr

HEAD = (
    "question",
    "answer",
    "found",
    "confidence",
    "citation",
    "document",
    "path",
    "page",
    "first line",
    "last line",
    "quote",
    "verified",
    "reading",
    "model",
    "asked at",
)
Row = tuple[str | int | float | None, ...]


def taken_question(question: Question) -> Taken:
    return Taken(
        title=question.text,
        answers=1,
        parts=1,
        unit="questions",
        figures=lambda: cited_pages([question]),
        record=lambda: question_record(question),
        sheet=lambda: Sheet(HEAD, question_rows(question)),
        blocks=lambda pages: question_blocks(question, Pages(wanted=pages)),
        cited=lambda: question_cited(question),
    )


def taken_conversation(conversation: Conversation) -> Taken:
    """Of one question at least, in the order in which they were asked."""
    return taken_questions(list(conversation_questions(conversation=conversation)), conversation.title)


def taken_questions(questions: Sequence[Question], title: str = "") -> Taken:
    """Of one collection."""
    return Taken(
        title=title or questions[0].text,
        answers=len(questions),
        parts=len(questions),
        unit="questions",
        figures=lambda: cited_pages(questions),
        record=lambda: [question_record(row) for row in questions],
        sheet=lambda: Sheet(HEAD, chain.from_iterable(map(question_rows, questions))),
        blocks=lambda pages: _conversation_blocks(title, questions, Pages(wanted=pages)),
        cited=lambda: chain.from_iterable(map(question_cited, questions)),
    )


def cited_pages(questions: Sequence[Question]) -> int:
    """How many pages of documents that are still there are cited."""
    cited = Citation.objects.filter(answer__question__in=questions, document__isnull=False, page__isnull=False)
    return cited.order_by().values("document", "page").distinct().count()


def _conversation_blocks(title: str, questions: Sequence[Question], pages: Pages) -> Iterator[Block]:
    asked = gettext("Asked of {collection}").format(collection=questions[0].collection.name)
    yield Heading(1, f"{title}: {asked}" if title else asked)
    for row in questions:
        yield from question_blocks(row, pages, level=2)


def question_rows(question: Question) -> Iterator[Row]:
    """One a citation; one without where there is none."""
    answer = question.answer
    said: Row = (question.text, answer.text or outcome(answer), "yes" if answer.found else "no", round(answer.confidence, 4))
    about: Row = (answer.model, f"{question.created_at:%Y-%m-%d %H:%M:%S}")
    citations = list(answer.citations.all())
    for citation in citations:
        place: Row = (citation.page, citation.first_line, citation.last_line)
        verified = "yes" if citation.verified else "no"
        yield (
            *said,
            citation.number,
            citation.document_name,
            citation.document_path,
            *place,
            citation.quote,
            verified,
            citation.reading,
            *about,
        )
    if not citations:
        yield (*said, *(None,) * 9, *about)


def question_blocks(question: Question, pages: Pages, level: int = 1) -> Iterator[Block]:
    """`level` of its heading."""
    answer = question.answer
    yield Heading(level, question.text)
    yield Said(answer.text) if answer.found and not answer.error else Plain(outcome(answer))
    citations = list(answer.citations.select_related("document"))
    for heading, some in ((gettext("Citations"), supporting(citations, answer)), (gettext("May answer too"), others(citations, answer))):
        if some:
            yield Heading(level + 1, heading)
        for citation in some:
            source = citation.document_path or citation.document_name
            yield Quoted(citation.number, source, spot(citation), citation.quote, citation.verified, read_by_ocr(citation.reading))
            yield from pages.figure(citation.document, citation.page)
    yield Heading(level + 1, gettext("How it was answered"))
    yield Facts(list(_facts(question)))


def question_cited(question: Question) -> Iterator[Cited]:
    for citation in question.answer.citations.select_related("document"):
        digest = citation.document.sha256 if citation.document else ""
        yield Cited(citation.document_name, citation.document_path, spot(citation), citation.quote, digest)


def outcome(answer: Answer) -> str:
    """What to say where there is no answer to show."""
    if answer.error:
        return gettext("No answer: {error}").format(error=answer.error)
    return gettext("Not found in these documents.") if answer.has_ended else gettext("Not answered yet.")


def spot(citation: Citation) -> str:
    said = place_said(citation.page, citation.first_line, citation.last_line)
    return said or gettext("character {number}").format(number=citation.start_char)


def _facts(question: Question) -> Iterator[tuple[str, str]]:
    answer = question.answer
    yield gettext("Asked"), f"{question.created_at:%Y-%m-%d %H:%M:%S %Z}"
    if question.asked_as and question.asked_as != question.text:
        yield gettext("Asked as"), question.asked_as
    for left_out in question.left_out:
        yield gettext("Left out"), str(left_out["path"])
    usage = usage_said(answer)
    for name in usage.pop("named", []):
        yield gettext("Named in the question, and asked alone"), str(name)
    confidence = gettext("{state}, confidence {confidence}").format(state=answer.get_state_display(), confidence=f"{answer.confidence:.2f}")
    yield gettext("Answer"), confidence
    none = gettext("none")
    yield gettext("Model"), gettext("{model}, mode: {mode}").format(model=answer.model or none, mode=answer.mode or none)
    yield gettext("Prompt hash"), answer.prompt_hash or none
    for name, value in sorted(usage.items()):
        yield name, f"{value:,}"
    for name, seconds in sorted(answer.timings.items()):
        yield name, f"{seconds:.3f}"
