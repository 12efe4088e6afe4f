"""Answers in a chat model's own words, with quotes that are searched in the source: locate -> read together -> write -> verify.

Passages and question go into one window (design: *joined* reading), so nothing of the attention is approximated; no window is longer than
the chunk in which a model's chunked layers attend. The window begins the same way for the same passages, whatever is asked, and its state
up to the question is kept in memory for the next one. Knows prompts and events; no thread, no request. Page images are not shown yet:
a passage is its header and its body in words.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from engine.asked import Asked
from engine.cache.kv_cache import KVCache
from engine.calibration import LOCATE_CHUNKS
from engine.chat_format import Role
from engine.citing import FreeAnswer
from engine.config import ModelConfig
from engine.errors import EngineError, PromptUnreadable
from engine.events import AnswerEvent
from engine.generate import Writing
from engine.kept_prefixes import KeptPrefixes, common
from engine.lexical import LexicalHit
from engine.opening import Model
from engine.passages import Passage, fixed_tokens, messages
from engine.places import Place, by_words, candidates
from engine.prompt import Prompt, TokenArray
from engine.runs import Spent
from engine.steps import Steps, Telling, forward

MODE = "joined"
# As long as Scout's attention chunk, and no longer than models of these families were trained on; four times of what a question's passages
# usually need. Its keys and values take 0.6 GB of a model with three billion parameters, and eight answers are read at once.
READ_TOKENS = 8192
ANSWER_TOKENS = 1024
MOST_PASSAGES = 1000
# Two people who go on asking, or one who asks two prompts in turn.
WINDOWS_KEPT = 2


@dataclass(frozen=True, slots=True)
class Window:
    """What the model is given: passages, then the question; `ids` [T], of which the first `opening` are the same for any question."""

    passages: Sequence[Passage]
    ids: TokenArray
    opening: int


class FreeWay:
    """One chat model's way to answer. For the engine's thread, but for `answer`."""

    mode = MODE

    def __init__(self, model: Model) -> None:
        self._decoder, self._tokenizer, self._chat = model.decoder, model.tokenizer, model.chat
        config = model.decoder.config
        self._ends, self._name, self._room = {*model.chat.ends, *config.end_tokens}, config.name, window_tokens(config)
        self._kept = KeptPrefixes(WINDOWS_KEPT * self._room * token_bytes(config, model.decoder.kv_dtype))
        self._being_read: set[tuple[str, bytes]] = set()
        self.spent = Spent()

    def answer(self, asked: Asked) -> Telling[AnswerEvent, None]:
        """The steps of one answer. Words are searched and texts read at once, in the caller's thread. Raises EngineError and OSError."""
        hits = candidates(asked.prompt, asked.question, MOST_PASSAGES) if asked.question.strip() else []
        located = by_words(asked.prompt, hits[: asked.options.locate_chunks or LOCATE_CHUNKS])
        for place in located:
            asked.texts.of(place.chunk.document)
        answer_tokens = min(asked.options.max_tokens or ANSWER_TOKENS, self._room // 4)
        return self._answer(asked, located, self._window(asked, hits, answer_tokens), answer_tokens)

    def look(self, prompt: Prompt, hits: Sequence[LexicalHit], _question: str, _spent: Spent) -> Steps[list[Place]]:
        """The chunks found by words, as they were found: no model is asked."""
        yield from ()
        return by_words(prompt, hits)

    def sweeping(self) -> FreeWay:
        """This way itself: a document's questions share its opening as any others do."""
        return self

    def forget(self, prompt: Prompt) -> None:
        """Let go of what is kept of this owner's questions."""
        self._kept.forget(prompt.salt)

    def _window(self, asked: Asked, hits: Sequence[LexicalHit], answer_tokens: int) -> Window | None:
        """The whole prompt if it fits, else as many of the hits as do, best first; None where there is nothing to read."""
        if not asked.question.strip() or not asked.prompt.chunks:
            return None
        _, passages = asked.chosen(hits, self._room - answer_tokens - fixed_tokens(self._tokenizer, asked.question))
        if not passages:
            if hits:
                raise self._no_room()
            return None
        if any(int(passage.chunk.ids.max(initial=0)) >= len(self._tokenizer) for passage in passages):
            raise PromptUnreadable("A document of this prompt was parsed for another model. Parse it again.")
        ids, other = (self._ids(asked, passages, question) for question in (asked.question, ""))
        return Window(passages, ids, min(common(ids, other), len(ids) - 1))

    def _ids(self, asked: Asked, passages: Sequence[Passage], question: str) -> TokenArray:
        chat = messages(passages, asked.texts, self._tokenizer, question)
        turns: list[tuple[Role, str]] = [("system" if turn["role"] == "system" else "user", turn["content"]) for turn in chat]
        return self._chat.turns(turns)

    def _answer(self, asked: Asked, located: Sequence[Place], window: Window | None, max_tokens: int) -> Telling[AnswerEvent, None]:
        for place in located:
            yield asked.texts.located(place)
        asked.clock.located()
        passages = window.passages if window else []
        answer = FreeAnswer(passages, asked.texts)
        if window:
            asked.sent(passages)
            yield from self._write(asked, answer, window, max_tokens)
        yield asked.done(answer, passages, self._name, self.mode)

    def _write(self, asked: Asked, answer: FreeAnswer, window: Window, max_tokens: int) -> Telling[AnswerEvent, None]:
        """The answer's events; once the model has said that the answer is not there, it writes no further."""
        cache = yield from self._read(asked.prompt.salt, window)
        rest = window.ids[cache.length :]
        writing = Writing(cache, rest, self._tokenizer, ends=self._ends, max_tokens=max_tokens)
        while not answer.denied and (piece := (yield from writing.piece())) is not None:
            asked.heard()
            for event in answer.feed(piece):
                asked.clock.token()
                yield event
        for event in answer.end(cut=writing.cut):
            yield event

    def _read(self, salt: str, window: Window) -> Steps[KVCache]:
        """A cache after the window's opening: read as far as none of it is kept, and then kept itself."""
        opening = salt, window.ids[: window.opening].tobytes()
        while opening in self._being_read:
            yield ()  # another question reads the same: this one begins where that is kept
        cache = self._kept.start(salt, window.ids) or self._decoder.new_cache(window.opening)
        left = window.ids[cache.length : window.opening]
        if len(left):
            self._being_read.add(opening)
            try:
                started = time.perf_counter()
                yield from forward(torch.from_numpy(left), cache)
            finally:
                self._being_read.discard(opening)
            self.spent.add(len(left), time.perf_counter() - started)
            self._kept.keep(salt, window.ids[: cache.length], cache)
        return cache

    def _no_room(self) -> EngineError:
        return EngineError(
            f"{self._name} reads {self._room:,} tokens at a time, and beside this question no passage fits. Ask a shorter question, "
            "or use a model with a longer context."
        )


def window_tokens(config: ModelConfig) -> int:
    """How many tokens of passages, question and answer together are read exactly, and at reasonable cost."""
    chunk = config.attention_chunk if config.attention_chunk and config.chunked_layers else config.context
    return min(READ_TOKENS, config.context, chunk)


def token_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
    """Bytes of one token's keys and values in all layers."""
    return config.layers * 2 * config.kv_heads * config.head_dim * dtype.itemsize
