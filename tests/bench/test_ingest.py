"""Which files are measured, how they are dealt, and what is said of scripted figures. (bench/files.py, bench/ingest.py)"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bench import files, ingest
from bench.files import File
from bench.process import measured
from tests.ingest import pdfs

SENTENCE = "The ferryman paid for the brass scale in the autumn of that year. "


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LONGREAD_BENCH_FILES", str(tmp_path))
    (tmp_path / "written.pdf").write_bytes(pdfs.pages_of_text([(72, 72, SENTENCE)], [(72, 72, SENTENCE)]))
    (tmp_path / "scan.pdf").write_bytes(pdfs.scan())
    (tmp_path / "damaged.pdf").write_bytes(b"%PDF-1.7\n")
    (tmp_path / "notes.txt").write_text(SENTENCE)
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("tolls/fees.py", "def fee():\n    return 40\n")
        archive.writestr("../outside.py", "x = 1\n")
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as archive:
        archive.writestr("tolls/gates.py", "GATES = 9\n")
    return tmp_path


def test_it_measures_what_was_written_and_not_what_was_scanned(folder: Path) -> None:
    with files.chosen() as found:
        assert [file.name for file in found.pdfs] == ["written.pdf"]
        assert found.pages == (2,)
        assert [file.name for file in found.texts] == ["notes.txt"]
        assert [file.name for file in found.code] == ["good.zip/tolls/gates.py"]


def test_it_multiplies_the_samples_where_no_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LONGREAD_BENCH_FILES", raising=False)
    monkeypatch.setattr(files, "_COPIES", 2)
    with files.chosen() as found:
        assert found.pages == (16, 16, 16)
        assert len(found.of_pages(20)) == 2
        assert len(found.texts) == len(found.code) == 1


def test_it_deals_the_largest_first(tmp_path: Path) -> None:
    made = []
    for size in (1, 5, 2, 4):
        (tmp_path / str(size)).write_bytes(bytes(size))
        made.append(File(str(size), tmp_path / str(size)))
    assert [[file.name for file in hand] for hand in ingest.dealt(made, 2)] == [["5", "1"], ["4", "2"]]


@pytest.mark.parametrize("reader", ["pypdf", "pypdfium2"])
def test_the_peers_read_the_same_pages(folder: Path, reader: str) -> None:
    with files.chosen() as found:
        said = measured("bench.readers.peers", ingest.request([*found.pdfs, File("damaged.pdf", folder / "damaged.pdf")], reader=reader))
    assert (said["pages"], said["refused"]) == (2, 1)


def test_it_says_rates_ratios_and_growth() -> None:
    ours = {"seconds": 2.0, "pages": 600.0, "tokens": 3e6, "refused": 1.0, "peak_mb": 100.0, "parser_mb": 50.0}
    alone, peer = ours | {"seconds": 4.0}, {"seconds": 3.0, "pages": 600.0, "tokens": 0.0, "refused": 0.0, "peak_mb": 80.0}
    contests = {"pdf": {"ours": ours, "ours alone": alone, "pypdf": peer}, "code": {"ours": ours, "ours alone": alone}}
    peaks = {"few": ours | {"pages": 100.0}, "many": ours | {"pages": 1100.0, "peak_mb": 110.0}}
    said = ingest.told(contests, peaks)
    figures = {name: said.figures[name] for name in ("pdf.all_cores", "pdf.one_core", "pdf.pypdf", "code.all_cores", "pdf.refused")}
    assert figures == {"pdf.all_cores": 300, "pdf.one_core": 150, "pdf.pypdf": 200, "code.all_cores": pytest.approx(90), "pdf.refused": 1}
    assert said.figures["growth_kb_a_page"] == pytest.approx(10.24)
    ratios = {row.peer: row.ratio for row in said.rows}
    assert (ratios["pypdf, one core"], ratios["pypdf"]) == (pytest.approx(0.75), pytest.approx(80 / 150))
