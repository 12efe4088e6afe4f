"""Mixture of experts: a shared feed-forward for every token, and beside it the one routed expert that the token's router scores highest.

Llama 4's: the score is a sigmoid and multiplies the expert's INPUT; nothing is renormalised. Each token is routed alone, so packed
sequences need no care here. Legend: T tokens, C hidden, E experts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.model.experts import Experts
from engine.model.feed_forward import FeedForward
from engine.model.weight_codec import Codec


class MoE(nn.Module):
    """shared(x) + expert(x * score). The codec concerns the routed experts alone."""

    def __init__(self, config: ModelConfig, codec: Codec = "bf16") -> None:
        super().__init__()
        assert config.experts, "a layer of experts needs their number and width"
        self.router = Router(config.hidden, config.experts.count)
        self.shared = FeedForward(config.hidden, config.experts.ffn)
        self.experts = Experts(config.experts.count, config.hidden, config.experts.ffn, codec)

    def forward(self, x: Tensor) -> Tensor:
        # x: [T, C]
        expert, score = self.router(x)
        out: Tensor = self.shared(x)
        routed = x * score
        if len(x) == 1:
            return out.add_(self.experts(routed, int(expert)))
        for number, tokens in by_expert(expert):
            out[tokens] += self.experts(routed[tokens], number)
        return out


class Router(nn.Module):
    """Which expert a token goes to, and how much of it."""

    def __init__(self, hidden: int, experts: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, hidden))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Each token's expert [T] and score [T, 1], the latter computed in fp32."""
        # x: [T, C]
        logit, expert = F.linear(x, self.weight.to(x.dtype)).max(dim=-1)
        return expert, torch.sigmoid(logit.float()).to(x.dtype)[:, None]


def by_expert(expert: Tensor) -> list[tuple[int, Tensor]]:
    """The experts that were chosen, each with the places of its tokens, for each token's expert [T]. Waits for the device."""
    ordered, order = expert.sort(stable=True)
    chosen, counts = torch.unique_consecutive(ordered, return_counts=True)
    numbers, sizes = torch.stack((chosen, counts)).tolist()
    return list(zip(numbers, torch.split(order, sizes), strict=True))
