"""The sample collection: it can be read, and what it suggests to ask has its answer in it, word for word."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.model import Kind
from ingest.parsers.base import ParserContext
from ingest.parsers.pdf import PdfParser

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
QUESTIONS = json.loads((SAMPLES / "questions.json").read_text(encoding="utf-8"))


def text_of(sample: str, asked: dict[str, str]) -> str:
    if sample == "contract.pdf":
        pages = list(PdfParser().parse(SAMPLES / sample, ParserContext()))
        return pages[int(asked["page"]) - 1].text
    return (SAMPLES / sample / asked["path"] if "path" in asked else SAMPLES / sample).read_text(encoding="utf-8")


@pytest.mark.parametrize(("sample", "asked"), [(sample, asked) for sample, questions in QUESTIONS.items() for asked in questions])
def test_it_holds_the_answer_to_each_suggested_question(sample: str, asked: dict[str, str]) -> None:
    assert text_of(sample, asked).count(asked["answer"]) == 1


def test_it_has_a_scanned_page_with_a_text_layer() -> None:
    pages = list(PdfParser().parse(SAMPLES / "contract.pdf", ParserContext()))
    assert PdfParser().kind is Kind.PAGED
    assert [page.number for page in pages if page.has_image] == [8]


def test_it_has_code_that_runs(tmp_path: Path) -> None:
    journeys = tmp_path / "journeys.csv"
    journeys.write_text(
        "plate,vehicle,entry,exit,entered\nAB1,car,Harbour,Lowmere,2024-03-04T08:00\nAB1,car,Lowmere,Harbour,2024-03-04T12:00\n"
    )
    command = [sys.executable, "-m", "tollroad", str(journeys)]
    ended = subprocess.run(command, cwd=SAMPLES / "code", capture_output=True, text=True, check=True)
    assert ended.stdout == f"AB1\t{(round(11.8 * 11 * 1.25) + round(11.8 * 11)) / 100:.2f}\n"
