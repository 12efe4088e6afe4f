"""Which tokens may come next if the answer must stand in the chunk, word for word.

An automaton over the body's tokens: it starts at a word's start, goes on along every place where the tokens so far occur, and may end
at a word's end. So an answer can be wrong and never invented, and its place is known exactly. Knows no model. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import PromptUnreadable
from engine.prompt import TokenArray


@dataclass(frozen=True, slots=True)
class Body:
    """A chunk's body: its tokens [n], its text, where each token starts in it (characters, [n + 1]), and where an answer may start and end.

    `starts[i]`: before token i. `ends[i]`: before token i, that is after token i - 1; both bool [n + 1].
    """

    ids: TokenArray
    text: str
    offsets: NDArray[np.int64]
    starts: NDArray[np.bool_]
    ends: NDArray[np.bool_]

    @classmethod
    def of(cls, ids: TokenArray, text: str, byte_lengths: NDArray[np.int32]) -> Body:
        """Raises PromptUnreadable if tokens and text are not of one length."""
        bytes_ = np.frombuffer(text.encode(), dtype=np.uint8)
        ends_at = np.concatenate(([0], np.cumsum(byte_lengths[ids], dtype=np.int64)))
        if ends_at[-1] != len(bytes_):
            raise PromptUnreadable("A document's tokens and its text do not fit together. Parse the document again.")
        opens = np.append((bytes_ & 0xC0) != 0x80, True)  # bytes where a character opens
        offsets = np.concatenate(([0], np.cumsum(opens[:-1])))[ends_at]
        whole = opens[ends_at]
        starts = whole & np.array([may_start(text, offset) for offset in offsets.tolist()])
        ends = whole & np.array([may_end(text, offset) for offset in offsets.tolist()])
        return cls(ids, text, offsets, starts, ends)

    def trimmed(self, first: int, end: int) -> tuple[int, int]:
        """Characters of tokens first..end in the text, without blanks around them."""
        start, stop = int(self.offsets[first]), int(self.offsets[end])
        taken = self.text[start:stop]
        return start + len(taken) - len(taken.lstrip()), stop - len(taken) + len(taken.rstrip())


def may_start(text: str, offset: int) -> bool:
    """Whether a word starts here, or after the one blank that stands here."""
    if text[offset : offset + 1] == " ":
        offset += 1
    here, before = text[offset : offset + 1], text[offset - 1 : offset] if offset else ""
    return bool(here) and not here.isspace() and not (here.isalnum() and before.isalnum())


def may_end(text: str, offset: int) -> bool:
    """Whether a word or a mark ends here."""
    before, here = text[offset - 1 : offset] if offset else "", text[offset : offset + 1]
    return bool(before) and not before.isspace() and not (before.isalnum() and here.isalnum())


class SpanState:
    """Where the answer so far occurs: `places` are the token numbers that could come next."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._places = np.flatnonzero(body.starts[:-1])
        self.taken: list[int] = []

    @property
    def length(self) -> int:
        return len(self.taken)

    def allowed(self) -> TokenArray:
        """The tokens that continue some occurrence, int32, each once."""
        inside = self._places[self._places < len(self._body.ids)]
        return np.unique(self._body.ids[inside])

    def may_end(self) -> bool:
        """Whether some occurrence could stop here."""
        return self.length > 0 and bool(self._body.ends[self._places].any())

    def take(self, token: int) -> None:
        """Go on with an allowed token."""
        inside = self._places[self._places < len(self._body.ids)]
        self._places = inside[self._body.ids[inside] == token] + 1
        self.taken.append(token)

    def span(self) -> tuple[int, int]:
        """Token numbers first..end of the first occurrence that may stop here."""
        end = int(self._places[self._body.ends[self._places]][0])
        return end - self.length, end
