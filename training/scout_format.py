"""Chunks, a question and its reply -> an example to train on, put before the model exactly as the engine puts them when it answers.

Composed: the prefix and each chunk are runs alone, the question sees them (engine.composed). Joined: all in one window (engine.joined). The
reply is what the engine looks for in a free answer (engine.citing): words, then the quote that supports them, or that it is not there. What
is quoted are the chunk's own tokens. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from engine.chat_format import ChatFormat, Role
from engine.composed import SYSTEM
from engine.passages import NOT_FOUND, Passage, messages
from engine.places import Texts
from engine.prompt import Chunk, TokenArray
from engine.tokenizer import Tokenizer
from training.scout_pack import Example

Way = Literal["composed", "joined"]
ANSWER_WEIGHT, QUOTE_WEIGHT, PLAIN_WEIGHT = 1.0, 0.25, 0.02


@dataclass(frozen=True, slots=True)
class Shown:
    """A chunk that is put before the model, and where in the whole prompt it stands."""

    ids: TokenArray
    header_tokens: int
    number: int


@dataclass(frozen=True, slots=True)
class Told:
    """Words of a reply, none or some, and tokens of the `shown`th chunk, first..end, that support them."""

    answer: tuple[int, ...]
    shown: int
    first: int
    end: int


class Decoded(Texts):
    """Bodies of chunks that have no document."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def body(self, chunk: Chunk) -> str:
        return self._tokenizer.decode(chunk.body.tolist())


class Format:
    """One model's ways to be asked."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._chat = tokenizer, ChatFormat(tokenizer)
        self.prefix = self._chat.before(SYSTEM)

    def asked(self, kind: str, way: Way, chunks: Sequence[Shown], question: str, told: Sequence[Told]) -> Example:
        """`told` in the order in which it is said; nothing: that it is not there."""
        reply, weights = self._reply(way, chunks, told)
        opening = self._composed(question) if way == "composed" else self._joined(chunks, question)
        last = np.concatenate([opening, reply])
        counted = np.concatenate([np.zeros(len(opening), dtype=np.float32), weights])
        runs = (self.prefix, *(chunk.ids for chunk in chunks), last) if way == "composed" else (last,)
        return Example(kind, runs, counted, asks=way == "composed")

    def plain(self, kind: str, ids: TokenArray, header_tokens: int = 0) -> Example:
        """A text to be foretold, alone."""
        weights = np.full(len(ids), PLAIN_WEIGHT, dtype=np.float32)
        weights[:header_tokens] = 0
        return Example(kind, (ids,), weights)

    def _composed(self, question: str) -> TokenArray:
        return self._chat.after(f"\n\nQuestion: {' '.join(question.split())}")

    def _joined(self, chunks: Sequence[Shown], question: str) -> TokenArray:
        passages = [Passage(each.number, Chunk("", 0, each.ids, each.header_tokens, 0, 0), len(each.ids)) for each in chunks]
        chat = messages(passages, Decoded(self._tokenizer), self._tokenizer, question)
        return self._chat.turns([(cast(Role, turn["role"]), turn["content"]) for turn in chat])

    def _reply(
        self, way: Way, chunks: Sequence[Shown], told: Sequence[Told]
    ) -> tuple[TokenArray, np.ndarray[tuple[int], np.dtype[np.float32]]]:
        pieces: list[tuple[TokenArray, float]] = [] if told else [(self._tokenizer.encode(NOT_FOUND), ANSWER_WEIGHT)]
        for place, each in enumerate(told):
            between = "; " if place and each.answer else " " if place else ""
            mark = "<quote>" if way == "composed" else f"<quote {chunks[each.shown].number}>"
            pieces += [
                (self._tokenizer.encode(between), ANSWER_WEIGHT),
                (np.array(each.answer, dtype=np.int32), ANSWER_WEIGHT),
                (self._tokenizer.encode(f" {mark}" if each.answer else mark), ANSWER_WEIGHT),
                (chunks[each.shown].ids[each.first : each.end], QUOTE_WEIGHT),
                (self._tokenizer.encode("</quote>"), QUOTE_WEIGHT),
            ]
        pieces.append((np.array([self._chat.end], dtype=np.int32), ANSWER_WEIGHT))
        ids = np.concatenate([piece for piece, _ in pieces]).astype(np.int32)
        return ids, np.concatenate([np.full(len(piece), weight, dtype=np.float32) for piece, weight in pieces])
