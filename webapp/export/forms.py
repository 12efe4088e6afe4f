"""The forms in which something can be taken home, and the file that each makes of it. Knows nothing of what is taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from django.http import HttpResponse, StreamingHttpResponse
from django.utils.text import slugify

from webapp.export.bibtex import bibtex
from webapp.export.blocks import Block, Cited, Sheet
from webapp.export.markdown import markdown
from webapp.export.portable import pdf
from webapp.export.sheets import csv_lines, xlsx
from webapp.export.word import docx


@dataclass(frozen=True, slots=True)
class Taken:
    """Something to take home, each of its sides made when a form asks for it. `blocks` takes whether the cited pages are wanted.

    `answers` is how many answers it holds, `figures` how many cited pages there would be; `parts` is how many `unit`s (questions or
    documents) it is written in, for whoever watches.
    """

    title: str
    answers: int
    parts: int
    unit: str
    figures: Callable[[], int]
    record: Callable[[], Any]
    sheet: Callable[[], Sheet]
    blocks: Callable[[bool], Iterable[Block]]
    cited: Callable[[], Iterable[Cited]]


FormName = Literal["md", "pdf", "docx", "xlsx", "csv", "bib", "json"]
Content = str | bytes | Iterator[str]


@dataclass(frozen=True, slots=True)
class Form:
    """`write` takes whether the cited pages are wanted as figures; only papers have any."""

    name: str
    content_type: str
    write: Callable[[Taken, bool], Content]


def _json(taken: Taken, _: bool) -> str:
    return json.dumps(taken.record(), ensure_ascii=False, indent=2) + "\n"


FORMS = {
    "md": Form("Markdown", "text/markdown; charset=utf-8", lambda taken, _: markdown(taken.blocks(False))),
    "pdf": Form("PDF", "application/pdf", lambda taken, pages: pdf(taken.blocks(pages), taken.title)),
    "docx": Form(
        "Word",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        lambda taken, pages: docx(taken.blocks(pages), taken.title),
    ),
    "xlsx": Form(
        "Excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", lambda taken, _: xlsx(taken.sheet(), taken.title)
    ),
    "csv": Form("CSV", "text/csv; charset=utf-8", lambda taken, _: csv_lines(taken.sheet())),
    "bib": Form("BibTeX", "application/x-bibtex; charset=utf-8", lambda taken, _: bibtex(taken.cited())),
    "json": Form("JSON", "application/json", _json),
}


def file_name(taken: Taken, form: str) -> str:
    """After what it is, in letters that any system takes."""
    return f"{slugify(taken.title)[:60].strip('-') or 'longread'}.{form}"


def file_response(taken: Taken, form: str, *, pages: bool = False) -> HttpResponse | StreamingHttpResponse:
    """The file as an attachment, named after what it is. Raises KeyError for a form that there is not."""
    chosen = FORMS[form]
    content = chosen.write(taken, pages)
    kind = StreamingHttpResponse if isinstance(content, Iterator) else HttpResponse
    response = kind(content, content_type=chosen.content_type)
    response["Content-Disposition"] = f'attachment; filename="{file_name(taken, form)}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
