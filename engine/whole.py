"""Exact reading: the question sees the whole prompt as one sequence, as the model was trained, through its stored state.

Nothing is left out and nothing is approximated, so nothing has to be located either; but the prompt has to fit the model's context, and an
added document costs all that stands after it (`engine.exact`). For models that were trained for long contexts. Knows no events.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.asked import Asked
from engine.cache.kv_cache import KVCache
from engine.composed import SYSTEM, asking
from engine.exact import MODE, ExactReader
from engine.opening import Model
from engine.passages import Passage
from engine.prompt import TokenArray
from engine.runs import RunReader, Spent
from engine.steps import Steps


class Whole:
    """One model's whole prompts. For the engine's thread, but for `space` and `show`. Passages have no numbers, as in `engine.composed`."""

    def __init__(self, model: Model, runs: RunReader) -> None:
        self._chat, self.mode, self.spent = model.chat, runs.mode(MODE), Spent()
        self.prefix = model.chat.before(SYSTEM)
        self.reader = ExactReader(runs, self.prefix)
        self.room = model.decoder.config.context

    def space(self, question: str, answer_tokens: int) -> int:
        """Tokens of the prompt that go beside the question and its answer."""
        return self.room - len(self.prefix) - len(asking(self._chat, question)) - answer_tokens

    def show(self, asked: Asked, _passages: Sequence[Passage], answer_tokens: int) -> Steps[tuple[KVCache, TokenArray]]:
        """A cache over the whole prompt, whatever was located, and the ids that are left to be read: the question.

        Raises EngineError for a prompt that is longer than the model's context.
        """
        question = asking(self._chat, asked.question)
        cache = yield from self.reader.open(asked.prompt, len(question) + answer_tokens, self.spent)
        return cache, question

    def forget(self, _salt: str) -> None:
        """Nothing is kept beside the store."""
