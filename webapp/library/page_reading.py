"""How sure the words of a cited place are, for people: nothing of those that stand in the file itself, and how OCR read the others."""

from __future__ import annotations

from ingest.model import BY_OCR, Reading
from webapp.library.models import PageReading


def kept_reading(reading: Reading) -> str:
    """What a citation's row keeps: a page that was not read is cited from the words of its file."""
    return reading.value if reading in BY_OCR else Reading.FILE.value


def read_by_ocr(reading: str) -> str:
    """`Read by OCR, some words uncertain`; '' for the file's own words."""
    return "" if reading == Reading.FILE else str(PageReading(reading).label)
