"""One question to a server: what of the prompt it is given to read, and what is said of it at the end. Sends nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engine.citing import FreeAnswer
from engine.events import AnswerOptions, Done, Timings, Usage
from engine.lexical import LexicalHit
from engine.passages import Passage, Passages
from engine.places import Texts
from engine.prompt import Prompt

WHOLE, PASSAGES = "whole prompt", "located passages"


class Asked:
    """A question over a prompt, from its arrival on."""

    def __init__(self, prompt: Prompt, question: str, options: AnswerOptions) -> None:
        self.prompt, self.question, self.options = prompt, question, options
        self.texts, self.clock = Texts(prompt), Clock()
        self._passages = Passages(prompt)

    def chosen(self, hits: Sequence[LexicalHit], space: int) -> tuple[str, list[Passage]]:
        """Mode and passages: the whole prompt if it takes at most `space` tokens, else the hits, best first, as far as they go.

        With `read_chunks` among the options it is so many hits at most, and never the whole.
        """
        if self.options.read_chunks is None and self._passages.tokens <= space:
            return WHOLE, self._passages.all()
        chunks = (self.prompt.document(hit.document).chunk(hit.chunk) for hit in hits[: self.options.read_chunks])
        return PASSAGES, self._passages.fitting(chunks, space)

    def done(self, answer: FreeAnswer, passages: Sequence[Passage], model: str, mode: str) -> Done:
        """The end of the answer. An answer less sure than the options' threshold counts as none."""
        found = answer.found and answer.confidence >= (self.options.threshold or 0.0)
        read = sum(len(passage.chunk.ids) for passage in passages)
        usage = Usage(self.prompt.tokens, self.prompt.chunks, read, len(passages))
        return Done(answer.text if found else "", found, answer.confidence, usage, self.clock.timings(), model, mode)


class Clock:
    """Seconds since a question arrived. What a server needs for its first word counts as prefill: nearly all of it is reading."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._locate = self._sent = self._heard = self._first = 0.0

    def located(self) -> None:
        self._locate = self._now()

    def sent(self) -> None:
        self._sent = self._now()

    def heard(self) -> None:
        self._heard = self._heard or self._now()

    def first_token(self) -> None:
        self._first = self._first or self._now()

    def timings(self) -> Timings:
        return Timings(self._locate, max(0.0, self._heard - self._sent), self._first or self._now(), self._now())

    def _now(self) -> float:
        return time.perf_counter() - self._start
