"""A template's word on a citation, row or plain data, whose words were read by OCR."""

from __future__ import annotations

from typing import Any

from django import template

from ingest.model import Reading
from webapp.library.page_reading import read_by_ocr

register = template.Library()


@register.filter
def by_ocr(cited: Any) -> str:
    """Plain data of before 2026-11-22 does not say."""
    return read_by_ocr(cited.get("reading", Reading.FILE) if isinstance(cited, dict) else cited.reading)
