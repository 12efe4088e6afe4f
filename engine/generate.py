"""Free generation: the model goes on in its own words, for comparison and for models that answer freely. Knows no prompt."""

from __future__ import annotations

import codecs

import torch

from engine.chat_format import ChatFormat
from engine.events import Token
from engine.model.decoder import Decoder
from engine.prompt import TokenArray
from engine.sampling import Sampling, pick
from engine.steps import Telling, forward
from engine.tokenizer import Tokenizer


def generate(
    decoder: Decoder, tokenizer: Tokenizer, ids: TokenArray, *, end: int, max_tokens: int, sampling: Sampling | None = None
) -> Telling[Token, None]:
    """The text that follows ids [T], piece by piece, until the `end` token or `max_tokens`. A piece holds whole characters only.

    The decoder gives the cache only."""
    sampling = sampling or Sampling()
    generator = torch.Generator().manual_seed(sampling.seed)
    cache, text = decoder.new_cache(len(ids) + max_tokens), codecs.getincrementaldecoder("utf-8")("replace")
    new = torch.from_numpy(ids)
    for _ in range(max_tokens):
        logits = yield from forward(new, cache, range(len(new) - 1, len(new)))
        token = pick(logits[0].cpu(), sampling, generator)
        if token == end:
            return
        piece = text.decode(tokenizer.token_bytes(token))
        if piece:
            yield Token(piece)
        new = torch.tensor([token])


def reply(
    decoder: Decoder, tokenizer: Tokenizer, message: str, *, max_tokens: int, sampling: Sampling | None = None
) -> Telling[Token, None]:
    """The model's answer to one message, without any document."""
    chat = ChatFormat(tokenizer)
    return generate(decoder, tokenizer, chat.chat(message), end=chat.end, max_tokens=max_tokens, sampling=sampling)
