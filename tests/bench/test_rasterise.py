"""A QA set with its PDFs as scans."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pypdfium2 as pdfium
import pytest

from bench.rasterise import main
from tests.ingest import pdfs


def test_it_makes_scans_of_pdfs_and_keeps_the_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = tmp_path / "set" / "documents"
    documents.mkdir(parents=True)
    (documents / "a.pdf").write_bytes(pdfs.pages_of_text([(72, 72, "Fees")], [(72, 72, "Notice")]))
    (documents / "b.txt").write_text("Fees")
    questions = [{"id": name, "documents": [f"{name}.pdf"], "question": "?"} for name in ("a", "c")]
    (tmp_path / "set" / "questions.jsonl").write_text("\n".join(map(json.dumps, questions)))
    monkeypatch.setattr(sys, "argv", ["rasterise", str(tmp_path / "set"), str(tmp_path / "out"), "--dpi", "40", "--limit", "2"])
    assert main() == 0
    made = pdfium.PdfDocument(tmp_path / "out" / "documents" / "a.pdf")
    assert [page.get_textpage().count_chars() for page in made] == [0, 0]
    assert made[0].get_size() == pytest.approx((595, 842), abs=1)
    assert made[0].render().to_numpy().min() < 100
    assert (tmp_path / "out" / "documents" / "b.txt").read_text() == "Fees"
    assert [json.loads(line)["id"] for line in (tmp_path / "out" / "questions.jsonl").open()] == ["a"]
