"""Which chunks may hold the answer: by their words and by the scan, then by how much likelier the question is after them.

A model with a scan head finds chunks that share no word with the question too. Where looking at them helps, the best are put to the model:
mean log-probability of the question's tokens after prefix and chunk, minus the same after the prefix alone (nats a token).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.chat_format import Asked
from engine.index import Indexer
from engine.lexical import LexicalHit
from engine.places import Place, by_words, fused
from engine.prefill import ChunkReader
from engine.prompt import Prompt, TokenArray
from engine.runs import Spent
from engine.steps import Forward, Steps

NOTHING = np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Found:
    """Places, best first, and what of the prompt was indexed; None for a model that finds chunks by their words alone."""

    places: list[Place]
    indexed_tokens: int | None = None
    indexed_chunks: int | None = None


def find(indexer: Indexer | None, prompt: Prompt, hits: Sequence[LexicalHit], asked: Asked, limit: int) -> Steps[Found]:
    """The best chunks by the words' hits, best first, and by the scan if there is an indexer; it is told which are asked about."""
    if indexer is None:
        return Found(by_words(prompt, hits[:limit]))
    scanned = yield from indexer.scan(prompt, asked)
    if scanned is None:
        found = Found(by_words(prompt, hits[:limit]), 0, 0)
    else:
        found = Found(fused(prompt, hits, scanned.attention, limit), scanned.indexed_tokens, scanned.indexed_chunks)
    indexer.want(prompt, (place.chunk for place in found.places if place.attention is None))
    return found


def look_at(reader: ChunkReader, prompt: Prompt, places: Sequence[Place], asked: Asked, alone: float, spent: Spent) -> Steps[list[Place]]:
    """Every place with the question put to it, best first. `alone`: the question's mean log-probability after the prefix alone.
    `spent` grows by what it took to read chunks that were not stored."""
    caches = []
    with reader.pinned([place.chunk for place in places], prompt.salt):
        for place in places:
            caches.append((yield from reader.open(place.chunk, prompt.salt, asked.end, spent)))
    means = yield from mean_likelihoods(caches, [NOTHING] * len(places), asked)
    looked = [replace(place, likelihood=mean - alone) for place, mean in zip(places, means, strict=True)]
    return sorted(looked, key=lambda place: place.score, reverse=True)


def mean_likelihoods(caches: Sequence[KVCache], before: Sequence[TokenArray], asked: Asked, *, opened: bool = False) -> Steps[list[float]]:
    """Mean log-probability of the question's own tokens after each cache and the tokens `before`, asked together (nats). `opened`: the
    caches read what opens the answer too."""
    question = torch.from_numpy(asked.ids if opened else asked.ids[: asked.end])
    words = question[asked.first : asked.end].long()
    asks = []
    for cache, ids in zip(caches, before, strict=True):
        end = len(ids) + asked.end
        rows = range(end - len(words) - 1, end - 1)  # a word is foretold by the token before it
        asks.append(Forward(torch.cat([torch.from_numpy(ids), question]), cache, rows))
    answers = yield tuple(asks)
    return [mean_likelihood(logits, words) for logits in answers]


def mean_likelihood(logits: Tensor, words: Tensor) -> float:
    """Of words [n] that were foretold with logits [n, V]: their mean log-probability (nats)."""
    words = words.to(logits.device)
    return float(torch.log_softmax(logits, dim=-1).gather(1, words[:, None]).mean())
