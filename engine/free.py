"""Answers in a chat model's own words, with quotes that are searched in the source: locate -> read -> write -> verify.

How the passages are put before the model is one of three: all in one window with the question (`engine.joined`), through the stored state
of their chunks (`engine.composed`), or with the whole prompt through its stored state (`engine.whole`). Knows prompts and events; no
thread, no request. Page images are not shown in a window yet: there a passage is its header and its body in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from engine.asked import Asked
from engine.cache.kv_cache import KVCache
from engine.calibration import LOCATE_CHUNKS
from engine.citing import FreeAnswer
from engine.errors import EngineError, PromptUnreadable
from engine.events import AnswerEvent
from engine.generate import Writing
from engine.index import Indexer
from engine.lexical import LexicalHit
from engine.locate import Found, find
from engine.opening import Model
from engine.passages import Passage
from engine.places import candidates
from engine.prompt import Prompt, TokenArray
from engine.runs import Spent
from engine.steps import Steps, Telling

ANSWER_TOKENS = 1024
MOST_PASSAGES = 1000


class Showing(Protocol):
    """How passages and a question are put before a model that takes `room` tokens of passages, question and answer at a time."""

    mode: str
    room: int

    @property
    def spent(self) -> Spent:
        """All that was read so far."""

    def space(self, question: str, answer_tokens: int) -> int:
        """Tokens of passages that go beside the question and its answer."""

    def show(self, asked: Asked, passages: Sequence[Passage], answer_tokens: int) -> Steps[tuple[KVCache, TokenArray]]:
        """A cache that has read the passages, and the ids that are left to be read: the question at least."""

    def forget(self, salt: str) -> None:
        """Let go of what is kept in memory of an owner's questions."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Passages, and the steps that put them before the model: None for no passage."""

    passages: list[Passage]
    steps: Steps[tuple[KVCache, TokenArray]] | None
    answer_tokens: int


class FreeWay:
    """One chat model's way to answer. For the engine's thread, but for `answer`."""

    def __init__(self, model: Model, showing: Showing, indexer: Indexer | None = None) -> None:
        self._tokenizer, self._chat, self._showing, self.mode = model.tokenizer, model.chat, showing, showing.mode
        self._indexer = indexer
        config = model.decoder.config
        self._ends, self._name = {*model.chat.ends, *config.end_tokens}, config.name

    @property
    def spent(self) -> Spent:
        return self._showing.spent

    def answer(self, asked: Asked) -> Telling[AnswerEvent, None]:
        """The steps of one answer. Words are searched and texts read at once, in the caller's thread, but for those that only the scan
        finds. Raises EngineError and OSError."""
        hits = self.hits(asked.prompt, asked.bare, MOST_PASSAGES) if asked.question.strip() else []
        limit = asked.options.locate_chunks or LOCATE_CHUNKS
        for hit in hits[:limit]:
            asked.texts.of(hit.document)
        return self._answer(asked, hits, limit, None if self._indexer else self._shown(asked, hits))

    def hits(self, prompt: Prompt, question: str, limit: int) -> list[LexicalHit]:
        """The best chunks by words, as many as `look` makes use of to find so many places."""
        return candidates(prompt, question, limit if self._indexer is None else max(limit, MOST_PASSAGES))

    def look(self, prompt: Prompt, hits: Sequence[LexicalHit], question: str, _spent: Spent, limit: int) -> Steps[Found]:
        """The chunks found by words and by the scan, if there is one, as they were found: the model is not asked about them."""
        if not question.strip() or not prompt.chunks:
            return Found([])
        return (yield from find(self._indexer, prompt, hits, self._chat.ask(question), limit))

    def sweeping(self) -> FreeWay:
        """This way itself: a document's questions share its opening as any others do."""
        return self

    def forget(self, salt: str) -> None:
        """Let go of what is kept of this owner's questions."""
        self._showing.forget(salt)

    def _shown(self, asked: Asked, hits: Sequence[LexicalHit]) -> Shown:
        """The passages that are read, and how they are; nothing where there is nothing to read."""
        answer_tokens = min(asked.options.max_tokens or ANSWER_TOKENS, self._showing.room // 4)
        passages = self._passages(asked, hits, answer_tokens)
        return Shown(passages, self._showing.show(asked, passages, answer_tokens) if passages else None, answer_tokens)

    def _passages(self, asked: Asked, hits: Sequence[LexicalHit], answer_tokens: int) -> list[Passage]:
        """The whole prompt if it fits, else as many of the hits as do, best first."""
        if not asked.question.strip() or not asked.prompt.chunks:
            return []
        _, passages = asked.chosen(hits, self._showing.space(asked.question, answer_tokens))
        if hits and not passages:
            raise self._no_room()
        if any(int(passage.chunk.ids.max(initial=0)) >= len(self._tokenizer) for passage in passages):
            raise PromptUnreadable("A document of this prompt was parsed for another model. Parse it again.")
        return passages

    def _answer(self, asked: Asked, hits: Sequence[LexicalHit], limit: int, shown: Shown | None) -> Telling[AnswerEvent, None]:
        """`shown` is None where the scan has a say in what is read."""
        found = yield from self.look(asked.prompt, hits, asked.bare, Spent(), limit if shown else MOST_PASSAGES)
        for place in found.places[:limit]:
            yield asked.texts.located(place)
        asked.clock.located()
        if shown is None:
            shown = self._shown(asked, [LexicalHit(place.chunk.document, place.chunk.index, place.lexical) for place in found.places])
        answer = FreeAnswer(shown.passages, asked.texts)
        if shown.steps is not None:
            asked.sent(shown.passages)
            yield from self._write(asked, answer, shown.steps, shown.answer_tokens)
        done = asked.done(answer, shown.passages, self._name, self.mode)
        yield replace(done, usage=replace(done.usage, indexed_tokens=found.indexed_tokens, indexed_chunks=found.indexed_chunks))

    def _write(
        self, asked: Asked, answer: FreeAnswer, shown: Steps[tuple[KVCache, TokenArray]], max_tokens: int
    ) -> Telling[AnswerEvent, None]:
        """The answer's events; once the model has said that the answer is not there, it writes no further."""
        cache, rest = yield from shown
        writing = Writing(cache, rest, self._tokenizer, ends=self._ends, max_tokens=max_tokens)
        while not answer.denied and (piece := (yield from writing.piece())) is not None:
            asked.heard()
            for event in answer.feed(piece):
                asked.clock.token()
                yield event
        for event in answer.end(cut=writing.cut):
            yield event

    def _no_room(self) -> EngineError:
        return EngineError(
            f"{self._name} reads {self._showing.room:,} tokens at a time, and beside this question no passage fits. "
            "Ask a shorter question, or use a model with a longer context."
        )
