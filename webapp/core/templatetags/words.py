"""Numbers as people say them, and addresses of places: the few words that templates need beyond Django's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_lazy, gettext_noop, ngettext

register = template.Library()

CONFIDENCE = (
    (0.9, gettext_lazy("very sure")),
    (0.7, gettext_lazy("quite sure")),
    (0.45, gettext_lazy("unsure")),
    (0.0, gettext_lazy("very unsure")),
)
# What can be counted, by its English name.
NOUNS: dict[str, Callable[[int], str]] = {
    "answer": lambda n: ngettext("{n} answer", "{n} answers", n),
    "chunk": lambda n: ngettext("{n} chunk", "{n} chunks", n),
    "day": lambda n: ngettext("{n} day", "{n} days", n),
    "document": lambda n: ngettext("{n} document", "{n} documents", n),
    "file": lambda n: ngettext("{n} file", "{n} files", n),
    "job": lambda n: ngettext("{n} job", "{n} jobs", n),
    "line": lambda n: ngettext("{n} line", "{n} lines", n),
    "message": lambda n: ngettext("{n} message", "{n} messages", n),
    "page": lambda n: ngettext("{n} page", "{n} pages", n),
    "place": lambda n: ngettext("{n} place", "{n} places", n),
    "prefill": lambda n: ngettext("{n} prefill", "{n} prefills", n),
    "question": lambda n: ngettext("{n} question", "{n} questions", n),
    "sweep": lambda n: ngettext("{n} sweep", "{n} sweeps", n),
    "table": lambda n: ngettext("{n} table", "{n} tables", n),
    "time": lambda n: ngettext("{n} time", "{n} times", n),
    "token": lambda n: ngettext("{n} token", "{n} tokens", n),
}
# Words that workers write down, in English, and that are shown in the reader's language: stages, units, and what became of a job.
WRITTEN = (
    gettext_noop("answering"),
    gettext_noop("asking"),
    gettext_noop("counting tokens"),
    gettext_noop("drawing pages"),
    gettext_noop("fetching"),
    gettext_noop("indexing"),
    gettext_noop("making chunks"),
    gettext_noop("opening the file"),
    gettext_noop("reading"),
    gettext_noop("reading pages"),
    gettext_noop("reading parts"),
    gettext_noop("reading scans"),
    gettext_noop("unpacking"),
    gettext_noop("writing"),
    gettext_noop("answers"),
    gettext_noop("characters"),
    gettext_noop("documents"),
    gettext_noop("files"),
    gettext_noop("kB"),
    gettext_noop("pages"),
    gettext_noop("parts"),
    gettext_noop("questions"),
    gettext_noop("tokens"),
    gettext_noop("queued again"),
)


@register.filter
def counted(number: int | None, noun: str) -> str:
    """1,214 tokens; 1 page. `noun` is one of NOUNS."""
    return NOUNS[noun](number or 0).format(n=intcomma(number or 0))


@register.filter
def counted_of(number: int | None, total: int | None) -> str:
    """1,214 of 31,002; without a total, 1,214."""
    if not total:
        return intcomma(number or 0)
    return gettext("{number} of {total}").format(number=intcomma(number or 0), total=intcomma(total))


@register.filter
def said(word: str) -> str:
    """One of WRITTEN in the reader's language; another word as it is."""
    return gettext(word) if word else ""


@register.filter
def sure(confidence: float) -> str:
    return str(next(words for least, words in CONFIDENCE if confidence >= least))


@register.filter
def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


@register.filter
def share_of(number: int, total: int) -> str:
    """99 %, and 100 % only for all of it."""
    return f"{100 * number // total} %" if total else ""


@register.filter
def duration(seconds: float | None) -> str:
    """0.2 s, 14 s, 3 min, 2 h 10 min, 3 days."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return gettext("{n} s").format(n=number_format(round(seconds, 1), 1))
    return _whole(seconds)


def _whole(seconds: float) -> str:
    if seconds < 90:
        return gettext("{n} s").format(n=round(seconds))
    minutes = round(seconds / 60)
    if minutes < 90:
        return gettext("{n} min").format(n=minutes)
    hours = minutes // 60
    if hours < 48:
        return gettext("{hours} h {minutes} min").format(hours=hours, minutes=minutes % 60)
    return counted(round(minutes / 1440), "day")


@register.filter
def age(moment: datetime | None) -> str:
    """How long since then, short: 4 s, 3 min."""
    return _whole(age_seconds(moment)) if moment else ""


@register.filter
def ago(moment: datetime | None) -> str:
    """3 min ago"""
    return gettext("{time} ago").format(time=age(moment)) if moment else ""


def age_seconds(moment: datetime | None) -> float:
    """0 where there is no moment."""
    return max(0.0, (timezone.now() - moment).total_seconds()) if moment else 0.0


@register.filter
def size(count: float | None) -> str:
    """512 bytes, 1.4 MB, 23 GB: thousands, as disks are sold."""
    value = float(count or 0)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5 or unit == "TB":
            break
        value /= 1000
    if unit == "bytes":
        return gettext("{n} bytes").format(n=intcomma(round(value)))
    return f"{intcomma(round(value)) if abs(value) >= 99.5 else number_format(round(value, 1), 1)} {unit}"


@register.filter
def rate(value: float | None, what: str) -> str:
    """640 tokens/s; 0.4 pages/s; '' where it is not known."""
    if value is None:
        return ""
    number = intcomma(round(value)) if value >= 10 else number_format(round(value, 1), 1)
    return gettext("{number} {things}/s").format(number=number, things=said(what))


BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "Mac"), ("Linux", "Linux"))


@register.filter
def browser(agent: str) -> str:
    """Firefox on Linux; what it says of itself where it is none of the well-known ones."""
    names = [next((name for mark, name in known if mark in agent), "") for known in (BROWSERS, SYSTEMS)]
    if all(names):
        return gettext("{browser} on {system}").format(browser=names[0], system=names[1])
    return "".join(names) or agent[:40] or gettext("A browser")


@register.simple_tag
def source_url(place: Any, question: object = None, sweep: object = None) -> str:
    """Where a citation (a row, or a dict with its fields) or one of Answer.located opens; '' when its document is gone.

    A quote is marked; a located place is only opened, since the mark says "these words". With the id of a question or a sweep, the page of
    the document leads back there.
    """
    quoted = _field(place, "document_id")
    document = quoted or _field(place, "document")
    if not document:
        return ""
    if quoted:
        query = {"start": _field(place, "start_char"), "end": _field(place, "end_char")}
    else:
        query = {"page": _field(place, "page")} if _field(place, "page") else {"line": _field(place, "first_line") or 1}
    back = {"question": question} if question else {"sweep": sweep} if sweep else {}
    return f"{reverse('library-document', args=[document])}?{urlencode(query | back)}"


@register.filter
def anchor(place: Any) -> str:
    """The id of a located place's page or line in the viewer."""
    return f"page-{_field(place, 'page')}" if _field(place, "page") else f"line-{_field(place, 'first_line') or 1}"


@register.filter
def spot(place: Any) -> str:
    """page 12; line 40; lines 40–58."""
    if page := _field(place, "page"):
        return gettext("page {number}").format(number=intcomma(page))
    first, last = _field(place, "first_line"), _field(place, "last_line")
    if not first:
        return ""
    if last in (None, first):
        return gettext("line {number}").format(number=intcomma(first))
    return gettext("lines {first}–{last}").format(first=intcomma(first), last=intcomma(last))


def _field(place: Any, name: str) -> Any:
    return place.get(name) if isinstance(place, dict) else getattr(place, name, None)
