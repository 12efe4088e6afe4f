"""PDFs with a password: a copy without one, for parser and pictures; and no trace of the password."""

from __future__ import annotations

import stat
import subprocess
import uuid
from pathlib import Path

import pytest

from ingest import unlocking
from ingest.apart import ParsingProcess
from ingest.errors import FileRefused, PasswordNeeded
from ingest.limits import Limits
from ingest.progress import silent
from ingest.render import PANE, page_image
from ingest.storage import DocumentFolder, ParsedFiles
from ingest.unlocking import PasswordWrong, unlock
from tests.ingest import pdfs

LOCKED = pdfs.encrypted(pdfs.pages_of_text([(72, 72, "Ninety days.")], [(72, 72, "Thirty days.")]))


@pytest.fixture
def folder(tmp_path: Path) -> DocumentFolder:
    folder = DocumentFolder(tmp_path, uuid.uuid4())
    folder.folder.mkdir()
    folder.original.write_bytes(LOCKED)
    return folder


def text_of(folder: DocumentFolder) -> str:
    into = ParsedFiles(folder.folder / "into")
    into.folder.mkdir(exist_ok=True)
    process = ParsingProcess()
    try:
        process.parse(folder.readable, "a.pdf", into, Limits(), silent)
    finally:
        process.close()
    return into.text.read_text(encoding="utf-8")


def test_it_says_that_it_needs_a_password_over_the_process_boundary(folder: DocumentFolder) -> None:
    with pytest.raises(PasswordNeeded, match="needs a password"):
        text_of(folder)


def test_it_is_read_and_drawn_once_the_password_is_given(folder: DocumentFolder) -> None:
    unlock(folder, "secret")
    assert text_of(folder) == "Ninety days.\fThirty days."
    assert page_image(folder, 2, PANE).is_file()
    assert folder.original.read_bytes() == LOCKED
    assert stat.S_IMODE(folder.unlocked.stat().st_mode) == 0o600


def test_it_opens_with_the_owners_password_and_by_aes(folder: DocumentFolder) -> None:
    unlock(folder, "the owner's")
    assert text_of(folder).startswith("Ninety")
    folder.original.write_bytes(pdfs.encrypted_by_aes())
    unlock(folder, "Schlüssel 7")
    assert text_of(folder) == "hello"


@pytest.mark.parametrize("password", ["", "Secret", "secret ", "x" * 500, "\ud800", "sec\x00ret"])
def test_it_refuses_a_wrong_password_and_leaves_nothing(folder: DocumentFolder, password: str) -> None:
    with pytest.raises(PasswordWrong, match="does not open the PDF"):
        unlock(folder, password)
    assert [file.name for file in folder.folder.iterdir()] == ["original"]


def test_it_refuses_what_breaks_while_it_is_unlocked(folder: DocumentFolder) -> None:
    folder.original.write_bytes(LOCKED[: len(LOCKED) // 2])
    with pytest.raises(FileRefused, match="damaged, or asks for too much"):
        unlock(folder, "secret")
    assert [file.name for file in folder.folder.iterdir()] == ["original"]


def test_a_copy_of_an_older_original_is_not_read(folder: DocumentFolder) -> None:
    unlock(folder, "secret")
    folder.original.write_bytes(pdfs.pages_of_text([(72, 72, "Forty days.")]))
    assert text_of(folder) == "Forty days."


def test_the_password_is_no_argument_and_no_variable(folder: DocumentFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    run = subprocess.run

    def spy(command: list[str], **named: object) -> object:
        seen.append((command, named["env"], named["input"]))
        return run(command, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(unlocking.subprocess, "run", spy)
    unlock(folder, "secret")
    ((command, variables, given),) = seen
    assert given == b"secret"
    assert "secret" not in f"{command} {variables}"
