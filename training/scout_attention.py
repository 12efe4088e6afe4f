"""Attention of packed tokens, each over the stretch from `first` to itself: one block-sparse kernel on a GPU, stretch by stretch elsewhere.

Legend: T tokens, H query heads, G kv heads, D head size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from training.scout_pack import Numbers, stretches

BLOCK = 128  # tokens of a side of the blocks that the kernel takes or leaves
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
    queries, keys, values = (each.transpose(0, 1)[None] for each in (q, k, v))
    mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=mask is None, enable_gqa=True)
    return mixed[0].transpose(0, 1)


def by_blocks(first: Numbers, device: torch.device, *, compiled: bool) -> Attend:
    """Flex attention; not `compiled` it is a slow reference."""
    mask = block_mask(first, device)
    run = cast(Callable[..., Tensor], kernel() if compiled else flex_attention)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        turned = (each.transpose(0, 1)[None] for each in (q, k, v))
        mixed: Tensor = run(*turned, block_mask=mask, enable_gqa=True)
        return mixed[0].transpose(0, 1)

    return attend


def block_mask(first: Numbers, device: torch.device) -> BlockMask:
    """Which blocks hold a pair that is seen, and of which all are: found from each block's least and greatest `first`."""
    tokens, begin = len(first), torch.from_numpy(first).to(device)
    starts = np.arange(0, tokens, BLOCK)
    ends = starts + BLOCK - 1
    missing = -tokens % BLOCK  # of the last block, which is then never whole
    least = np.pad(first, (0, missing), mode="edge").reshape(-1, BLOCK).min(1)
    greatest = np.pad(first, (0, missing), constant_values=tokens).reshape(-1, BLOCK).max(1)
    some = (starts <= ends[:, None]) & (ends >= least[:, None])
    whole = (ends <= starts[:, None]) & (starts >= greatest[:, None])

    def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (key >= begin[query])

    parts = *listed(some & ~whole, device), *listed(whole, device)
    return BlockMask.from_kv_blocks(*parts, BLOCK_SIZE=BLOCK, mask_mod=sees, seq_lengths=(tokens, tokens))


def listed(blocks: NDArray[np.bool_], device: torch.device) -> tuple[Tensor, Tensor]:
    """How many blocks of each row are wanted, and their numbers, those first: int32 [1, 1, rows] and [1, 1, rows, columns]."""
    counts, numbers = blocks.sum(1), np.argsort(~blocks, axis=1, kind="stable")
    one, other = (torch.from_numpy(each.astype(np.int32)).to(device)[None, None] for each in (counts, numbers))
    return one, other


@cache
def kernel() -> Callable[..., Any]:
    return torch.compile(flex_attention)
