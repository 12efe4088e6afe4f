"""The way through the terminal, with an engine that answers what it is told to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from engine.events import AnswerEvent, AnswerOptions, Done, Failed, Located, Quote, Timings, Usage
from engine.prompt import Prompt
from ingest.__main__ import _text
from ingest.ask import AnswerFailed, ask, doubts, place_name
from ingest.passwords import Passwords, passwords_in
from ingest.progress import Progress, silent
from ingest.sources import Sources, prompt_over, read_sources
from tests.ingest import pdfs
from tests.ingest.conftest import ByteTokenizer
from tests.ingest.test_scans import bound, picture
from tests.ingest.test_scans import picture as scanned

CHECKOUT = Path(__file__).resolve().parents[2]


class SearchingEngine:
    """Answers with the first place where the question stands word for word."""

    def answer(self, prompt: Prompt, question: str, options: AnswerOptions) -> Iterator[AnswerEvent]:
        for document in prompt.documents:
            start = document.text().find(question)
            if start >= 0:
                chunk = next(chunk for chunk in document.chunks() if chunk.start_char <= start < chunk.end_char)
                text = document.text()[chunk.start_char : chunk.end_char]
                yield Located(document.id, chunk.index, chunk.start_char, chunk.end_char, text, 1.0)
                yield Quote(document.id, start, start + len(question), question, True)
                yield Done(question, True, 0.9, Usage(prompt.tokens, prompt.chunks, 7, 1), Timings(0.1, 0.2, 0.3, 0.4), "m", "isolated")
                return
        yield Failed("Nothing to say.")


def asked(files: list[Path], home: Path, question: str) -> dict[str, Any]:
    sources = read_sources(files, home, ByteTokenizer(), silent)
    engine: Any = SearchingEngine()
    by_id = {source.id: source for source in sources.read}
    return ask(engine, prompt_over(sources.read, home), by_id, question, parse_s=0.5, watch=lambda event: None)


def test_the_terminal_tells_what_an_answer_rests_on_from_what_may_answer_too() -> None:
    cited = {"document": "a.pdf", "path": "a.pdf", "page": 2, "verified": True, "reading": ""}
    quotes = [cited | {"quote": "the fee\nis due"}, cited | {"quote": "no fee is due"}]
    usage = {"read_tokens": 7, "prompt_tokens": 9, "indexed_tokens": None}
    answered = {"answer": "the fee is", "found": True, "citations": quotes, "usage": usage, "timings": {"total_s": 1.0}}
    said = _text(answered)
    assert said.index("the fee\nis due") < said.index("May answer too:") < said.index("no fee is due")
    assert "May answer too" not in _text(answered | {"answer": "It is due [1]."})


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "a.pdf").write_bytes(pdfs.pages_of_text([(72, 72, "first")], [(72, 72, "the fee is due")]))
    (tmp_path / "notes.md").write_text("one\ntwo\nthree\n")
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("src/a.py", "x = 1\ny = 2\n")
        archive.writestr("logo.png", "x")
    return [tmp_path / name for name in ("a.pdf", "notes.md", "code.zip")]


def test_it_prints_the_object_that_the_design_fixes(files: list[Path], tmp_path: Path) -> None:
    answered = json.loads(json.dumps(asked(files, tmp_path / "home", "fee is")))
    assert list(answered) == ["answer", "found", "confidence", "citations", "located", "model", "mode", "usage", "timings"]
    assert answered["citations"] == [
        {"document": "a.pdf", "page": 2, "quote": "fee is", "start_char": 10, "end_char": 16, "verified": True}
    ]
    assert set(answered["located"][0]) == {"document", "page", "score", "lexical", "attention", "text"}
    assert list(answered["usage"]) == ["prompt_tokens", "chunks", "read_tokens", "indexed_tokens"]
    assert answered["timings"] == {"parse_s": 0.5, "prefill_s": 0.2, "locate_s": 0.1, "first_token_s": 0.3, "total_s": 0.4}


@pytest.mark.parametrize(
    ("question", "place", "words"),
    [
        ("two", {"document": "notes.md", "page": None, "path": "notes.md", "first_line": 2, "last_line": 2}, "notes.md, line 2"),
        (
            "= 1\ny",
            {"document": "code.zip", "page": None, "path": "src/a.py", "first_line": 1, "last_line": 2},
            "code.zip: src/a.py, lines 1-2",
        ),
    ],
)
def test_it_cites_lines_where_there_are_no_pages(
    files: list[Path], tmp_path: Path, question: str, place: dict[str, Any], words: str
) -> None:
    (cited,) = asked(files, tmp_path / "home", question)["citations"]
    assert place.items() <= cited.items()
    assert place_name(cited) == words


def test_a_quote_that_ocr_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(bound("Born digital.", scanned()))
    answered = asked([tmp_path / "scan.pdf"], tmp_path / "home", "repair the turbine")
    (cited,) = answered["citations"]
    assert (cited["reading"], doubts(cited)) == ("ocr", " (read by OCR)")
    (own,) = asked([tmp_path / "scan.pdf"], tmp_path / "home", "Born")["citations"]
    assert ("reading" in own, doubts(own), doubts(own | {"verified": False})) == (False, "", " (unverified)")


def test_it_raises_what_the_engine_says_when_it_fails(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(AnswerFailed, match="Nothing to say"):
        asked(files, tmp_path / "home", "nowhere")


def test_it_reads_a_file_once_and_again_only_when_it_changed(files: list[Path], tmp_path: Path) -> None:
    def count() -> int:
        seen: list[Progress] = []
        read_sources(files, tmp_path / "home", ByteTokenizer(), seen.append)
        return sum(progress.stage in ("reading pages", "reading parts") for progress, _ in groupby(seen))

    assert count() == 4
    assert count() == 0
    files[1].write_text("changed\n")
    assert count() == 1


def test_it_refuses_file_by_file_and_reads_the_rest(files: list[Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty.pdf"
    empty.touch()
    sources = read_sources([empty, tmp_path / "gone.txt", *files], tmp_path / "home", ByteTokenizer(), silent)
    assert sources.refused[0].startswith("empty.pdf: This file is empty.")
    assert sources.refused[1].startswith("gone.txt: No such file")
    assert len(sources.read) == 3


def test_it_walks_folders_and_passes_over_what_nobody_wrote(tmp_path: Path) -> None:
    for name in ("src/a.py", "node_modules/b.js", "docs/c.md"):
        (tmp_path / "repo" / name).parent.mkdir(parents=True)
        (tmp_path / "repo" / name).write_text("x")
    sources: Sources = read_sources([tmp_path / "repo"], tmp_path / "home", ByteTokenizer(), silent)
    assert [source.name for source in sources.read] == ["docs/c.md", "src/a.py"]


@pytest.mark.weights
def test_it_reads_the_scans_of_archives_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "case"
    (folder / "scans").mkdir(parents=True)
    (folder / "app").mkdir()
    (folder / "app" / "main.py").write_text("x = 1\n")
    scan = picture()
    for name in ("scans/1.png", "app/shot.png"):
        scan.save(folder / name)
    scan.resize((40, 60)).save(folder / "scans" / "icon.png")
    packed = Path(shutil.make_archive(str(tmp_path / "delivery"), "zip", folder))
    assert asked([packed], tmp_path / "home", "repair the turbine")["citations"][0]["path"] == "scans/1.png"
    read, home = ["app/main.py", "scans/1.png"], tmp_path / "home"
    assert [source.path for source in read_sources([packed], home, ByteTokenizer(), silent).read] == read
    monkeypatch.setenv("LONGREAD_OCR_PROCESSES", "0")  # whether they are read at all is what folders are asked about
    assert [source.name for source in read_sources([folder], home, ByteTokenizer(), silent).read] == read


LOCKED = pdfs.encrypted(pdfs.pages_of_text([(72, 72, "Ninety days.")]))


def read_with(passwords: Passwords, file: Path, home: Path) -> Sources:
    return read_sources([file], home, ByteTokenizer(), silent, passwords=passwords)


def test_it_asks_for_a_password_again_until_it_opens_and_tries_it_on_the_next(tmp_path: Path) -> None:
    said: list[str] = []
    answers = iter(["wrong", "secret"])

    def ask(prompt: str) -> str:
        said.append(prompt)
        return next(answers)

    folder, home = tmp_path / "case", tmp_path / "home"
    folder.mkdir()
    for name in ("a.pdf", "b.pdf"):
        (folder / name).write_bytes(LOCKED + name.encode())
    sources = read_with(Passwords(ask=ask), folder, home)
    assert [source.name for source in sources.read] == ["a.pdf", "b.pdf"]
    assert ["a.pdf" in prompt for prompt in said] == [True, True]
    assert not [file for file in home.rglob("*") if file.is_file() and b"secret" in file.read_bytes()]
    assert [source.name for source in read_with(Passwords(), folder, home).read] == ["a.pdf", "b.pdf"], "what was read needs none"


@pytest.mark.parametrize(
    "passwords", [Passwords(), Passwords(("wrong",)), Passwords(ask=lambda prompt: ""), Passwords(ask=lambda prompt: "no")]
)
def test_a_file_whose_password_nobody_knows_is_refused_and_leaves_nothing(tmp_path: Path, passwords: Passwords) -> None:
    (tmp_path / "a.pdf").write_bytes(LOCKED)
    sources = read_with(passwords, tmp_path / "a.pdf", tmp_path / "home")
    assert sources.read == ()
    assert "--password-file" in sources.refused[0]
    assert not [file for file in (tmp_path / "home").rglob("*") if file.is_file()]


def test_an_archive_with_a_locked_file_is_read_again_once_there_are_passwords(tmp_path: Path) -> None:
    packed, home = tmp_path / "case.zip", tmp_path / "home"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.pdf", LOCKED)
        archive.writestr("b.txt", "open")
    assert [source.path for source in read_with(Passwords(), packed, home).read] == ["b.txt"]
    assert [source.path for source in read_with(Passwords(("x", "secret")), packed, home).read] == ["a.pdf", "b.txt"]
    assert [source.path for source in read_with(Passwords(), packed, home).read] == ["a.pdf", "b.txt"]


def test_passwords_come_from_a_file_one_a_line(tmp_path: Path) -> None:
    (tmp_path / "passwords").write_bytes("one\r\n\nSchlüssel 7\n".encode())
    assert passwords_in(str(tmp_path / "passwords")) == ("one", "Schlüssel 7")
    command = [sys.executable, "-m", "ingest", "ask", "a.pdf", "-q", "?", "--password-file", "/nonexistent"]
    ended = subprocess.run(command, cwd=CHECKOUT, env={"LONGREAD_HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "/nonexistent cannot be read: No such file or directory." in ended.stderr


def test_it_ends_with_2_when_no_file_can_be_read(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pdf"
    bad.write_text("plain")
    command = [sys.executable, "-m", "ingest", "ask", str(bad), "-q", "?"]
    ended = subprocess.run(command, cwd=CHECKOUT, env={"LONGREAD_HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "bad.pdf: This file is named .pdf but holds plain text." in ended.stderr
    assert ended.stdout == ""
