"""The image side of a model that sees: tiles of pixels in, vectors among the decoder's embeddings out.

Knows no file and no prompt. Legend: n tiles, S pixels of a tile's side, C hidden size of the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from engine.config import VisionConfig
from engine.model.projector import Adapter
from engine.model.tower import Tower

TILES_AT_ONCE = 4  # a page has up to 17; four keep a CPU's or a GPU's products large and the activations small


class Vision(nn.Module):
    """Tower, adapter and projection."""

    def __init__(self, config: VisionConfig, hidden: int) -> None:
        super().__init__()
        self.config = config
        self.tower = Tower(config)
        self.adapter = Adapter(config)
        self.projector = nn.Linear(config.adapter_out, hidden, bias=False)

    @classmethod
    def from_weights(cls, config: VisionConfig, hidden: int, weights: Mapping[str, Tensor]) -> Vision:
        """Built without memory of its own and given these tensors, all of them and no other, under the names of
        `engine.loading.vision_names`. `hidden` is the decoder's."""
        with torch.device("meta"):
            vision = cls(config, hidden)
        named = {name.removeprefix("vision."): tensor for name, tensor in weights.items()}
        vision.load_state_dict(named, strict=True, assign=True)
        return vision.eval().requires_grad_(False)

    @property
    def dtype(self) -> torch.dtype:
        return self.projector.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.projector.weight.device

    @torch.inference_mode()
    def forward(self, tiles: Tensor) -> Tensor:
        """Features [n, tokens_per_tile, C] of tiles [n, channels, S, S] with values in -1..1, computed a few tiles at a time."""
        parts = torch.split(tiles, TILES_AT_ONCE)
        return torch.cat([self.projector(self.adapter(self.tower(part.to(self.device, self.dtype)))) for part in parts])
