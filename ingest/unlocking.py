"""A PDF that needs a password, made into a copy beside it that needs none: what is parsed and drawn from then on.

The password goes to a process of its own (`python -m ingest.unlocking`) through its input, never as an argument or a variable, and is kept
nowhere: the copy is what later drawing needs. Whoever runs this process alone may read the copy. Knows no request and counts no attempts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.confined import CHECKOUT, confine, environment
from ingest.errors import FileRefused
from ingest.held import held_folder
from ingest.limit_settings import limits_of
from ingest.limits import Limits
from ingest.storage import DocumentFolder

_WRONG = 3
_FOR_OTHERS = 0o077  # rights that the copy does not give
_BROKEN = "This PDF cannot be opened: it is damaged, or asks for too much. Save it as a PDF without a password, then upload that."


class PasswordWrong(FileRefused):
    """The file does not open with this password."""


def unlock(folder: DocumentFolder, password: str, limits: Limits | None = None) -> None:
    """Makes `folder.unlocked` of `folder.original`. Raises PasswordWrong, or FileRefused if it is damaged or asks for too much."""
    with held_folder(folder.folder, "unlocking-") as making:
        copy = making / "copy"
        status = _copied_apart(folder.original, copy, password, limits or Limits())
        if status == _WRONG:
            raise PasswordWrong("This password does not open the PDF. Look at capitals and the keyboard's language, then type it again.")
        if status or not copy.is_file():
            raise FileRefused(_BROKEN)
        copy.replace(folder.unlocked)


def _copied_apart(source: Path, target: Path, password: str, limits: Limits) -> int:
    """The exit status of a process of its own."""
    command = [sys.executable, "-m", "ingest.unlocking", str(source), str(target), json.dumps(asdict(limits))]
    given = password.encode("utf-8", "replace")
    seconds = limits.unlocking.wall_seconds
    try:
        return subprocess.run(  # noqa: S603 -- our own module; paths that we made
            command, input=given, cwd=CHECKOUT, env=environment(), timeout=seconds, check=False, capture_output=True
        ).returncode
    except subprocess.TimeoutExpired:
        return 1


def _copy(source: Path, target: Path, password: str) -> int:
    """Writes the copy; gives the exit status."""
    try:
        document = pdfium.PdfDocument(source, password=password)
    except pdfium.PdfiumError as error:
        return _WRONG if error.err_code == pdfium_c.FPDF_ERR_PASSWORD else 1
    os.umask(_FOR_OTHERS)
    document.save(target, flags=pdfium_c.FPDF_REMOVE_SECURITY)
    return int(len(pdfium.PdfDocument(target)) != len(document))


def main() -> int:
    """The process that unlocks: SOURCE TARGET LIMITS, and the password on standard input."""
    parser = argparse.ArgumentParser(prog="python -m ingest.unlocking")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("limits", type=json.loads)
    arguments = parser.parse_args()
    confine(limits_of(arguments.limits).unlocking)
    return _copy(arguments.source, arguments.target, sys.stdin.buffer.read().decode("utf-8"))


if __name__ == "__main__":
    sys.exit(main())
