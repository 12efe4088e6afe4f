"""Passwords of PDFs at a terminal: those of a file, one a line, and then whoever sits there is asked. In memory only; never an argument, so
neither the shell's history nor the list of processes has them.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ingest.limits import Limits
from ingest.storage import DocumentFolder
from ingest.unlocking import PasswordWrong, unlock

_TRIES = 3
_MOST_BYTES = 100_000

Ask = Callable[[str], str]
"""What is asked -> the password; '' for none."""


@dataclass(slots=True)
class Passwords:
    """`given`: those of a file. Each that is known is tried before anybody is asked."""

    given: tuple[str, ...] = ()
    ask: Ask | None = None
    _opened: list[str] = field(default_factory=list)

    def unlock(self, name: str, folder: DocumentFolder, limits: Limits) -> bool:
        """Makes the copy that needs no password (ingest.unlocking); False if nobody knows it. Raises FileRefused for a damaged file."""
        if any(_opens(password, folder, limits) for password in (*self.given, *self._opened)):
            return True
        said = f"{name} needs a password (Enter leaves it out): "
        for _ in range(_TRIES if self.ask else 0):
            password = self.ask(said) if self.ask else ""
            if not password:
                return False
            if _opens(password, folder, limits):
                self._opened.append(password)
                return True
            said = f"That does not open {name}. Once more (Enter leaves it out): "
        return False


def _opens(password: str, folder: DocumentFolder, limits: Limits) -> bool:
    try:
        unlock(folder, password, limits)
    except PasswordWrong:
        return False
    return True


def passwords_in(file: str) -> tuple[str, ...]:
    """Those in a file, or on standard input for `-`. Raises OSError."""
    if file == "-":
        lines = sys.stdin.buffer.read(_MOST_BYTES)
    else:
        with Path(file).open("rb") as opened:
            lines = opened.read(_MOST_BYTES)
    return tuple(line for line in lines.decode("utf-8", "replace").splitlines() if line)


def at_terminal(before: Callable[[], None]) -> Ask | None:
    """Asks without showing what is typed; `before` clears the line. None where nobody sits there."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(prompt: str) -> str:
        before()
        try:
            return getpass.getpass(prompt)
        except EOFError:
            return ""

    return ask
