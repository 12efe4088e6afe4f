"""The scan head: what the inputs of a few layers say of a token, in few bytes, so that a question's tokens can be compared with all of a
prompt.

Two projections of the normed inputs of one layer or more, side by side: one for tokens that are searched and one for those that search.
Both give unit vectors, so a product of two is their cosine. Late interaction as in arXiv:2004.12832. Knows no store and no score.
Legend: T tokens, C numbers a token (hidden times layers), W width of a vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# What stands for 1 in a stored vector.
ONE = 127


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """A question's tokens: int8 unit vectors [T, W], and how much each weighs, fp32 [T], together 1."""

    vectors: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class ScanHead:
    """`query` and `key` are fp32 [W, C]; they want the normed inputs of `layers`, ascending. `fingerprint` changes with
    layers and keys alone: what was stored can be searched by better queries.

    `weighted`: a token that searches weighs as much as its projection is long; else all weigh the same. `nothing`: a question that asks
    nothing, whose score a chunk's is to be lessened by; None for a head that needs none.
    """

    layers: tuple[int, ...]
    query: Tensor
    key: Tensor
    fingerprint: str
    weighted: bool = True
    nothing: Queries | None = None

    @property
    def width(self) -> int:
        return len(self.key)

    @torch.inference_mode()
    def keys(self, hidden: Tensor) -> Tensor:
        """int8 [T, W] for hidden [T, C]: tokens that are searched."""
        return unit_bytes(F.linear(hidden.float(), self.key))

    @torch.inference_mode()
    def queries(self, hidden: Tensor) -> Queries:
        """Of hidden [T, C], at least one: tokens that search."""
        vectors = F.linear(hidden.float(), self.query)
        lengths = vectors.norm(dim=-1) if self.weighted else torch.ones(len(vectors), device=vectors.device)
        return Queries(unit_bytes(vectors).cpu(), (lengths / lengths.sum()).cpu())


def unit_bytes(vectors: Tensor) -> Tensor:
    """int8 [T, W]: the vectors brought to length 1, times ONE, rounded."""
    return (F.normalize(vectors, dim=-1) * ONE).round_().to(torch.int8)
