"""Files of every format with bytes changed, lost and doubled, and with entities: each is read or refused in a sentence, and none takes its
process with it. `./run bench fuzz` does the same for longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.fuzz import End, Sandbox, harming, sandbox
from ingest.parsers.registry import READ, is_archive
from ingest.parsers.sniff import sniff
from tests.ingest.conftest import ByteTokenizer
from tests.ingest.seeds import SEEDS

TIMES = 12


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with sandbox(ByteTokenizer()) as box:
        yield box


@pytest.mark.parametrize("name", SEEDS)
def test_a_harmed_file_is_read_or_refused_and_does_no_harm(name: str, box: Sandbox) -> None:
    tried = list(harming(box, name, SEEDS[name](), TIMES))
    assert [file for file in tried if file.end not in (End.READ, End.REFUSED)] == []


def test_there_is_a_seed_of_every_format_that_is_read(tmp_path: Path) -> None:
    """A new one needs a small good file in tests/ingest/seeds.py, so that it is harmed too."""
    found = set()
    for name, make in SEEDS.items():
        source = tmp_path / name
        source.write_bytes(make())
        if not is_archive(source, name):
            found.add(sniff(source))
    assert READ - found == set()


def test_harm_is_noticed(box: Sandbox) -> None:
    stray = box.folder / "documents" / "stray"
    stray.touch()
    assert box.attempt("a.md", b"# Fees").end is End.HARMED
    stray.unlink()
    assert box.attempt("a.md", (box.folder / "secret").read_bytes()).said == "read another file"
    assert box.attempt("a.md", b"# Fees").end is End.READ
