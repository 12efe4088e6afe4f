"""Files that take their parser with them: whatever they do there, who asked gets a sentence and goes on with the next file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.apart import ParsingProcess
from ingest.document import read_document
from ingest.errors import FileRefused, IngestError, LimitExceeded
from ingest.limits import Limits
from ingest.model import Kind
from ingest.parsing import Parsed
from ingest.progress import Progress, silent
from ingest.storage import DocumentFolder, ParsedFiles
from tests.ingest.conftest import ByteTokenizer
from tests.processes import ROOT, children, parent, wait_for

Stored = Callable[[bytes], DocumentFolder]

LIMITS = Limits()
ASKER = """
import sys
from pathlib import Path
from ingest.apart import ParsingProcess
from ingest.limits import Limits
from ingest.progress import silent
from ingest.storage import ParsedFiles
ParsingProcess("tests.ingest.hostile").parse(Path(sys.argv[1]), "a", ParsedFiles(Path(sys.argv[2])), Limits(), silent)
"""
TIGHT = replace(LIMITS, parsing=replace(LIMITS.parsing, memory_bytes=800_000_000, written_bytes=5_000_000))


@pytest.fixture(scope="module")
def obeying() -> Iterator[ParsingProcess]:
    """Does what files say. The same one for all tests of this module: each goes on after what the one before did."""
    process = ParsingProcess("tests.ingest.hostile")
    yield process
    process.close()


@pytest.fixture
def ordered(stored: Stored, obeying: ParsingProcess) -> Callable[[str], str]:
    """Reads a file with an order; the text that came of it."""

    def order(what: str, limits: Limits = TIGHT) -> str:
        folder = stored(f"first\n{what}".encode())
        try:
            read_document("a.txt", "", folder, ByteTokenizer(), limits=limits, process=obeying)
        except IngestError:
            assert [path.name for path in folder.folder.iterdir()] == ["original"]
            raise
        return folder.parsed.text.read_text()

    return order


Ordered = Callable[..., str]


@pytest.mark.parametrize(
    ("order", "error", "words"),
    [
        ("allocate", LimitExceeded, r"more than 800 MB of memory"),
        ("write", LimitExceeded, r"more than 5\.0 MB"),
        ("allocate_in_c", FileRefused, r"crash \(SIGABRT\)"),
        ("crash", FileRefused, r"crash \(SIGSEGV\)"),
        ("kill", FileRefused, r"was killed, .* Try again"),
        ("kill_its_maker", FileRefused, r"was killed, .* Try again"),
        ("recurse", FileRefused, r"what nobody foresaw \(RecursionError\)"),
        ("talk_nonsense", FileRefused, r"answer with nonsense"),
    ],
)
def test_it_says_what_a_file_did_and_reads_the_next_one(ordered: Ordered, order: str, error: type[IngestError], words: str) -> None:
    with pytest.raises(error, match=words) as refused:
        ordered(order)
    assert str(refused.value).endswith(".")
    assert ordered("tell_process").startswith("first")


def test_it_ends_a_file_that_loops(ordered: Ordered) -> None:
    with pytest.raises(LimitExceeded, match=r"more than 1 second of processor time"):
        ordered("loop", replace(TIGHT, parsing=replace(TIGHT.parsing, cpu_seconds=1)))


def test_it_ends_a_file_that_only_waits(ordered: Ordered) -> None:
    with pytest.raises(LimitExceeded, match=r"takes more than 1 second,"):
        ordered("sleep", replace(TIGHT, parsing=replace(TIGHT.parsing, wall_seconds=1)))


def test_each_file_has_a_process_of_its_own_and_they_have_one_maker(ordered: Ordered) -> None:
    one, other = ordered("tell_process").split(), ordered("tell_process").split()
    assert one[0] != other[0]
    assert one[1] == other[1]


def test_a_file_learns_nothing_of_the_settings(ordered: Ordered, monkeypatch: pytest.MonkeyPatch, obeying: ParsingProcess) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")
    obeying.close()
    assert "SECRET" not in ordered("tell_settings")


def test_what_a_parser_prints_is_not_taken_for_an_answer(ordered: Ordered) -> None:
    assert ordered("say") == "firstsaid"


def test_cancelling_ends_a_silent_file_at_once(stored: Stored, obeying: ParsingProcess) -> None:
    folder = stored(b"first\nsleep")
    asked = 0

    def cancel(progress: Progress) -> None:
        nonlocal asked
        asked += 1
        if progress.done and asked > 2:  # nothing is said after the first page
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_document("a.txt", "", folder, ByteTokenizer(), process=obeying, report=cancel)
    assert [path.name for path in folder.folder.iterdir()] == ["original"]
    assert not [pid for pid in children(os.getpid()) if "tests.ingest.hostile" in Path(f"/proc/{pid}/cmdline").read_text()]


def test_a_file_is_not_read_on_for_an_asker_that_was_killed(stored: Stored, tmp_path: Path) -> None:
    source = stored(b"first\nsleep").original
    asker = subprocess.Popen([sys.executable, "-c", ASKER, str(source), str(tmp_path)], cwd=ROOT)
    (maker,) = wait_for(lambda: children(asker.pid), 60, "the process that parses")
    (fork,) = wait_for(lambda: children(maker), 60, "the process of the file")
    asker.kill()
    asker.wait()
    wait_for(lambda: parent(maker) is None and parent(fork) is None, 60, "the end of both")


def test_the_real_parsers_stand_behind_it(stored: Stored, tmp_path: Path) -> None:
    process, folder = ParsingProcess(), stored(b"# Title\n")
    said = process.parse(folder.original, "a.md", ParsedFiles(tmp_path), LIMITS, silent)
    process.close()
    assert (said, (tmp_path / "text.txt").read_text()) == (Parsed(Kind.TEXT, ()), "# Title\n")
