"""Numbers as people say them, and addresses of places: the few words that templates need beyond Django's."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse
from django.utils import timezone

register = template.Library()

CONFIDENCE = ((0.9, "very sure"), (0.7, "quite sure"), (0.45, "unsure"), (0.0, "very unsure"))


@register.filter
def counted(number: int | None, noun: str) -> str:
    """1,214 tokens; 1 page."""
    number = number or 0
    return f"{intcomma(number)} {noun if number == 1 else noun + 's'}"


@register.filter
def counted_of(number: int | None, total: int | None) -> str:
    """1,214 of 31,002; without a total, 1,214."""
    return f"{intcomma(number or 0)} of {intcomma(total)}" if total else intcomma(number or 0)


@register.filter
def sure(confidence: float) -> str:
    return next(words for least, words in CONFIDENCE if confidence >= least)


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
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{round(minutes / 1440)} days"


@register.filter
def age(moment: datetime | None) -> str:
    """How long ago, short."""
    return duration(round(age_seconds(moment))).replace(".0 s", " s") if moment else ""


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
    return f"{value:,.0f} {unit}" if unit == "bytes" or abs(value) >= 99.5 else f"{value:.1f} {unit}"


@register.filter
def rate(value: float | None, what: str) -> str:
    """640 tokens/s; 0.4 pages/s; '' where it is not known."""
    return "" if value is None else f"{value:,.0f} {what}/s" if value >= 10 else f"{value:.1f} {what}/s"


BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "Mac"), ("Linux", "Linux"))


@register.filter
def browser(agent: str) -> str:
    """Firefox on Linux; what it says of itself where it is none of the well-known ones."""
    names = [next((name for mark, name in known if mark in agent), "") for known in (BROWSERS, SYSTEMS)]
    return " on ".join(name for name in names if name) or agent[:40] or "A browser"


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
        return f"page {intcomma(page)}"
    first, last = _field(place, "first_line"), _field(place, "last_line")
    if not first:
        return ""
    return f"line {intcomma(first)}" if last in (None, first) else f"lines {intcomma(first)}–{intcomma(last)}"


def _field(place: Any, name: str) -> Any:
    return place.get(name) if isinstance(place, dict) else getattr(place, name, None)
