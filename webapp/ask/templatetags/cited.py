"""An answer's text with its numbered quotes in it: hover or focus shows the words, a press opens them in the source."""

from __future__ import annotations

import re
from uuid import UUID

from django import template
from django.template.defaultfilters import truncatechars
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from engine.quote import holds
from webapp.ask.models import Answer, Citation
from webapp.ask.supporting import others, supporting
from webapp.core.templatetags.words import source_url

register = template.Library()
register.filter(supporting)
register.filter(others)

MARK = re.compile(r"\s?\[(\d{1,3})\]")
TIP_CHARACTERS = 600


@register.simple_tag
def cited_text(answer: Answer, citations: list[Citation], question_id: UUID) -> SafeString:
    """A mark [1] that the model set becomes its quote's number; quotes without a mark follow the text. Everything is escaped.

    An answer in a document's own words has no marks: what looks like one stands in the document. Quotes that do not hold these words do not
    follow it."""
    by_number = {} if _is_verbatim(answer.text, citations) else {citation.number: citation for citation in citations}
    parts: list[SafeString] = []
    at, marked = 0, set[int]()
    for mark in MARK.finditer(answer.text):
        if citation := by_number.get(int(mark[1])):
            tip = "" if citation.number in marked else f"tip-{question_id.hex[:8]}-{citation.number}"
            parts += [format_html("{}", answer.text[at : mark.start()]), _chip(citation, tip, question_id)]
            at = mark.end()
            marked.add(citation.number)
    parts.append(format_html("{}", answer.text[at:]))
    rest = (citation for citation in supporting(citations, answer) if citation.number not in marked)
    parts += [_chip(citation, f"tip-{question_id.hex[:8]}-{citation.number}", question_id) for citation in rest]
    return format_html_join("", "{}", ((part,) for part in parts))


def streamed_token(text: str) -> SafeString:
    """A piece of an answer in the making. A mark comes as a piece of its own, right before its quote."""
    if mark := MARK.fullmatch(text):
        return format_html('<a class="chip" href="#citation-{}">{}</a>', mark[1], mark[1])
    return format_html('<span class="token">{}</span>', text)


def _is_verbatim(text: str, citations: list[Citation]) -> bool:
    return any(holds(citation.quote, text) for citation in citations)


def _chip(citation: Citation, tip: str, question_id: UUID) -> SafeString:
    url = source_url(citation, question=question_id)
    described = format_html(' aria-describedby="{}"', tip) if tip else ""
    label = gettext("Quote {number}").format(number=citation.number)
    if url:
        chip = format_html(
            '<a class="chip" href="{}#quote" hx-get="{}" hx-target="#source" hx-swap="outerHTML" aria-label="{}"{}>{}</a>',
            url,
            url,
            label,
            described,
            citation.number,
        )
    else:
        chip = format_html('<span class="chip" tabindex="0" role="note" aria-label="{}"{}>{}</span>', label, described, citation.number)
    known = format_html(' id="{}"', tip) if tip else ""
    words = truncatechars(citation.quote, TIP_CHARACTERS)
    return format_html('<span class="chip-holder">{}<span class="tip" role="tooltip"{}>{}</span></span>', chip, known, words)
