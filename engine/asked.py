"""One question: what of the prompt it is asked of, what a model that answers freely is given to read, and what is said at the end.

Runs no model and sends nothing. Imports no torch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from engine.citing import FreeAnswer
from engine.clock import Clock
from engine.events import AnswerOptions, Done, Usage
from engine.lexical import LexicalHit
from engine.naming import Named, named
from engine.passages import Passage, Passages
from engine.places import Texts
from engine.prompt import Prompt

WHOLE, PASSAGES = "whole prompt", "located passages"


class Asked:
    """A question over a prompt, from its arrival on. `prompt` is what of it the question names (engine.naming), if it names a document;
    `bare` the question without names, which is what is searched for; `whole`: names single out nothing here."""

    def __init__(self, prompt: Prompt, question: str, options: AnswerOptions, *, whole: bool = False) -> None:
        self.named = Named(prompt, question) if whole else named(prompt, question)
        self.prompt, self.bare = self.named.prompt, self.named.question
        self.question, self.options = question, options
        self.texts, self.clock = Texts(self.prompt), Clock()
        self.sent_tokens = 0
        self._passages = Passages(self.prompt)
        self._sent = self._heard = 0.0

    def chosen(self, hits: Sequence[LexicalHit], space: int) -> tuple[str, list[Passage]]:
        """Mode and passages: the whole prompt if it takes at most `space` tokens, else the hits, best first, as far as they go.

        With `read_chunks` among the options it is so many hits at most, and never the whole.
        """
        if self.options.read_chunks is None and self._passages.tokens <= space:
            return WHOLE, self._passages.all()
        chunks = (self.prompt.document(hit.document).chunk(hit.chunk) for hit in hits[: self.options.read_chunks])
        return PASSAGES, self._passages.fitting(chunks, space)

    def sent(self, passages: Sequence[Passage]) -> None:
        """The passages are on their way to the model."""
        self.sent_tokens = sum(passage.tokens for passage in passages)
        self._sent, self._heard = time.perf_counter(), 0.0

    def heard(self) -> None:
        """The model has begun to answer. What it needed for that counts as prefill: nearly all of it is reading."""
        self._heard = self._heard or time.perf_counter()

    def done(self, answer: FreeAnswer, passages: Sequence[Passage], model: str, mode: str) -> Done:
        """The end of the answer. An answer less sure than the options' threshold counts as none."""
        found = answer.found and answer.confidence >= (self.options.threshold or 0.0)
        read = sum(len(passage.chunk.ids) for passage in passages)
        usage = Usage(self.prompt.tokens, self.prompt.chunks, read, len(passages), named=self.named.documents)
        return Done(
            answer.text if found else "",
            found,
            answer.confidence,
            usage,
            self.clock.timings(max(0.0, self._heard - self._sent)),
            model,
            mode,
        )
