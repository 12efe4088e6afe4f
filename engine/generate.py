"""Free generation: the model goes on in its own words until it ends its reply. Knows no prompt."""

from __future__ import annotations

import codecs
from collections.abc import Collection

import torch

from engine.cache.kv_cache import KVCache
from engine.chat_format import ChatFormat
from engine.events import Token
from engine.model.decoder import Decoder
from engine.prompt import TokenArray
from engine.sampling import Sampling, pick
from engine.steps import Steps, Telling, forward
from engine.tokenizer import Tokenizer


class Writing:
    """One reply while it is written. `cut`: it reached `max_tokens` and not one of the tokens `ends`, of which none is ever said."""

    def __init__(
        self,
        cache: KVCache,
        ids: TokenArray,
        tokenizer: Tokenizer,
        *,
        ends: Collection[int],
        max_tokens: int,
        sampling: Sampling | None = None,
    ) -> None:
        self._cache, self._new, self._tokenizer = cache, torch.from_numpy(ids), tokenizer
        self._ends, self._left, self.cut = ends, max_tokens, False
        self._sampling = sampling or Sampling()
        self._generator = torch.Generator().manual_seed(self._sampling.seed)
        self._text = codecs.getincrementaldecoder("utf-8")("replace")

    def piece(self) -> Steps[str | None]:
        """The text of the next token, '' where it ends inside a character; None at the end of the reply."""
        if self._left == 0:
            self.cut = True
            return None
        logits = yield from forward(self._new, self._cache, range(len(self._new) - 1, len(self._new)))
        # Some models have more rows than their vocabulary has tokens.
        token = pick(logits[0, : len(self._tokenizer)].cpu(), self._sampling, self._generator)
        if token in self._ends:
            return None
        self._new, self._left = torch.tensor([token]), self._left - 1
        return self._text.decode(self._tokenizer.token_bytes(token))


def generate(
    decoder: Decoder, tokenizer: Tokenizer, ids: TokenArray, *, ends: Collection[int], max_tokens: int, sampling: Sampling | None = None
) -> Telling[Token, None]:
    """The text that follows ids [T], piece by piece. A piece holds whole characters only. The decoder gives the cache only."""
    cache = decoder.new_cache(len(ids) + max_tokens)
    writing = Writing(cache, ids, tokenizer, ends=ends, max_tokens=max_tokens, sampling=sampling)
    while (piece := (yield from writing.piece())) is not None:
        if piece:
            yield Token(piece)


def reply(
    decoder: Decoder,
    tokenizer: Tokenizer,
    message: str,
    *,
    ends: Collection[int] = (),
    max_tokens: int,
    sampling: Sampling | None = None,
) -> Telling[Token, None]:
    """The model's answer to one message, without any document. It ends as the chat format says, and at `ends`."""
    chat = ChatFormat(tokenizer)
    return generate(decoder, tokenizer, chat.chat(message), ends={*chat.ends, *ends}, max_tokens=max_tokens, sampling=sampling)
