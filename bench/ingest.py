"""How fast files become prompts: pages a second of PDF text with boxes, beside pypdf's plain text; tokens a minute of text and code.

`run()` is called by `python -m bench ingest`; it works on the sample contract and on text made of it, so it needs nothing but the checkout.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench.row import Row
from engine.tokenizer import Tokenizer
from ingest.ask import model_folder
from ingest.model import Kind
from ingest.parsers.base import ParserContext
from ingest.parsers.pdf import PdfParser
from ingest.progress import silent
from ingest.prompt.builder import Builder
from ingest.prompt.headers import header_for

_SAMPLES = Path(__file__).resolve().parents[1] / "samples"
_CONTRACT = _SAMPLES / "contract.pdf"
_ROUNDS = 10
_TEXT_TOKENS = 300_000  # long enough that a start-up cost does not show


def run() -> list[Row]:
    """All measurements, in about ten seconds."""
    cores = os.cpu_count() or 1
    return [
        Row("PDF text and boxes, one core", _pages_per_second(_parse_contract), "pages/s", "pypdf, text only", _pages_per_second(_pypdf)),
        Row(f"PDF text and boxes, {cores} cores", _pages_per_second_together(cores), "pages/s"),
        Row("text to chunks, one core", _tokens_per_minute(Kind.TEXT, _SAMPLES / "handbook.md") / 1e6, "M tokens/min"),
        Row("code to chunks, one core", _tokens_per_minute(Kind.CODE, _SAMPLES / "code/tollroad/fees.py") / 1e6, "M tokens/min"),
    ]


def _parse_contract() -> int:
    return sum(1 for _ in PdfParser().parse(_CONTRACT, ParserContext()))


def _pypdf() -> int:
    from pypdf import PdfReader  # a peer, installed for tests and benchmarks only

    return sum(bool(page.extract_text()) for page in PdfReader(_CONTRACT).pages)


def _pages_per_second(read: Callable[[], int]) -> float:
    read()
    started = time.perf_counter()
    pages = sum(read() for _ in range(_ROUNDS))
    return pages / (time.perf_counter() - started)


def _pages_per_second_together(processes: int) -> float:
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(_pages_per_second, [_parse_contract] * processes))


def _tokens_per_minute(kind: Kind, source: Path) -> float:
    tokenizer = Tokenizer.open(model_folder())
    once = source.read_text(encoding="utf-8")
    text = once * (_TEXT_TOKENS // len(tokenizer.encode(once)))
    started = time.perf_counter()
    built = Builder(tokenizer).build(text, kind, header_for(kind, source.name, text, ()), silent)
    return len(built.ids) / (time.perf_counter() - started) * 60
