"""A document's text to chunks: token ids and rows (engine.prompt.CHUNK_ROW). Knows no file and no database.

The bodies tile the text: in order, nothing lost and nothing repeated, except that a body of nothing but white space is left out. The
tokens of a body hold exactly the bytes of its characters, so every token has its place in the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.prompt import CHUNK_ROW, TokenArray
from engine.tokenizer import CUT, slices
from ingest.limit_settings import beyond, exceeded
from ingest.limits import Limits
from ingest.model import Kind
from ingest.progress import Progress, Report
from ingest.prompt.boundaries import cut
from ingest.prompt.headers import Header
from ingest.prompt.offsets import Offsets, token_ends

CHUNK_TOKENS = 384  # header included; training/ reads chunks of this size
_NEAR = 0.5  # a boundary is near if it leaves at least this share of the chunk filled
_EDGE_CHARS = 100  # of a body: a word ends in them, or the body is encoded again


class Encoder(Protocol):
    """What is needed of engine.tokenizer.Tokenizer."""

    @property
    def byte_lengths(self) -> NDArray[np.int32]: ...

    def encode(self, text: str) -> TokenArray: ...


@dataclass(frozen=True, slots=True)
class Picture:
    """A page's image: where the page's text begins (characters), and the tokens that stand for it (engine.sight)."""

    start: int
    ids: TokenArray


@dataclass(frozen=True, slots=True)
class Built:
    """The chunks of one document, as they are stored: ids int32 [tokens], rows CHUNK_ROW [chunks]. `pictures`: to each picture the chunk
    that holds it, and the chunk's token with which it begins."""

    ids: TokenArray
    rows: NDArray[np.void]
    pictures: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Chunk:
    header: TokenArray
    body: TokenArray
    start: int
    end: int
    picture: TokenArray | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """A text, its tokens [tokens], and where each of them ends, in characters."""

    text: str
    ids: TokenArray
    ends: Offsets


