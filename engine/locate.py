"""Which chunks may hold the answer: by their words first, then by how much likelier the question is after them.

The best chunks by BM25 are looked at by the model: mean log-probability of the question's tokens after prefix and chunk, minus the same
after the prefix alone (nats a token). That pass leaves each chunk's cache at the opening of the answer, so reading goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.calibration import place_score
from engine.chat_format import Asked
from engine.lexical import LexicalHit, LexicalIndex
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.prefill import ChunkReader
from engine.prompt import Chunk, Prompt


@dataclass(slots=True)
class Place:
    """A located chunk, its scores, and its state after the question: `logits` [V] are those of the answer's first token."""

    chunk: Chunk
    lexical: float
    likelihood: float
    score: float
    cache: KVCache
    logits: Tensor


def candidates(prompt: Prompt, question: str, limit: int) -> list[LexicalHit]:
    """The best chunks of the prompt by words alone, best first."""
    hits = LexicalIndex(prompt.lexical_path).search(question, [document.id for document in prompt.documents], limit)
    lengths = {document.id: len(document) for document in prompt.documents}
    return [hit for hit in hits if hit.chunk < lengths[hit.document]]


def look_at(decoder: Decoder, reader: ChunkReader, prompt: Prompt, hits: Sequence[LexicalHit], asked: Asked, room: int) -> list[Place]:
    """Every hit with the question put to it, best first. `room`: how many tokens of an answer the caches have place for."""
    chunks = [prompt.document(hit.document).chunk(hit.chunk) for hit in hits]
    alone = reader.start(len(asked.ids))
    caches = [alone, *(reader.open(chunk, prompt.salt, len(asked.ids) + room) for chunk in chunks)]
    means, logits = put_question(decoder, caches, asked)
    gains = [mean - means[0] for mean in means[1:]]
    best = max((hit.score for hit in hits), default=0.0)
    places = [
        Place(chunk, hit.score, gain, place_score(hit.score, best, gain), cache, row)
        for chunk, hit, gain, cache, row in zip(chunks, hits, gains, caches[1:], logits[1:], strict=True)
    ]
    return sorted(places, key=lambda place: place.score, reverse=True)


def put_question(decoder: Decoder, caches: Sequence[KVCache], asked: Asked) -> tuple[list[float], Tensor]:
    """Each cache grows by the question, all in one pass. Mean log-probability of the question's words, and next logits [caches, V]."""
    ids = torch.from_numpy(asked.ids)
    hidden = decoder(ids.repeat(len(caches)), [Segment(cache, len(ids)) for cache in caches]).view(len(caches), len(ids), -1)
    words = ids[asked.first : asked.end].long().to(hidden.device)
    means = []
    for row in hidden[:, asked.first - 1 : asked.end - 1]:
        likelihoods = torch.log_softmax(decoder.logits(row), dim=-1).gather(1, words[:, None])
        means.append(float(likelihoods.mean()))
    return means, decoder.logits(hidden[:, -1])
