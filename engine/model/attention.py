"""Causal attention of new tokens over cached ones, with fewer kv heads than query heads.

Two paths with one signature: `attend` walks over tiles of queries and reads for each only the keys that it may see, which on a CPU
takes half the time of one masked call; `attend_reference` is that masked call. Legend: T new tokens, L tokens with the cached ones,
H query heads, G kv heads, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.cache.kv_cache import KVCache
from engine.config import ModelConfig
from engine.model.rope import rotate

TILE_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Segment:
    """So many of the packed tokens continue this cache."""

    cache: KVCache
    tokens: int


class Attention(nn.Module):
    """One layer's attention. Several segments share the projections and attend each to its own cache."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        self.qkv = nn.Linear(config.hidden, (config.heads + 2 * config.kv_heads) * config.head_dim, bias=False)
        self.out = nn.Linear(config.heads * config.head_dim, config.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, segments: Sequence[Segment], layer: int) -> Tensor:
        # x: [T of all segments, C]
        heads = self.qkv(x).view(len(x), -1, self.head_dim)
        turned = rotate(heads[:, : self.heads + self.kv_heads], cos, sin).transpose(0, 1)
        queries, keys = turned[: self.heads], turned[self.heads :]
        values = heads[:, self.heads + self.kv_heads :].transpose(0, 1)
        mixed, first = torch.empty(len(x), self.heads, self.head_dim, dtype=x.dtype, device=x.device), 0
        for segment in segments:
            part = slice(first, first + segment.tokens)
            k, v = segment.cache.write(layer, keys[:, part], values[:, part])
            mixed[part] = attend(queries[:, part], k, v).transpose(0, 1)
            first += segment.tokens
        out: Tensor = self.out(mixed.flatten(1))
        return out


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """[H, T, D] for queries [H, T, D] that are the last T of the L keys and values [G, L, D]."""
    (heads, tokens, size), (groups, length, _) = q.shape, k.shape
    grouped = (q * size**-0.5).reshape(groups, heads // groups, tokens, size)
    mixed = torch.empty_like(grouped)
    for first in range(0, tokens, TILE_TOKENS):
        end = min(first + TILE_TOKENS, tokens)
        seen = length - tokens + end
        rows = grouped[:, :, first:end].reshape(groups, -1, size)
        scores = torch.bmm(rows, k[:, :seen].transpose(1, 2)).view(groups, -1, end - first, seen)
        if end - first > 1:
            scores[..., seen - (end - first) :] += future(end - first, scores)
        weights = torch.softmax(scores, dim=-1).view(groups, -1, seen)
        mixed[:, :, first:end] = torch.bmm(weights, v[:, :seen]).view(groups, -1, end - first, size)
    return mixed.view(heads, tokens, size)


def future(tokens: int, like: Tensor) -> Tensor:
    """[tokens, tokens]: minus infinity where a key comes after its query, else 0."""
    return torch.full((tokens, tokens), float("-inf"), dtype=like.dtype, device=like.device).triu(1)


def attend_reference(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same by torch's own attention with a whole T x L mask."""
    tokens, length = q.shape[1], k.shape[1]
    mask = torch.ones(tokens, length, dtype=torch.bool, device=q.device).tril(length - tokens)
    return F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask, enable_gqa=True)[0]
