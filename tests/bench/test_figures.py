"""Rows, ratios and the keys of the file, from scripted numbers. (bench/prefill.py, decode.py, memory.py, __main__.py)"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import __main__ as command
from bench import decode, memory, prefill
from bench.process import BenchFailed
from bench.row import Measured, Row

PREFILL = {
    "ours": {"read_448": 2000.0, "read_1746": 1500.0, "int8": 1.0, "peak_mb": 600.0},
    "ours in bf16": {"read_448": 1000.0, "read_1746": 900.0, "int8": 0.0, "peak_mb": 650.0},
    "transformers": {"read_448": 800.0, "read_1746": 750.0, "peak_mb": 900.0},
    "llama.cpp": {"read_448": 250.0, "read_1746": 240.0, "peak_mb": 200.0},
    "bare products": {"bf16_gflops": 400.0, "int8_gflops": 800.0, "flops_per_token": 2e8, "peak_mb": 700.0},
}
DECODE = {
    "ours": {"write_1": 60.0, "write_8": 300.0, "int8": 1.0, "peak_mb": 500.0},
    "ours in bf16": {"write_1": 30.0, "write_8": 90.0, "int8": 0.0, "peak_mb": 550.0},
    "transformers": {"write_1": 20.0, "peak_mb": 800.0},
    "llama.cpp": {"write_1": 50.0, "peak_mb": 150.0},
}
PEAKS = {"peak_mb", "transformers_peak_mb", "llama_cpp_peak_mb"}


def test_it_gives_prefills_figures() -> None:
    figures = prefill.told(PREFILL).figures
    assert figures["tokens_per_s"] == 2000
    assert figures["gemm_share"] == pytest.approx(2000 * 2e8 / 1e9 / 400)
    assert figures["gemm_share_int8"] == pytest.approx(0.5)
    assert figures["vs_transformers"] == pytest.approx(2.5)
    assert figures["vs_llama_cpp"] == pytest.approx(8)
    assert {name: figures[name] for name in PEAKS} == {"peak_mb": 600, "transformers_peak_mb": 900, "llama_cpp_peak_mb": 200}


def test_it_gives_prefills_rows_for_both_lengths_and_types() -> None:
    rows = {(row.name, row.peer): row for row in prefill.told(PREFILL).rows}
    assert rows["prefill, 1,746 at once, int8", "transformers, bf16"].ratio == pytest.approx(2)
    assert rows["prefill, a chunk of 448, our bf16", "transformers, bf16"].value == 1000
    assert rows["products in prefill, our bf16", "bare bf16 products"].ratio == pytest.approx(0.5)
    assert rows["prefill, peak memory", "transformers, bf16"].ratio == pytest.approx(1.5)


def test_it_gives_decodes_figures() -> None:
    figures = decode.told(DECODE).figures
    assert set(figures) == {"tokens_per_s", "vs_transformers", "vs_llama_cpp", "batch8_gain", *PEAKS}
    ratios = figures["vs_transformers"], figures["vs_llama_cpp"], figures["batch8_gain"]
    assert ratios == (pytest.approx(3), pytest.approx(1.2), pytest.approx(5))


def test_it_sets_memorys_growth_beside_the_global_layers_keys_and_values() -> None:
    marks = [1 << 16, 1 << 20]
    at = {f"grown_{mark}": 40.0 for mark in (*memory.PEER_TOKENS, *marks)}
    kept = (marks[1] - marks[0]) * 2 * 16 * 4 / (1 << 20)  # keys and values, 16 numbers each, 4 bytes a number
    exact, theirs = at | {"grown_1048576": 40.0 + 1.5 * kept}, dict.fromkeys(at, 400.0)
    said = memory.told({"isolated": at, "isolated, bf16": at, "exact": exact, "transformers": theirs}, marks)
    assert said.figures["isolated_growth_mb"] == 0
    assert said.figures["global_kv_growth_mb"] == kept == 120
    assert said.figures["exact_growth_over_kv"] == pytest.approx(1.5)
    assert said.figures["vs_transformers"] == pytest.approx(10)
    assert "exact, from 64 K to 1 M" in {row.name for row in said.rows}


def test_it_counts_less_memory_as_better() -> None:
    assert Row("peak", 100.0, "MB", "theirs", 300.0).ratio == pytest.approx(3)
    assert Row("rate", 100.0, "tokens/s", "theirs", 300.0).ratio == pytest.approx(1 / 3)


def run_command(monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], *arguments: str) -> int:
    def module(name: str) -> Any:
        return SimpleNamespace(run=said[name.removeprefix("bench.")])

    monkeypatch.setattr(command, "import_module", module)
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    return command.main()


def test_it_writes_figures_and_rows_of_each_benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out, row = tmp_path / "out.json", Row("search", 2.0, "ms", "scan", 6.0)
    said = {"decode": lambda: Measured([row], {"tokens_per_s": 5.0}), "locate": lambda: [row]}
    assert run_command(monkeypatch, said, "decode", "locate", "--json", str(out)) == 0
    written = json.loads(out.read_text())
    assert written["decode"]["tokens_per_s"] == 5.0
    assert set(written["locate"]) == {"rows"}
    assert written["locate"]["rows"][0] == {"name": "search", "value": 2.0, "unit": "ms", "peer": "scan", "peer_value": 6.0, "ratio": 3.0}


def test_it_writes_a_dotted_name_as_itself_and_as_objects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out, figures = tmp_path / "out.json", {"1M.first_token_s": 0.5, "1M.other.scan": 0.9, "rate": 2.0}
    assert run_command(monkeypatch, {"locate": lambda: Measured([], figures)}, "locate", "--json", str(out)) == 0
    written = json.loads(out.read_text())["locate"]
    assert written == figures | {"1M": {"first_token_s": 0.5, "other": {"scan": 0.9}}, "rows": []}


def test_it_keeps_what_was_measured_before_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Measured:
        raise BenchFailed("llama.cpp is not there")

    said = {"prefill": lambda: Measured([], {"tokens_per_s": 5.0}), "decode": fail}
    assert run_command(monkeypatch, said, "prefill", "decode", "--json", str(tmp_path / "out.json")) == 1
    assert "llama.cpp is not there" in capsys.readouterr().err
    assert set(json.loads((tmp_path / "out.json").read_text())) == {"prefill"}


def test_it_names_the_benchmarks_there_are_when_one_is_not(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(monkeypatch, {}, "prefil") == 2
    said = capsys.readouterr().err
    assert "no benchmark prefil." in said
    assert "decode, fuzz, ingest, load, locate, memory, moe, needles, prefill, quotes, repository, scans, store, web" in said
