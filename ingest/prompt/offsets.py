"""Tokens and characters of one text: which characters each token holds, and back. Knows no file.

A token may end inside a character (an emoji is several tokens): it then holds the whole character, so spans only ever widen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.prompt import Chunk

Offsets = NDArray[np.int64]


def token_ends(text: str, ids: NDArray[np.int32], byte_lengths: NDArray[np.int32]) -> Offsets:
    """The character offset at which each token of `text` ends, int64 [tokens]. `ids` must be the tokens of exactly `text`."""
    data = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    ends = np.cumsum(byte_lengths[ids], dtype=np.int64)
    if len(ends) == 0:
        return ends
    if ends[-1] != len(data):
        raise ValueError(f"{len(ids)} tokens hold {ends[-1]} bytes, the text {len(data)}")
    if len(data) == len(text):
        return ends
    characters_begun = np.cumsum((data & 0xC0) != 0x80, dtype=np.int64)
    return np.asarray(characters_begun[ends - 1])


@dataclass(frozen=True, slots=True)
class TokenSpans:
    """The body tokens of one chunk and the characters of the document that they stand for. Offsets int64 [body tokens]."""

    starts: Offsets
    ends: Offsets

    @classmethod
    def of(cls, chunk: Chunk, text: str, byte_lengths: NDArray[np.int32]) -> TokenSpans:
        """`text` is the document's whole text. Raises ValueError if it is not the text that the chunk was made from."""
        body = text[chunk.start_char : chunk.end_char]
        ends = token_ends(body, chunk.body, byte_lengths)
        begun = np.cumsum((np.frombuffer(body.encode("utf-8"), dtype=np.uint8) & 0xC0) != 0x80, dtype=np.int64)
        first_bytes = np.cumsum(byte_lengths[chunk.body], dtype=np.int64) - byte_lengths[chunk.body]
        return cls(begun[first_bytes] - 1 + chunk.start_char, ends + chunk.start_char)

    def characters(self, first: int, end: int) -> tuple[int, int]:
        """The characters of the body tokens first..end (end exclusive, at least one token)."""
        return int(self.starts[first]), int(self.ends[end - 1])

    def tokens(self, start: int, end: int) -> tuple[int, int]:
        """The fewest body tokens that hold the characters start..end (at least one character)."""
        first = int(np.searchsorted(self.ends, start, side="right"))
        return first, int(np.searchsorted(self.starts, end, side="left"))
