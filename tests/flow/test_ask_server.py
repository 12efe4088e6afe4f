"""`./run ask` where a server answers: a real llama.cpp one, in a process that could not import torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.loading.bundled import fetch
from tests.processes import ROOT
from tests.remote_server import llama_cpp

pytestmark = [pytest.mark.slow, pytest.mark.weights]

KEY = "s3cret-key"
TEXT = "Either party may end this agreement with 90 days' written notice. The café keeps its name.\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with llama_cpp(fetch(), 2048, KEY) as url:
        yield url


def ask(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "agreement.txt").write_text(TEXT, encoding="utf-8")
    (folder / "torch.py").write_text("raise ImportError('torch is not needed here')")
    environment = dict(os.environ) | {"LONGREAD_HOME": str(folder / "home"), "PYTHONPATH": f"{folder}:{ROOT}"} | variables
    command = [sys.executable, "-m", "ingest", "ask", "agreement.txt", "-q", "How much notice must a party give?", "--json"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_it_answers_with_the_same_object(tmp_path: Path, url: str) -> None:
    done = ask(tmp_path, LONGREAD_ENGINE_URL=url, LONGREAD_ENGINE_KEY=KEY)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer) == {"answer", "found", "confidence", "citations", "located", "model", "mode", "usage", "timings"}
    assert set(answer["usage"]) == {"prompt_tokens", "chunks", "read_tokens", "indexed_tokens"}
    assert (answer["model"], answer["mode"]) == ("smollm2", "whole prompt")
    assert (answer["located"][0]["document"], answer["located"][0]["path"], answer["located"][0]["first_line"]) == (
        "agreement.txt",
        "agreement.txt",
        1,
    )
    assert answer["usage"]["read_tokens"] == answer["usage"]["prompt_tokens"] > 0
    assert answer["found"] is bool(answer["answer"])
    for cited in answer["citations"]:
        assert not cited["verified"] or TEXT[cited["start_char"] : cited["end_char"]] == cited["quote"]
    assert 0 < answer["timings"]["first_token_s"] <= answer["timings"]["total_s"]


def test_it_fails_in_one_sentence_without_the_key(tmp_path: Path, url: str) -> None:
    done = ask(tmp_path, LONGREAD_ENGINE_URL=url, LONGREAD_ENGINE_KEY="wrong-key")
    assert done.returncode == 1
    (said,) = [line for line in done.stderr.splitlines() if "LONGREAD_ENGINE_KEY" in line]
    assert said.startswith(f"The server at {url.split('/')[2]} ")
    assert "wrong-key" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_it_refuses_an_address_with_a_password(tmp_path: Path) -> None:
    done = ask(tmp_path, LONGREAD_ENGINE_URL="http://user:hunter2@host/v1")
    assert done.returncode == 1
    assert "LONGREAD_ENGINE_KEY" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
