"""From the tower's patches to vectors among the decoder's embeddings: pixel shuffle, adapter, projection, and their place in the prompt.

Knows no pixels and no cache. Legend: n tiles, C hidden size of the decoder.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import VisionConfig
from engine.errors import PromptUnreadable


def pixel_shuffle(patches: Tensor, ratio: float) -> Tensor:
    """[n, P * ratio^2, c / ratio^2] for the patches [n, P, c] of square tiles: each square of 1/ratio x 1/ratio patches becomes one
    vector, its patches' values one after another, row by row."""
    across, side = round(1 / ratio), round(patches.shape[1] ** 0.5 * ratio)
    squares = patches.reshape(len(patches), side, across, side, across, -1).transpose(2, 3)
    return squares.flatten(3).flatten(1, 2)


class Adapter(nn.Module):
    """gelu(out(gelu(up(x)))) over shuffled patches, without biases."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.ratio = config.shuffle_ratio
        self.up = nn.Linear(config.shuffled, config.adapter_hidden, bias=False)
        self.out = nn.Linear(config.adapter_hidden, config.adapter_out, bias=False)

    def forward(self, patches: Tensor) -> Tensor:
        # patches: [n, P, C of the tower]
        return F.gelu(self.out(F.gelu(self.up(pixel_shuffle(patches, self.ratio)))))


def fuse(embedded: Tensor, ids: Tensor, patch_token: int, features: Tensor) -> Tensor:
    """The embeddings [T, C] of ids [T] with an image's or several images' features [n, C] in order in the places of `patch_token`.

    Raises PromptUnreadable if there are not as many places as features.
    """
    places = (ids == patch_token).to(embedded.device)
    if (count := int(places.sum())) != len(features):
        raise PromptUnreadable(
            f"The prompt keeps {count} places for an image that has {len(features)} features. Parse the document again for this model."
        )
    return embedded.masked_scatter(places[:, None], features.to(embedded))
