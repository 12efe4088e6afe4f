"""Which chunks may hold the answer: by their words first, then by how much likelier the question is after them.

The best chunks by BM25 are looked at by the model: mean log-probability of the question's tokens after prefix and chunk, minus the same
after the prefix alone (nats a token). The next ones are named with their words' score alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from engine.cache.kv_cache import KVCache
from engine.chat_format import Asked
from engine.lexical import LexicalHit
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.places import Place
from engine.prefill import ChunkReader
from engine.prompt import Prompt, TokenArray

NOTHING = np.empty(0, dtype=np.int32)


def look_at(decoder: Decoder, reader: ChunkReader, prompt: Prompt, hits: Sequence[LexicalHit], asked: Asked, alone: float) -> list[Place]:
    """Every hit with the question put to it, best first. `alone`: the question's mean log-probability after the prefix alone."""
    chunks = [prompt.document(hit.document).chunk(hit.chunk) for hit in hits]
    caches = [reader.open(chunk, prompt.salt, asked.end) for chunk in chunks]
    means = mean_likelihoods(decoder, caches, [NOTHING] * len(chunks), asked)
    places = [Place(chunk, hit.score, mean - alone) for chunk, hit, mean in zip(chunks, hits, means, strict=True)]
    return sorted(places, key=lambda place: place.score, reverse=True)


def mean_likelihoods(decoder: Decoder, caches: Sequence[KVCache], before: Sequence[TokenArray], asked: Asked) -> list[float]:
    """Mean log-probability of the question's own tokens after each cache and the tokens `before`, all in one pass (nats)."""
    question = torch.from_numpy(asked.ids[: asked.end])
    fed = [torch.cat([torch.from_numpy(ids), question]) for ids in before]
    hidden = decoder(torch.cat(fed), [Segment(cache, len(ids)) for cache, ids in zip(caches, fed, strict=True)])
    words = question[asked.first :].long().to(hidden.device)
    means, end = [], 0
    for ids in fed:
        end += len(ids)
        row = hidden[end - len(words) - 1 : end - 1]
        means.append(float(torch.log_softmax(decoder.logits(row), dim=-1).gather(1, words[:, None]).mean()))
    return means
