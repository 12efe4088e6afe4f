"""`./run ask`: the whole way in the terminal, with the real model, and what a second question finds already done."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfWriter

from tests.processes import ROOT

pytestmark = pytest.mark.weights

CONTRACT = ROOT / "samples" / "contract.pdf"


def ask(home: Path, *arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"LONGREAD_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "ingest", "ask", *map(str, arguments)]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=200, input=given)


def asked(home: Path, *arguments: str | Path) -> dict[str, Any]:
    done = ask(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def source_text(home: Path) -> str:
    (text,) = home.rglob("text.txt")
    with text.open(encoding="utf-8", newline="") as file:
        return file.read()


def test_it_answers_with_the_quote_and_its_page(tmp_path: Path) -> None:
    answer = asked(tmp_path, CONTRACT, "-q", "How much notice is needed to terminate?")
    assert set(answer) == {"answer", "found", "confidence", "citations", "located", "model", "mode", "usage", "timings"}
    assert set(answer["timings"]) == {"parse_s", "prefill_s", "locate_s", "first_token_s", "total_s"}
    assert answer["found"]
    assert "ninety (90) days" in answer["answer"]
    cited, *_ = answer["citations"]
    assert (cited["document"], cited["page"], cited["verified"]) == ("contract.pdf", 5, True)
    assert source_text(tmp_path)[cited["start_char"] : cited["end_char"]] == cited["quote"]


def test_it_asks_the_file_that_the_question_names_and_says_so(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("Ten days' notice is needed to terminate.\n")
    done = ask(tmp_path, CONTRACT, other, "-q", "Is it ten days' notice that is needed to terminate, by contract.pdf?")
    assert done.returncode == 0, done.stderr
    assert "asked only of contract.pdf, which the question names" in done.stdout
    assert "other.txt" not in done.stdout


def test_it_takes_one_question_at_a_time(tmp_path: Path) -> None:
    done = ask(tmp_path, CONTRACT, "-q", "Who?", "-q", "When?")
    assert done.returncode == 2
    assert "one question at a time" in done.stderr


@pytest.mark.slow
def test_it_reads_nothing_twice(tmp_path: Path) -> None:
    first = asked(tmp_path, CONTRACT, "-q", "How much notice is needed to terminate?")
    assert first["timings"]["prefill_s"] > 0
    second = asked(tmp_path, CONTRACT, "-q", "What is the deposit for an access card?")
    assert second["timings"]["prefill_s"] == 0
    assert "35" in second["answer"]


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    file = tmp_path / "locked.pdf"
    writer = PdfWriter(clone_from=CONTRACT)
    writer.encrypt("secret 7", algorithm="RC4-128")
    writer.write(file)
    return file


NOTICE = "How much notice is needed to terminate?"


@pytest.mark.slow
def test_a_locked_pdf_is_read_with_a_password_from_standard_input(tmp_path: Path, locked: Path) -> None:
    done = ask(tmp_path, locked, "-q", NOTICE, "--password-file", "-", given="secret 7\n")
    assert done.returncode == 0, done.stderr
    assert "ninety (90) days" in done.stdout


@pytest.mark.slow
def test_a_terminal_asks_for_the_password_and_does_not_show_it(tmp_path: Path, locked: Path) -> None:
    command = [sys.executable, "-m", "ingest", "ask", str(locked), "-q", NOTICE]
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(tmp_path)
        os.execve(sys.executable, command, dict(os.environ) | {"LONGREAD_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)})
    shown = shown_until(terminal, b"needs a password")
    os.write(terminal, b"secret 7\n")
    shown += shown_until(terminal, b"ninety (90) days")
    assert b"secret" not in shown
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)


def shown_until(terminal: int, words: bytes) -> bytes:
    shown = b""
    while words not in shown:
        assert select.select([terminal], [], [], 120)[0], shown
        shown += os.read(terminal, 1 << 16)
    return shown


@pytest.mark.slow
def test_it_says_not_found_and_what_it_read(tmp_path: Path) -> None:
    done = ask(tmp_path, CONTRACT, "-q", "Who won the chess tournament in Lisbon?")
    assert done.returncode == 0
    assert "Not found (read" in done.stdout


@pytest.mark.slow
def test_it_goes_on_past_a_bad_file_and_says_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "note.pdf"
    bad.write_text("This is plain text.")
    done = ask(tmp_path, bad, CONTRACT, "-q", "Which law governs the agreement?")
    assert done.returncode == 0
    assert "note.pdf" in done.stderr
    assert "Scotland" in done.stdout
    assert ask(tmp_path, bad, "-q", "why?").returncode == 2


@pytest.mark.slow
def test_it_names_lines_of_code(tmp_path: Path) -> None:
    answer = asked(tmp_path, ROOT / "samples" / "code", "-q", "How large is the discount for frequent drivers?")
    place = answer["located"][0]
    assert place["page"] is None
    assert place["path"].endswith((".py", ".md"))
    assert 1 <= place["first_line"] <= place["last_line"]