@dataclass(frozen=True, slots=True)
class Builder:
    """Cuts documents into chunks of at most `chunk_tokens` tokens, header included."""

    encoder: Encoder
    chunk_tokens: int = CHUNK_TOKENS
    most_tokens: int = Limits().tokens

    def build(self, text: str, kind: Kind, header: Header, report: Report, pictures: Sequence[Picture] = ()) -> Built:
        """All chunks of a text; a page with a picture begins one. Reports tokens.

        `pictures` in the order of their pages, at most one a page. Raises LimitExceeded for more than `most_tokens`, headers not counted.
        """
        read = self._read(text, report)
        if (tokens := len(read.ends) + sum(len(picture.ids) for picture in pictures)) > self.most_tokens:
            said = f"This document has {beyond(tokens, self.most_tokens, 'tokens')}."
            raise exceeded(said, "Split it into parts", "tokens")
        chunks = []
        for chunk in self._chunks(read, kind, header, pictures):
            chunks.append(chunk)
            report(Progress("making chunks", int(np.searchsorted(read.ends, chunk.end, side="right")), len(read.ends), "tokens"))
        return _packed(chunks)

    def _chunks(self, read: _Read, kind: Kind, header: Header, pictures: Sequence[Picture]) -> Iterator[_Chunk]:
        text = read.text
        for first, stop, picture in _stretches(len(text), pictures):
            start = first
            if picture is not None and not text[first:stop].strip():
                yield self._alone(header, first, picture)
                start = stop
            while start < stop:
                chunk = self._chunk(read, kind, header, start, stop)
                if not text[start : chunk.end].isspace():
                    yield replace(chunk, picture=picture.ids) if picture is not None else chunk
                    picture = None
                start = chunk.end

    def _alone(self, header: Header, start: int, picture: Picture) -> _Chunk:
        """A page without a word: its header and its picture."""
        return _Chunk(self._header(header(start, start + 1)), np.zeros(0, dtype=np.int32), start, start, picture.ids)

    def _chunk(self, read: _Read, kind: Kind, header: Header, start: int, stop: int) -> _Chunk:
        text, ends = read.text, read.ends
        room = self.chunk_tokens - len(self._header(header(start, start + 1)))
        last = int(np.searchsorted(ends, start, side="right")) + room - 1
        latest = min(int(ends[last]), stop) if last < len(ends) else stop
        while True:
            earliest = start + int((latest - start) * _NEAR)
            end = latest if latest == stop else cut(text, kind, earliest, latest)
            chunk = _Chunk(self._header(header(start, end)), self._body(read, start, end), start, end)
            if len(chunk.header) + len(chunk.body) <= self.chunk_tokens:
                return chunk
            # Cut differently, the same text may take a few tokens more, and so may "lines 99-101".
            latest = start + max(1, (end - start) * 19 // 20)

    def _header(self, header: str) -> TokenArray:
        """Whatever a name holds, most of the chunk is left for the body."""
        return self.encoder.encode(header)[: self.chunk_tokens // 2]

    def _body(self, read: _Read, start: int, end: int) -> TokenArray:
        """The tokens of a body: those of the whole text, but for its edges, where the whole text may have been split differently."""
        first, last = CUT.search(read.text, start + 1, end), _last_cut(read.text, start + 1, end)
        if first is None or last is None or first.start() >= last:
            return self.encoder.encode(read.text[start:end])
        ids = read.ids[slice(*np.searchsorted(read.ends, [first.start(), last], side="right"))]
        body = np.concatenate([self.encoder.encode(read.text[start : first.start()]), ids, self.encoder.encode(read.text[last:end])])
        whole = int(self.encoder.byte_lengths[body].sum()) == len(read.text[start:end].encode("utf-8"))
        return body if whole else self.encoder.encode(read.text[start:end])

    def _read(self, text: str, report: Report) -> _Read:
        """The tokens of the whole text. Reports how many there are so far."""
        ids, ends, position = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int64)], 0
        for piece in slices(text):  # one call keeps every token's details in memory
            ids.append(self.encoder.encode(piece))
            ends.append(token_ends(piece, ids[-1], self.encoder.byte_lengths) + position)
            position += len(piece)
            report(Progress("counting tokens", sum(map(len, ids)), 0, "tokens"))
        return _Read(text, np.concatenate(ids), np.concatenate(ends))


def _last_cut(text: str, start: int, end: int) -> int | None:
    """The last place in a window before `end` where no token spans; a window long enough for any word."""
    cuts = [match.start() for match in CUT.finditer(text, max(start, end - _EDGE_CHARS), end)]
    return cuts[-1] if cuts else None


def _stretches(length: int, pictures: Sequence[Picture]) -> Iterator[tuple[int, int, Picture | None]]:
    """(first, end, picture) of the runs of the text that begin with a picture, and of that before the first."""
    starts = [picture.start for picture in pictures]
    if not starts or starts[0] > 0:
        yield 0, starts[0] if starts else length, None
    yield from zip(starts, [*starts[1:], length], pictures, strict=False)


def _packed(chunks: list[_Chunk]) -> Built:
    rows = np.zeros(len(chunks), dtype=CHUNK_ROW)
    parts: list[TokenArray] = [np.zeros(0, dtype=np.int32)]
    pictures: list[tuple[int, int]] = []
    position = 0
    for number, (row, chunk) in enumerate(zip(rows, chunks, strict=True)):
        header = chunk.header
        if chunk.picture is not None:
            pictures.append((number, len(header)))
            header = np.concatenate([header, chunk.picture])
        parts += [header, chunk.body]
        end = position + len(header) + len(chunk.body)
        row["first_token"], row["end_token"], row["header_tokens"] = position, end, len(header)
        row["start_char"], row["end_char"] = chunk.start, chunk.end
        position = end
    return Built(np.concatenate(parts).astype(np.int32, copy=False), rows, tuple(pictures))
