"""Scan keys for a model without a trained scan head: the keys of those attention heads of one global layer that find needles best.

A global layer's keys have no position in them, so a stored key means the same wherever its chunk stands. Which heads find what a question
asks for is measured, once a model: made-up passages (`engine.needles`), a question for each, and every head of every global layer scores
them as the scan will (`engine.scan`). The chosen heads make a ScanHead like any other, of their own weights: all in one layer, so that the
index tier runs the layers below it and no other. What is chosen is kept beside the store, under the model's fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.loading.files import keep_beside
from engine.model.attention import Attention, Segment
from engine.model.decoder import Decoder, Layer
from engine.model.linear import Linear
from engine.model.scan_head import ScanHead
from engine.needles import NOTHING, needles
from engine.scan import scan
from engine.tokenizer import Tokenizer

MOST_HEADS = 4
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Chosen:
    """Query heads of one layer, each of another kv head. `found`: the share of the needles that they put first; `subtracted`: less what a
    question that asks nothing finds."""

    layer: int
    heads: tuple[int, ...]
    subtracted: bool
    found: float


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A layer's normed input for the passages, the questions, and the question that asks nothing: [T, C] each."""

    passages: Sequence[Tensor]
    questions: Sequence[Tensor]
    nothing: Tensor


def calibrated(decoder: Decoder, tokenizer: Tokenizer, model: str, folder: Path) -> ScanHead | None:
    """The scan head of the model of that fingerprint: its choice as kept in `folder`, or found now and kept there.

    None for a model without a global layer that has layers below it, or whose weights are not at hand as they were loaded.
    """
    if not candidates(decoder):
        return None
    path = folder / f"scan-heads-{hashlib.sha256(model.encode()).hexdigest()[:32]}.json"
    chosen = kept(path, decoder)
    if chosen is None:
        found = chosen = calibrate(decoder, tokenizer)
        keep_beside(path, lambda temporary: temporary.write_text(json.dumps({"format": FORMAT} | asdict(found)), encoding="ascii"))
    head = scan_head(decoder, chosen.layer, chosen.heads)
    return with_nothing(head, decoder, tokenizer) if chosen.subtracted else head


def calibrate(decoder: Decoder, tokenizer: Tokenizer) -> Chosen:
    """The layer and heads that find most needles; of those that find as many the fewest heads, in the lowest layer.

    A head joins those chosen before it in its layer only if more is found together.
    """
    best: Chosen | None = None
    for layer in candidates(decoder):
        sample = sampled(decoder, tokenizer, layer)
        for chosen in grown(decoder, layer, sample):
            if best is None or chosen.found > best.found:
                best = chosen
    assert best is not None, "there is a candidate"
    return best


def candidates(decoder: Decoder) -> list[int]:
    """Global layers without positions and with layers below them."""
    config = decoder.config
    return [
        layer for layer in config.global_layers if layer and not config.rope[layer] and isinstance(attention(decoder, layer).qkv, Linear)
    ]


def grown(decoder: Decoder, layer: int, sample: Sample) -> Iterator[Chosen]:
    """The best head of the layer, then with more beside it as long as they help."""
    attending = attention(decoder, layer)
    repeats = attending.heads // attending.kv_heads
    alone = {head: measured(decoder, layer, (head,), sample) for head in range(attending.heads)}
    in_order = sorted(alone, key=lambda head: -alone[head].found)
    best = alone[in_order[0]]
    yield best
    for head in in_order[1:]:
        if len(best.heads) == MOST_HEADS:
            return
        if head // repeats not in {other // repeats for other in best.heads}:
            joined = measured(decoder, layer, (*best.heads, head), sample)
            if joined.found > best.found:
                best = joined
                yield best


def measured(decoder: Decoder, layer: int, heads: tuple[int, ...], sample: Sample) -> Chosen:
    """What the heads find, with or without subtraction, whichever finds more."""
    head = scan_head(decoder, layer, heads)
    records = {number.to_bytes(4): head.keys(hidden).numpy().tobytes() for number, hidden in enumerate(sample.passages)}
    asked = [head.queries(hidden) for hidden in (*sample.questions, sample.nothing)]
    scores = scan(asked, list(records), lambda key: memoryview(records[key]))
    plain, subtracted = share_first(scores[:-1]), share_first(scores[:-1] - scores[-1])
    return Chosen(layer, heads, subtracted > plain, max(plain, subtracted))


def share_first(scores: NDArray[np.float32]) -> float:
    """Of questions [Q, N], how many score their own passage, that of the same number, above all others."""
    own = np.diagonal(scores)
    others = scores + np.where(np.eye(len(scores), dtype=bool), -np.inf, 0)
    return float((own > others.max(axis=1)).mean())


def scan_head(decoder: Decoder, layer: int, heads: Sequence[int]) -> ScanHead:
    """The heads' own weights side by side: width D for each."""
    attending = attention(decoder, layer)
    weight = attending.qkv.weight.detach().float().view(-1, attending.head_dim, decoder.config.hidden)
    repeats = attending.heads // attending.kv_heads
    query = weight[list(heads)].flatten(0, 1)
    key = weight[[attending.heads + head // repeats for head in heads]].flatten(0, 1)
    return ScanHead((layer,), query, key, f"heads {layer} {' '.join(map(str, heads))}")


def sampled(decoder: Decoder, tokenizer: Tokenizer, layer: int) -> Sample:
    """One pass through the layers below, in which every text stands alone."""
    made = needles()
    texts = [*(needle.passage for needle in made), *(needle.question for needle in made), NOTHING]
    hidden = inputs(decoder, layer, [tokenizer.encode(text) for text in texts])
    return Sample(hidden[: len(made)], hidden[len(made) : -1], hidden[-1])


def inputs(decoder: Decoder, layer: int, texts: Sequence[NDArray[np.int32]]) -> list[Tensor]:
    """The layer's normed input [T, C] for each text, read alone."""
    caches: list[KVCache] = [decoder.new_cache(len(ids), below=layer) for ids in texts]
    segments = [Segment(cache, len(ids)) for cache, ids in zip(caches, texts, strict=True)]
    hidden = decoder.inputs_of((layer,), torch.from_numpy(np.concatenate(texts)), segments)
    return list(torch.split(hidden, [len(ids) for ids in texts]))


def with_nothing(head: ScanHead, decoder: Decoder, tokenizer: Tokenizer) -> ScanHead:
    (hidden,) = inputs(decoder, head.layers[0], [tokenizer.encode(NOTHING)])
    return ScanHead(head.layers, head.query, head.key, head.fingerprint, head.weighted, head.queries(hidden))


def attention(decoder: Decoder, layer: int) -> Attention:
    return cast(Layer, decoder.layers[layer]).attention


def kept(path: Path, decoder: Decoder) -> Chosen | None:
    """None where nothing is kept, or nothing that this model can use."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        fields = json.loads(path.read_text(encoding="ascii"))
        chosen = Chosen(int(fields["layer"]), tuple(map(int, fields["heads"])), bool(fields["subtracted"]), float(fields["found"]))
        heads_there = chosen.heads and all(0 <= head < decoder.config.heads for head in chosen.heads)
        if fields["format"] == FORMAT and chosen.layer in candidates(decoder) and heads_there:
            return chosen
    return None
