"""Progress of a long run as lines on stderr, one every few seconds. Knows nothing of what runs."""

from __future__ import annotations

import sys
import time

EVERY = 5.0  # seconds


class ProgressLine:
    """Says a line if the one before is EVERY seconds old; the last one always."""

    def __init__(self) -> None:
        self._shown = 0.0

    def show(self, line: str, *, last: bool = False) -> None:
        if last or time.monotonic() > self._shown + EVERY:
            print(line, file=sys.stderr, flush=True)
            self._shown = time.monotonic()

    def tokens(self, doing: str, done: int, total: int, rate: float) -> None:
        """`rate`: tokens a second; 0 while it is not known."""
        left = (total - done) / rate / 60 if rate else 0.0
        self.show(f"{doing}: {done:,} of {total:,} tokens, {rate:,.0f} a second, {left:.1f} min left", last=done == total)
