"""The vision tower: a transformer over the patches of one square tile, in which every patch sees every other.

Knows no prompt and no tiling. Legend: n tiles, S pixels of a tile's side, P patches of a tile, C hidden size of the tower, H heads, D
head size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import VisionConfig


class Tower(nn.Module):
    """Pixels of tiles -> one vector a patch."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.patches = nn.Linear(config.channels * config.patch_size**2, config.hidden, bias=False)
        self.class_token = nn.Parameter(torch.empty(config.hidden))
        self.positions = nn.Parameter(torch.empty(config.patches_per_side**2 + 1, config.hidden))
        self.norm_before = nn.LayerNorm(config.hidden, config.norm_eps)
        self.layers = nn.ModuleList(TowerLayer(config) for _ in range(config.layers))
        self.norm_after = nn.LayerNorm(config.hidden, config.norm_eps)

    def forward(self, tiles: Tensor) -> Tensor:
        """[n, P, C] for tiles [n, channels, S, S] of values in -1..1, patches row by row."""
        flat = F.unfold(tiles, self.config.patch_size, stride=self.config.patch_size).transpose(1, 2)
        x = torch.cat((self.patches(flat), self.class_token.expand(len(tiles), 1, -1)), dim=1)
        x = self.norm_before(x + self.positions)
        turns = axial_turns(self.config, x.device)
        for layer in self.layers:
            x = layer(x, turns)
        normed: Tensor = self.norm_after(x)
        return normed[:, :-1]


class TowerLayer(nn.Module):
    """Attention, then the feed-forward part, each on a normalised input and added back."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.hidden, config.norm_eps)
        self.attention = TowerAttention(config.hidden, config.heads)
        self.feed_forward_norm = nn.LayerNorm(config.hidden, config.norm_eps)
        self.feed_forward = TowerFeedForward(config.hidden, config.ffn)

    def forward(self, x: Tensor, turns: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), turns)
        out: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return out


class TowerAttention(nn.Module):
    """Every patch attends to all of its tile, as does the class token."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, turns: Tensor) -> Tensor:
        # x: [n, P + 1, C]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(turn(q, turns), turn(k, turns), v)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class TowerFeedForward(nn.Module):
    """down(gelu(up(x))), with biases."""

    def __init__(self, hidden: int, ffn: int) -> None:
        super().__init__()
        self.up = nn.Linear(hidden, ffn)
        self.down = nn.Linear(ffn, hidden)

    def forward(self, x: Tensor) -> Tensor:
        down: Tensor = self.down(F.gelu(self.up(x)))
        return down


def axial_turns(config: VisionConfig, device: torch.device) -> Tensor:
    """What each pair of values of a head is turned by, complex64 [P + 1, D/2]: e^(i * angle).

    The first half of the pairs turns with the patch's column, the second with its row, both counted from 1; pair j of D/4 by
    theta^(-4j/D) times that. The class token, which comes last, is not turned.
    """
    side, pairs = config.patches_per_side, config.hidden // config.heads // 4
    frequencies = config.rope_theta ** (-torch.arange(pairs, dtype=torch.float32, device=device) / pairs)
    steps = torch.arange(1, side + 1, dtype=torch.float32, device=device)[:, None] * frequencies
    angles = torch.cat((steps.repeat(side, 1), steps.repeat_interleave(side, 0)), dim=1)
    angles = F.pad(angles, (0, 0, 0, 1))
    return torch.polar(torch.ones_like(angles), angles)


def turn(x: Tensor, turns: Tensor) -> Tensor:
    """Each pair of neighbouring values of x [n, H, P + 1, D] turned, in fp32."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)
