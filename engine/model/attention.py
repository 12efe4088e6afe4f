"""Causal attention of new tokens over cached ones, with fewer kv heads than query heads.

A layer with positions turns queries and keys (and, where the model says so, normalises them afterwards); one without positions lets its
queries grow with their place in the prompt. Keys come in parts, and queries are taken by tiles that see only the keys before them, so
memory stays the same however long the prompt is. Two paths with one signature: `attend`, and `attend_reference`, which is one masked call.

Legend: T new tokens, L tokens with the cached ones, H query heads, G kv heads, R = H / G, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.cache.kv_cache import KeysValues, KVCache
from engine.cache.layout import slots
from engine.config import ModelConfig
from engine.model.linear import Linear
from engine.model.norm import rms
from engine.model.rooms import Rooms
from engine.model.rope import rotate

TILE_TOKENS = 128
MANY_TOKENS = 64
# So many keys are scored at once; a longer part is walked over in blocks, whose results are merged by their weights.
KEY_BLOCK_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Segment:
    """So many of the packed tokens continue this cache."""

    cache: KVCache
    tokens: int


@dataclass(frozen=True, slots=True)
class Places:
    """What the tokens' positions mean to a layer: angles, each [T, 1, D], and how much a query without positions grows, [T, 1, 1];
    and where the tokens' keys go in the global and the chunked layers, if `engine.model.rooms` serves."""

    cos: Tensor
    sin: Tensor
    growth: Tensor | None
    whole: Rooms | None = None
    current: Rooms | None = None


