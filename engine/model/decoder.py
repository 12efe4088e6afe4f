"""The llama decoder over packed segments: several sequences share every matrix product, each attends to its own cache.

Knows token ids and caches, no text.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.cache.kv_cache import KVCache
from engine.config import ModelConfig
from engine.model.attention import Attention, Segment
from engine.model.feed_forward import FeedForward
from engine.model.norm import RMSNorm
from engine.model.rope import angles


class Layer(nn.Module):
    """Attention, then the feed-forward part, each on a normalised input and added back."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.hidden, config.norm_eps)
        self.attention = Attention(config)
        self.feed_forward_norm = RMSNorm(config.hidden, config.norm_eps)
        self.feed_forward = FeedForward(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, segments: Sequence[Segment], layer: int) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cos, sin, segments, layer)
        out: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return out


class Decoder(nn.Module):
    """ids -> hidden states -> logits."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        # Given its (meta) weight, because drawing a random one first would load a second's worth of torch that nothing else needs.
        self.embed: nn.Embedding = nn.Embedding.from_pretrained(torch.empty(config.vocab, config.hidden))  # type: ignore[no-untyped-call]
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden, config.norm_eps)
        self.head = None if config.tied else nn.Linear(config.hidden, config.vocab, bias=False)

    @classmethod
    def from_weights(cls, config: ModelConfig, weights: dict[str, Tensor]) -> Decoder:
        """Built without memory of its own and given these tensors, all of them and no other."""
        with torch.device("meta"):
            decoder = cls(config)
        decoder.load_state_dict(weights, strict=True, assign=True)
        return decoder.eval().requires_grad_(False)

    @property
    def dtype(self) -> torch.dtype:
        return self.embed.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.embed.weight.device

    def new_cache(self, tokens: int = 0) -> KVCache:
        """An empty cache with room for so many tokens."""
        return KVCache(self.config, self.dtype, self.device, max(tokens, 1))

    @torch.inference_mode()
    def forward(self, ids: Tensor, segments: Sequence[Segment]) -> Tensor:
        """Hidden states [T, C] of the packed ids [T]: the segments' new tokens one after another. Each cache grows by its tokens."""
        starts = [segment.cache.length for segment in segments]
        for segment in segments:
            segment.cache.reserve(segment.tokens)
        positions = torch.cat([torch.arange(start, start + segment.tokens) for start, segment in zip(starts, segments, strict=True)])
        cos, sin = angles(positions.to(self.device), self.config.head_dim, self.config.rope_theta, self.dtype)
        x: Tensor = self.embed(ids.to(self.device))
        for number, layer in enumerate(self.layers):
            x = layer(x, cos, sin, segments, number)
        for segment in segments:
            segment.cache.advance(segment.tokens)
        normed: Tensor = self.norm(x)
        return normed

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """fp32 [T, V] for hidden states [T, C]."""
        head = self.embed.weight if self.head is None else self.head.weight
        return F.linear(hidden, head).float()
