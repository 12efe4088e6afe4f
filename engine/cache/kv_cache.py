"""Resident attention state of one sequence: keys (already rotated) and values of every layer.

Room is taken in blocks and written in place, so a decoded token copies nothing. A state is a tensor [layers, 2, G, tokens, D].
Knows no disk and no text.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.config import ModelConfig

BLOCK_TOKENS = 256


class KVCache:
    """`length` tokens are settled; a forward pass writes each layer after them and then calls `advance`."""

    def __init__(self, config: ModelConfig, dtype: torch.dtype, device: torch.device, tokens: int = BLOCK_TOKENS) -> None:
        self._shape = (config.layers, 2, config.kv_heads, config.head_dim)
        self._room = self._allocate(tokens, dtype, device)
        self.length = 0

    def reserve(self, tokens: int) -> None:
        """Make room for so many more."""
        needed = self.length + tokens
        if needed <= self._room.shape[3]:
            return
        grown = self._allocate(needed, self._room.dtype, self._room.device)
        grown[:, :, :, : self.length] = self.state()
        self._room = grown

    def write(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Put one layer's new k and v [G, T, D] after the settled tokens; returns that layer's k and v with them, [G, L, D] each."""
        end = self.length + k.shape[1]
        self._room[layer, 0, :, self.length : end] = k
        self._room[layer, 1, :, self.length : end] = v
        return self._room[layer, 0, :, :end], self._room[layer, 1, :, :end]

    def advance(self, tokens: int) -> None:
        """What every layer wrote is settled."""
        self.length += tokens

    def extend(self, state: Tensor) -> None:
        """Append stored state [layers, 2, G, T, D] that was computed at just these positions."""
        tokens = state.shape[3]
        self.reserve(tokens)
        self._room[:, :, :, self.length : self.length + tokens] = state
        self.length += tokens

    def truncate(self, length: int) -> None:
        """Forget what comes after the first `length` tokens."""
        self.length = min(self.length, length)

    def state(self, first: int = 0) -> Tensor:
        """[layers, 2, G, length - first, D], a view."""
        return self._room[:, :, :, first : self.length]

    def _allocate(self, tokens: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        layers, kinds, groups, size = self._shape
        blocks = -(-tokens // BLOCK_TOKENS)
        return torch.empty(layers, kinds, groups, blocks * BLOCK_TOKENS, size, dtype=dtype, device=device)