class Attention(nn.Module):
    """One layer's attention. Several segments share the projections and attend each to its own cache."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.rope, self.qk_norm, self.eps = layer, config.rope[layer], config.qk_norm, config.norm_eps
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        self.slot = slots(config)[layer]
        self.qkv = Linear(config.hidden, (config.heads + 2 * config.kv_heads) * config.head_dim)
        self.out = Linear(config.heads * config.head_dim, config.hidden)

    def forward(self, x: Tensor, places: Places, segments: Sequence[Segment], rows: Tensor | None = None) -> Tensor:
        """[T, C] for x [T of all segments, C], or only these rows of it."""
        placed = self.project(x, places)
        rooms = places.current if self.slot.chunked else places.whole
        if rooms is not None:
            mixed = rooms.attend(self.slot.index, *(each.float() for each in placed))
        else:
            sizes = [segment.tokens for segment in segments]
            parts = zip(segments, *(torch.split(each.transpose(0, 1), sizes, 1) for each in placed), strict=True)
            mixed = torch.cat([self.mix(segment.cache, *own) for segment, *own in parts], dim=1).transpose(0, 1)
        mixed = mixed.reshape(len(x), -1)
        out: Tensor = self.out((mixed if rows is None else mixed[rows]).to(x.dtype))
        return out

    def project(self, x: Tensor, places: Places) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [T, H, D], keys and values [T, G, D], placed."""
        heads = self.qkv(x).view(len(x), -1, self.head_dim)
        turned, values = heads[:, : -self.kv_heads], heads[:, -self.kv_heads :]
        if self.rope:
            turned = rotate(turned, places.cos, places.sin)
            if self.qk_norm:
                turned = rms(turned, self.eps)
        queries, keys = turned[:, : self.heads], turned[:, self.heads :]
        if not self.rope and places.growth is not None:
            queries = queries * places.growth
        return queries, keys, values

    def mix(self, cache: KVCache, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """[H, T, D]: one segment's queries [H, T, D] over its cache, which takes the new keys and values [G, T, D]."""
        attended = cache.write(self.layer, k, v)
        if len(attended) == 1:
            return attend(q, attended[0].parts)
        return torch.cat([attend(q[:, run.first : run.end], run.parts) for run in attended], dim=1)

    def keep(self, x: Tensor, places: Places, segments: Sequence[Segment]) -> None:
        """Only write the caches: all that is wanted of the last layer where nobody asks for the tokens' own results."""
        _, k, v = self.project(x, places)
        sizes = [segment.tokens for segment in segments]
        for segment, *own in zip(segments, *(torch.split(each.transpose(0, 1), sizes, 1) for each in (k, v)), strict=True):
            segment.cache.write(self.layer, *own)


def attend(q: Tensor, parts: Sequence[KeysValues]) -> Tensor:
    """[H, T, D] for queries [H, T, D] that are the last T of all the parts' tokens; in the products' type (`product_dtype`)."""
    (heads, tokens, size), (groups, length, _) = q.shape, parts[0][0].shape
    dtype = product_dtype(parts[0][0], tokens)
    if len(parts) == 1 and length <= KEY_BLOCK_TOKENS:
        parts = [(parts[0][0].to(dtype), parts[0][1].to(dtype))]
        if tokens == 1:
            k, v = parts[0]
            rows = q.to(dtype).view(1, groups, -1, size)  # the heads of a group are queries of one kv head, which is then read once
            return F.scaled_dot_product_attention(rows, k[None], v[None]).view(heads, 1, size)
    rows = (q * size**-0.5).to(dtype).reshape(groups, heads // groups, tokens, size)
    seen = sum(k.shape[1] for k, _ in parts) - tokens
    tiles = []
    for first in range(0, tokens, TILE_TOKENS):
        end = min(first + TILE_TOKENS, tokens)
        tiles.append(attend_tile(rows[:, :, first:end], key_blocks(parts, seen + end)))
    return (tiles[0] if len(tiles) == 1 else torch.cat(tiles, 2)).view(heads, tokens, size)


def product_dtype(k: Tensor, tokens: int) -> torch.dtype:
    """The type in which `tokens` queries meet these keys: that of the keys; but fp32 for a few that would meet bf16 on a CPU, whose
    products of few rows are slow there."""
    return torch.float32 if tokens < MANY_TOKENS and k.dtype is torch.bfloat16 and k.device.type == "cpu" else k.dtype


def attend_tile(queries: Tensor, blocks: Sequence[KeysValues]) -> Tensor:
    """[G, R, t, D] for a tile of scaled queries [G, R, t, D], the last t of the blocks' tokens."""
    groups, repeats, tokens, size = queries.shape
    rows = queries.reshape(groups, repeats * tokens, size)
    if len(blocks) == 1:
        k, v = blocks[0]
        scores = scores_of(rows, k, tokens, k.shape[1])
        mixed = torch.bmm(torch.softmax(scores, -1), v.to(rows.dtype))
    else:
        mixed = merged(rows, blocks, tokens)
    return mixed.view(groups, repeats, tokens, size)


def merged(rows: Tensor, blocks: Sequence[KeysValues], tokens: int) -> Tensor:
    """[G, R*t, D]: the softmax over all blocks, one block at a time (running maximum, sum and mixture, as in arXiv:1805.02867)."""
    wide = torch.promote_types(rows.dtype, torch.float32)
    top = torch.full((*rows.shape[:2], 1), float("-inf"), dtype=wide, device=rows.device)
    total, mixed = torch.zeros_like(top), torch.zeros(rows.shape, dtype=wide, device=rows.device)
    left = sum(k.shape[1] for k, _ in blocks)
    for k, v in blocks:
        scores = scores_of(rows, k, tokens, left).to(wide)
        left -= k.shape[1]
        higher = torch.maximum(top, scores.amax(-1, keepdim=True))
        shrink, weights = torch.exp(top - higher), torch.exp(scores.sub_(higher))
        total = total * shrink + weights.sum(-1, keepdim=True)
        mixed = mixed * shrink + torch.bmm(weights.to(rows.dtype), v.to(rows.dtype))
        top = higher
    return (mixed / total).to(rows.dtype)


def scores_of(rows: Tensor, k: Tensor, tokens: int, left: int) -> Tensor:
    """[G, R*t, l] of rows [G, R*t, D] with a block of keys [G, l, D]; `left`: this block's tokens and those of the blocks after it.

    The queries are the last t of those; minus infinity stands where a key comes after its query.
    """
    scores = torch.bmm(rows, k.to(rows.dtype).transpose(1, 2))
    length, unseen = k.shape[1], left - k.shape[1]
    hidden = min(tokens - unseen, length)  # so many of the block's last keys are themselves new
    if tokens > 1 and hidden > 0:
        mask = future(tokens, scores.dtype, scores.device)[:, tokens - unseen - hidden : tokens - unseen]
        scores.view(len(k), -1, tokens, length)[..., length - hidden :].add_(mask)
    return scores


@lru_cache(maxsize=256)
def future(tokens: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[t, t]: minus infinity where a key comes after its query, else 0."""
    return torch.full((tokens, tokens), float("-inf"), dtype=dtype, device=device).triu(1)


def key_blocks(parts: Sequence[KeysValues], seen: int) -> list[KeysValues]:
    """The first `seen` tokens of the parts, in blocks of at most KEY_BLOCK_TOKENS."""
    blocks = []
    for k, v in parts:
        usable = min(k.shape[1], seen)
        for first in range(0, usable, KEY_BLOCK_TOKENS):
            end = min(first + KEY_BLOCK_TOKENS, usable)
            blocks.append((k[:, first:end], v[:, first:end]))
        seen -= usable
    return blocks


def attend_reference(q: Tensor, parts: Sequence[KeysValues]) -> Tensor:
    """The same by torch's own attention with a whole T x L mask."""
    k, v = (torch.cat(kept, 1) for kept in zip(*parts, strict=True))
    tokens, length = q.shape[1], k.shape[1]
    mask = torch.ones(tokens, length, dtype=torch.bool, device=q.device).tril(length - tokens)
    return F.scaled_dot_product_attention(q[None].to(k.dtype), k[None], v[None], attn_mask=mask, enable_gqa=True)[0]
