"""A document's text to chunks: token ids and rows (engine.prompt.CHUNK_ROW). Knows no file and no database.

The bodies tile the text: in order, nothing lost and nothing repeated, except that a body of nothing but white space is left out. The
tokens of a body hold exactly the bytes of its characters, so every token has its place in the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.prompt import CHUNK_ROW, TokenArray
from ingest.model import Kind
from ingest.progress import Progress, Report
from ingest.prompt.boundaries import cut
from ingest.prompt.headers import Header
from ingest.prompt.offsets import Offsets, token_ends

CHUNK_TOKENS = 384  # header included; training/ reads chunks of this size
_NEAR = 0.5  # a boundary is near if it leaves at least this share of the chunk filled
_BLOCK_CHARS = 100_000  # measured in pieces, since the tokenizer keeps every token's details of one call in memory


class Encoder(Protocol):
    """What is needed of engine.tokenizer.Tokenizer."""

    @property
    def byte_lengths(self) -> NDArray[np.int32]: ...

    def encode(self, text: str) -> TokenArray: ...


@dataclass(frozen=True, slots=True)
class Built:
    """The chunks of one document, as they are stored: ids int32 [tokens], rows CHUNK_ROW [chunks]."""

    ids: TokenArray
    rows: NDArray[np.void]


@dataclass(frozen=True, slots=True)
class _Chunk:
    header: TokenArray
    body: TokenArray
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Builder:
    """Cuts documents into chunks of at most `chunk_tokens` tokens, header included."""

    encoder: Encoder
    chunk_tokens: int = CHUNK_TOKENS

    def build(self, text: str, kind: Kind, header: Header, report: Report) -> Built:
        """All chunks of a text. Reports characters done."""
        chunks = []
        for chunk in self._chunks(text, kind, header):
            chunks.append(chunk)
            report(Progress("making chunks", chunk.end, len(text), "characters"))
        return _packed(chunks)

    def _chunks(self, text: str, kind: Kind, header: Header) -> Iterator[_Chunk]:
        ends = self._measured(text)
        start = 0
        while start < len(text):
            chunk = self._chunk(text, kind, header, start, ends)
            if not text[start : chunk.end].isspace():
                yield chunk
            start = chunk.end

    def _chunk(self, text: str, kind: Kind, header: Header, start: int, ends: Offsets) -> _Chunk:
        room = self.chunk_tokens - len(self._header(header(start, start + 1)))
        last = int(np.searchsorted(ends, start, side="right")) + room - 1
        latest = int(ends[last]) if last < len(ends) else len(text)
        while True:
            earliest = start + int((latest - start) * _NEAR)
            end = latest if latest == len(text) else cut(text, kind, earliest, latest)
            chunk = _Chunk(self._header(header(start, end)), self.encoder.encode(text[start:end]), start, end)
            if len(chunk.header) + len(chunk.body) <= self.chunk_tokens:
                return chunk
            # Cut differently, the same text may take a few tokens more, and so may "lines 99-101".
            latest = start + max(1, (end - start) * 19 // 20)

    def _header(self, header: str) -> TokenArray:
        """Whatever a name holds, most of the chunk is left for the body."""
        return self.encoder.encode(header)[: self.chunk_tokens // 2]

    def _measured(self, text: str) -> Offsets:
        """Where each token of the whole text ends, in characters."""
        parts = [np.zeros(0, dtype=np.int64)]
        for start, end in _blocks(text):
            block = text[start:end]
            parts.append(token_ends(block, self.encoder.encode(block), self.encoder.byte_lengths) + start)
        return np.concatenate(parts)


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        newline = text.find("\n", start + _BLOCK_CHARS, start + 2 * _BLOCK_CHARS)
        end = newline + 1 if newline >= 0 else min(len(text), start + 2 * _BLOCK_CHARS)
        yield start, end
        start = end


def _packed(chunks: list[_Chunk]) -> Built:
    rows = np.zeros(len(chunks), dtype=CHUNK_ROW)
    parts: list[TokenArray] = [np.zeros(0, dtype=np.int32)]
    position = 0
    for row, chunk in zip(rows, chunks, strict=True):
        parts += [chunk.header, chunk.body]
        end = position + len(chunk.header) + len(chunk.body)
        row["first_token"], row["end_token"], row["header_tokens"] = position, end, len(chunk.header)
        row["start_char"], row["end_char"] = chunk.start, chunk.end
        position = end
    return Built(np.concatenate(parts).astype(np.int32, copy=False), rows)
