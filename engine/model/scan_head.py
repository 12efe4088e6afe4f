"""The scan head: what one layer's input says of a token, in a few bytes, so that a question's tokens can be compared with all of a prompt.

Two projections of the normed input of one layer, one for tokens that are searched and one for those that search; both give unit vectors,
so a product of two is their cosine. Late interaction as in arXiv:2004.12832. Knows no store and no score.
Legend: T tokens, C hidden, W width of a vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# What stands for 1 in a stored vector.
ONE = 127


@dataclass(frozen=True, slots=True, eq=False)
class ScanHead:
    """`query` and `key` are fp32 [W, C]; they want the normed input of layer `layer`. `fingerprint` changes with any of the three."""

    layer: int
    query: Tensor
    key: Tensor
    fingerprint: str

    @property
    def width(self) -> int:
        return len(self.key)

    def keys(self, hidden: Tensor) -> Tensor:
        """int8 [T, W] for hidden [T, C]: tokens that are searched."""
        return unit_bytes(hidden, self.key)

    def queries(self, hidden: Tensor) -> Tensor:
        """int8 [T, W] for hidden [T, C]: tokens that search."""
        return unit_bytes(hidden, self.query)


@torch.inference_mode()
def unit_bytes(hidden: Tensor, weight: Tensor) -> Tensor:
    """int8 [T, W]: the projections [T, C] x [W, C] brought to length 1, times ONE, rounded."""
    unit = F.normalize(F.linear(hidden.float(), weight), dim=-1)
    return (unit * ONE).round_().to(torch.int8)
