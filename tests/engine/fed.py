"""What goes through a decoder, and runs driven to their end; for tests of what is read and what comes out of the store."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.prompt import TokenArray

LARGEST = 1e-4


class Fed:
    """Counts the tokens that a decoder is given."""

    def __init__(self, decoder: Decoder) -> None:
        self._counts: list[int] = []
        decoder.layers[0].register_forward_pre_hook(lambda _, given: self._counts.append(len(given[0])))

    def take(self) -> int:
        """So many since the last time."""
        count, self._counts[:] = sum(self._counts), []
        return count


def tokens(count: int, seed: int = 0) -> TokenArray:
    return np.random.default_rng(seed).integers(3, 119, count).astype(np.int32)


def logits_after(decoder: Decoder, cache: KVCache, ids: TokenArray) -> Tensor:
    return decoder.logits(decoder(torch.from_numpy(ids), [Segment(cache, len(ids))]))


def expected(model: Any, ids: TokenArray, last: int, **more: Any) -> Tensor:
    """transformers' logits of the last so many tokens."""
    with torch.inference_mode():
        logits: Tensor = model(torch.from_numpy(ids)[None].long(), **more).logits[0, -last:]
    return logits


def same(ours: Tensor, theirs: Tensor) -> None:
    difference = float((ours - theirs).abs().max())
    assert difference <= LARGEST, f"a logit differs by {difference:.2e}"
