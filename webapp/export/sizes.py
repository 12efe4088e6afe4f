"""Which exports are made while somebody waits for the page, and which by a worker: what takes half a second or less is made at once.

Measured on one core (docs/log.md, 2026-11-21): an answer takes 0.05 to 0.1 ms in a text, 0.25 ms in a sheet of Excel, 2 ms in Word, and
7 ms in a PDF.
"""

from __future__ import annotations

from django.utils.translation import gettext

from webapp.export.blocks import ExportRefused
from webapp.export.forms import Taken

# Answers that a page waits for, by form.
ANSWERS_AT_ONCE = {"md": 5000, "json": 5000, "bib": 5000, "csv": 5000, "xlsx": 2000, "docx": 200, "pdf": 60}
# Cited pages as figures that a page waits for.
FIGURES_AT_ONCE = 3
PAPERS = ("docx", "pdf")
# A paper with more is read by nobody, and takes minutes to make.
MOST_IN_PAPER = 20_000


def require_short(taken: Taken, form: str) -> None:
    """Raises ExportRefused."""
    if form in PAPERS and taken.answers > MOST_IN_PAPER:
        said = gettext("These are {n:,} answers; a paper has at most {most:,}. Save the table as Excel or CSV.")
        raise ExportRefused(said.format(n=taken.answers, most=MOST_IN_PAPER))


def at_once(taken: Taken, form: str, *, pages: bool) -> bool:
    """Raises KeyError for a form that there is not."""
    if taken.answers > ANSWERS_AT_ONCE[form]:
        return False
    return not (pages and form in PAPERS) or taken.figures() <= FIGURES_AT_ONCE
