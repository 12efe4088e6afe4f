"""Progress on a terminal: one line on stderr that is written over, or a line every few seconds where stderr is a file."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from ingest.progress import Progress

_REDRAW_SECONDS = 0.1
_LOG_SECONDS = 5.0


@dataclass(slots=True)
class Console:
    """A Report for people at a terminal. Call `clear` before anything else is printed."""

    last: float = 0.0
    stage: str = ""
    drawn: bool = False

    def __call__(self, progress: Progress, /) -> None:
        now = time.monotonic()
        live = sys.stderr.isatty()
        same = progress.stage == self.stage or not live
        if same and now - self.last < (_REDRAW_SECONDS if live else _LOG_SECONDS):
            return
        self.last, self.stage, self.drawn = now, progress.stage, live
        sys.stderr.write(f"\r\x1b[K{_sentence(progress)}" if live else f"{_sentence(progress)}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Removes the line that was drawn last."""
        if self.drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self.drawn = False


def _sentence(progress: Progress) -> str:
    of = f" of {progress.total:,}" if progress.total else ""
    return f"{progress.stage}: {progress.done:,}{of} {progress.unit}"
