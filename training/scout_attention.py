"""Attention of packed tokens, each over the stretch from `first` to itself: one block-sparse kernel on a GPU, stretch by stretch elsewhere.

Legend: T tokens, H query heads, G kv heads, D head size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from training.scout_pack import Numbers, stretches

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries [T, H, D], keys and values [T, G, D] -> [T, H, D]."""


def attention(first: Numbers, device: torch.device) -> Attend:
    """The quickest there is on this device."""
    return by_blocks(first, device, compiled=True) if device.type == "cuda" else by_stretches(first)


def by_stretches(first: Numbers) -> Attend:
    """torch's own attention, once for each stretch of tokens that see from the same place on."""
    pieces = stretches(first)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.cat([stretch(q[start:end], k[begin:end], v[begin:end]) for begin, start, end in pieces])

    return attend


def stretch(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """[t, H, D] for queries [t, H, D] that are the last of the keys' [l, G, D] tokens."""
    tokens, length = len(q), len(k)
    mask = None if tokens == length else torch.ones(tokens, length, dtype=torch.bool, device=q.device).tril(length - tokens)
    turned = (each.transpose(0, 1)[None] for each in (q, k, v))
    mixed = F.scaled_dot_product_attention(*turned, attn_mask=mask, is_causal=mask is None, enable_gqa=True)
    return mixed[0].transpose(0, 1)


def by_blocks(first: Numbers, device: torch.device, *, compiled: bool) -> Attend:
    """Flex attention; not `compiled` it is a slow reference."""
    begin, tokens = torch.from_numpy(first).to(device), len(first)

    def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (key >= begin[query])

    make, run = kernels() if compiled else (create_block_mask, flex_attention)
    mask = make(sees, None, None, tokens, tokens, device=device)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        turned = (each.transpose(0, 1)[None] for each in (q, k, v))
        mixed: Tensor = run(*turned, block_mask=mask, enable_gqa=True)
        return mixed[0].transpose(0, 1)

    return attend


@cache
def kernels() -> tuple[Callable[..., Any], Callable[..., Any]]:
    return torch.compile(create_block_mask), torch.compile(flex_attention)
