"""Which chunks may hold the answer: by their words first, then by how much likelier the question is after them.

The best chunks by BM25 are looked at by the model: mean log-probability of the question's tokens after prefix and chunk, minus the same
after the prefix alone (nats a token). The next ones are named with their words' score alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.chat_format import Asked
from engine.lexical import LexicalHit
from engine.places import Place
from engine.prefill import ChunkReader
from engine.prompt import Prompt, TokenArray
from engine.runs import Spent
from engine.steps import Forward, Steps

NOTHING = np.empty(0, dtype=np.int32)


def look_at(
    reader: ChunkReader, prompt: Prompt, hits: Sequence[LexicalHit], asked: Asked, alone: float, spent: Spent
) -> Steps[list[Place]]:
    """Every hit with the question put to it, best first. `alone`: the question's mean log-probability after the prefix alone.
    `spent` grows by what it took to read chunks that were not stored."""
    chunks = [prompt.document(hit.document).chunk(hit.chunk) for hit in hits]
    caches = []
    for chunk in chunks:
        caches.append((yield from reader.open(chunk, prompt.salt, asked.end, spent)))
    means = yield from mean_likelihoods(caches, [NOTHING] * len(chunks), asked)
    places = [Place(chunk, hit.score, mean - alone) for chunk, hit, mean in zip(chunks, hits, means, strict=True)]
    return sorted(places, key=lambda place: place.score, reverse=True)


def mean_likelihoods(caches: Sequence[KVCache], before: Sequence[TokenArray], asked: Asked) -> Steps[list[float]]:
    """Mean log-probability of the question's own tokens after each cache and the tokens `before`, asked together (nats)."""
    question = torch.from_numpy(asked.ids[: asked.end])
    words = question[asked.first :].long()
    asks = []
    for cache, ids in zip(caches, before, strict=True):
        end = len(ids) + len(question)
        rows = range(end - len(words) - 1, end - 1)  # a word is foretold by the token before it
        asks.append(Forward(torch.cat([torch.from_numpy(ids), question]), cache, rows))
    answers = yield tuple(asks)
    return [mean_likelihood(logits, words) for logits in answers]


def mean_likelihood(logits: Tensor, words: Tensor) -> float:
    """Of words [n] that were foretold with logits [n, V]: their mean log-probability (nats)."""
    words = words.to(logits.device)
    return float(torch.log_softmax(logits, dim=-1).gather(1, words[:, None]).mean())
