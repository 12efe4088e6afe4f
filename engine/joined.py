"""Joined reading: passages and question in one window, so that nothing of the attention is approximated.

No window is longer than the chunk in which a model's chunked layers attend. It begins the same way for the same passages, whatever is
asked, and its state up to the question is kept in memory for the next one. Knows no events.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from engine.asked import Asked
from engine.cache.kv_cache import KVCache
from engine.chat_format import Role
from engine.config import ModelConfig
from engine.kept_prefixes import KeptPrefixes, common
from engine.opening import Model
from engine.passages import Passage, fixed_tokens, messages
from engine.prompt import TokenArray
from engine.runs import Spent
from engine.steps import Steps, forward

MODE = "joined"
# As long as Scout's attention chunk, and no longer than models of these families were trained on; four times of what a question's passages
# usually need. Its keys and values take 0.6 GB of a model with three billion parameters, and eight answers are read at once.
READ_TOKENS = 8192
# Two people who go on asking, or one who asks two prompts in turn.
WINDOWS_KEPT = 2


@dataclass(frozen=True, slots=True)
class Window:
    """Passages, then the question; `ids` [T], of which the first `opening` are the same for any question."""

    ids: TokenArray
    opening: int


class Joined:
    """One chat model's windows. For the engine's thread, but for `space` and `show`."""

    mode = MODE

    def __init__(self, model: Model) -> None:
        self._decoder, self._tokenizer, self._chat = model.decoder, model.tokenizer, model.chat
        config = model.decoder.config
        self.room = window_tokens(config)
        self._kept = KeptPrefixes(WINDOWS_KEPT * self.room * token_bytes(config, model.decoder.kv_dtype))
        self._being_read: set[tuple[str, bytes]] = set()
        self.spent = Spent()

    def space(self, question: str, answer_tokens: int) -> int:
        """Tokens of passages that go beside the question and its answer."""
        return self.room - answer_tokens - fixed_tokens(self._tokenizer, question)

    def show(self, asked: Asked, passages: Sequence[Passage], _answer_tokens: int) -> Steps[tuple[KVCache, TokenArray]]:
        """A cache that has read the passages, and the ids that are left to be read: the question at least. Texts are read at once."""
        return self._read(asked.prompt.salt, self.window(asked, passages))

    def forget(self, salt: str) -> None:
        self._kept.forget(salt)

    def window(self, asked: Asked, passages: Sequence[Passage]) -> Window:
        ids, other = (self._ids(asked, passages, question) for question in (asked.question, ""))
        return Window(ids, min(common(ids, other), len(ids) - 1))

    def _ids(self, asked: Asked, passages: Sequence[Passage], question: str) -> TokenArray:
        chat = messages(passages, asked.texts, self._tokenizer, question)
        turns: list[tuple[Role, str]] = [("system" if turn["role"] == "system" else "user", turn["content"]) for turn in chat]
        return self._chat.turns(turns)

    def _read(self, salt: str, window: Window) -> Steps[tuple[KVCache, TokenArray]]:
        """Read as far as none of the window's opening is kept, and then kept itself."""
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
        return cache, window.ids[cache.length :]


def window_tokens(config: ModelConfig) -> int:
    """How many tokens of passages, question and answer together are read exactly, and at reasonable cost."""
    chunk = config.attention_chunk if config.attention_chunk and config.chunked_layers else config.context
    return min(READ_TOKENS, config.context, chunk)


def token_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
    """Bytes of one token's keys and values in all layers."""
    return config.layers * 2 * config.kv_heads * config.head_dim * dtype.itemsize
