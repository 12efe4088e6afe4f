"""Reads a PDF of pictures and keeps what each page says: ours, in the processes that an upload is read in, and RapidOCR as its wheel is
set."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2 as pdfium

from bench.process import Figures, Request, answer
from ingest.apart import PARSING
from ingest.confined import NOTHING_SAID
from ingest.limits import Limits
from ingest.progress import silent
from ingest.prompt.page_map import read_pages
from ingest.storage import ParsedFiles

_DPI = 200  # as ours draws pages
_POINTS_PER_INCH = 72

Texts = list[str]
"""What each page says."""


def ours(path: Path, processes: int) -> Texts:
    with tempfile.TemporaryDirectory() as folder:
        parsed = ParsedFiles(Path(folder))
        PARSING.parse(path, "scan.pdf", parsed, Limits(ocr_processes=processes), silent)
        text = parsed.text.read_bytes().decode()
        return [text[page.start_char : page.end_char] for page in read_pages(parsed)]


def rapidocr(path: Path, _: int) -> Texts:
    os.environ |= NOTHING_SAID
    from rapidocr import RapidOCR  # it alone takes seconds to import

    engine: Any = RapidOCR(params={"Global.log_level": "critical"})
    with pdfium.PdfDocument(path) as document:
        read = [engine(np.asarray(page.render(scale=_DPI / _POINTS_PER_INCH).to_pil())[:, :, ::-1]) for page in document]
    return ["\n".join(page.txts or ()) for page in read]


READERS: dict[str, Callable[[Path, int], Texts]] = {"ours": ours, "rapidocr": rapidocr}


def measure(request: Request) -> Figures:
    """`seconds`, loading the models included, and `pages`. What they say lies in the file `out`."""
    started = time.perf_counter()
    texts = READERS[request["reader"]](Path(request["path"]), request["processes"])
    seconds = time.perf_counter() - started
    Path(request["out"]).write_text(json.dumps(texts), encoding="utf-8")
    PARSING.close()
    return {"seconds": seconds, "pages": float(len(texts))}


if __name__ == "__main__":
    answer(measure)
