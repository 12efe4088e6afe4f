"""The decoder over packed segments: several sequences share every matrix product, each attends to its own cache.

One decoder for every family: which layers turn positions, attend in chunks or route to experts is data (`engine.config`). Knows token
ids, image features and caches, no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from engine.cache.kv_cache import KVCache
from engine.config import ModelConfig, Temperature
from engine.model.attention import Attention, Places, Segment
from engine.model.feed_forward import FeedForward
from engine.model.int4_stack import pack_int4
from engine.model.linear import Linear, to_int8
from engine.model.moe import MoE
from engine.model.norm import RMSNorm
from engine.model.projector import fuse
from engine.model.rooms import Rooms
from engine.model.rope import angles, frequencies
from engine.model.weight_codec import Codec

__all__ = ["Decoder", "Segment"]


class Layer(nn.Module):
    """Attention, then the feed-forward part, each on a normalised input and added back."""

    def __init__(self, config: ModelConfig, layer: int, codec: Codec) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.hidden, config.norm_eps)
        self.attention = Attention(config, layer)
        self.feed_forward_norm = RMSNorm(config.hidden, config.norm_eps)
        self.feed_forward = MoE(config, codec) if config.moe[layer] else FeedForward(config.hidden, config.ffn)

    def forward(self, x: Tensor, places: Places, segments: Sequence[Segment], rows: Tensor | None = None) -> Tensor:
        """x [T, C], or only these rows of it, after the layer; the caches take all."""
        mixed = self.attention(self.attention_norm(x), places, segments, rows)
        x = (x if rows is None else x[rows]) + mixed
        out: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return out

    def keep(self, x: Tensor, places: Places, segments: Sequence[Segment]) -> None:
        self.attention.keep(self.attention_norm(x), places, segments)


class Decoder(nn.Module):
    """ids -> hidden states -> logits. `codec` is the form in which experts' weights are held."""

    def __init__(self, config: ModelConfig, codec: Codec = "bf16") -> None:
        super().__init__()
        self.config = config
        # Given its (meta) weight, because drawing a random one first would load a second's worth of torch that nothing else needs.
        self.embed: nn.Embedding = nn.Embedding.from_pretrained(torch.empty(config.vocab, config.hidden))  # type: ignore[no-untyped-call]
        self.layers = nn.ModuleList(Layer(config, layer, codec) for layer in range(config.layers))
        self.norm = RMSNorm(config.hidden, config.norm_eps)
        self.head = Linear(config.hidden, config.vocab)
        self.frequencies: Tensor
        self.dtype: torch.dtype
        self.kv_dtype: torch.dtype

    @classmethod
    def from_weights(cls, config: ModelConfig, weights: dict[str, Tensor], *, int8: bool = False, codec: Codec = "bf16") -> Decoder:
        """Built without memory of its own and given these tensors, all of them and no other.

        `int8`: matrix products in int8 (engine.model.linear), everything between them in fp32; keys and values, and the
        attention of many queries, in the weights' type.
        `codec`: the one that the experts' weights were quantised into (engine.loading.quantise); those in int4 are used up.
        """
        with torch.device("meta"):
            decoder = cls(config, codec)
        tied = {"head.weight": weights["embed.weight"]} if config.tied else {}
        decoder.load_state_dict(weights | tied, strict=True, assign=True)
        decoder.dtype = decoder.kv_dtype = decoder.embed.weight.dtype
        decoder.frequencies = frequencies(config).to(decoder.device)
        pack_int4(decoder)
        if int8:
            decoder._to_int8()
        return decoder.eval().requires_grad_(False)

    def _to_int8(self) -> None:
        to_int8(self)
        for part in self.modules():
            if isinstance(part, RMSNorm):
                part.float()
        self.dtype = torch.float32

    @property
    def device(self) -> torch.device:
        return self.embed.weight.device

    def new_cache(self, tokens: int = 0, below: int | None = None) -> KVCache:
        """An empty cache with room for so many tokens: of all layers, or of those below one, for `inputs_of`."""
        config = self.config if below is None else self.config.below(below)
        return KVCache(config, self.kv_dtype, self.device, tokens)

    @torch.inference_mode()
    def forward(
        self, ids: Tensor, segments: Sequence[Segment], features: Tensor | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """Hidden states [T, C] of the packed ids [T]: the segments' new tokens one after another. Each cache grows by its tokens.

        `features` [n, C] stand for the n patch tokens among the ids, in order. `rows`: those wanted of the T, ascending, each once; the
        last layer then computes no other's beyond what its cache takes.
        """
        x, places, segments = self._begin(ids, segments, features)
        wanted = None if rows is None or len(rows) == len(x) else torch.tensor(rows, dtype=torch.long, device=x.device)
        for layer in self.layers[:-1]:
            x = layer(x, places, segments)
        x = self.layers[-1](x, places, segments, wanted)
        advance(segments)
        normed: Tensor = self.norm(x)
        return normed

    @torch.inference_mode()
    def read(self, ids: Tensor, segments: Sequence[Segment], features: Tensor | None = None) -> None:
        """The same for the caches' sake: nobody wants the hidden states, so the last layer only keeps its keys and values."""
        x, places, segments = self._begin(ids, segments, features)
        for layer in self.layers[:-1]:
            x = layer(x, places, segments)
        cast(Layer, self.layers[-1]).keep(x, places, segments)
        advance(segments)

    @torch.inference_mode()
    def inputs_of(
        self, layers: Sequence[int], ids: Tensor, segments: Sequence[Segment], features: Tensor | None = None, *, normed: bool = True
    ) -> Tensor:
        """The inputs of some layers, ascending, side by side [T, layers * C], from a pass through the layers below the last of them only;
        `normed` as the layers' attention sees them. The caches are `new_cache(below=layers[-1])`."""
        x, places, segments = self._begin(ids, segments, features)
        found: list[Tensor] = []
        for number, layer in enumerate(self.layers[: layers[-1] + 1]):
            if number in layers:
                found.append(cast(Layer, layer).attention_norm(x) if normed else x)
            if number < layers[-1]:
                x = layer(x, places, segments)
        advance(segments)
        return torch.cat(found, -1) if len(found) > 1 else found[0]

    def _begin(self, ids: Tensor, segments: Sequence[Segment], features: Tensor | None) -> tuple[Tensor, Places, Sequence[Segment]]:
        segments = [segment for segment in segments if segment.tokens]
        for segment in segments:
            segment.cache.begin(segment.tokens)
        x: Tensor = self.embed(ids.to(self.device)).to(self.dtype)
        if features is not None and self.config.vision is not None:
            x = fuse(x, ids.to(self.device), self.config.vision.patch_token, features.to(x))
        return x, self._places(segments), segments

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """fp32 [T, V] for hidden states [T, C]."""
        logits: Tensor = self.head(hidden)
        return logits.float()

    def _places(self, segments: Sequence[Segment]) -> Places:
        runs = [torch.arange(segment.cache.length, segment.cache.length + segment.tokens) for segment in segments]
        positions = torch.cat(runs).to(self.device)
        cos, sin = angles(positions, self.frequencies, self.dtype)
        temperature = self.config.temperature
        caches, tokens = [segment.cache for segment in segments], [segment.tokens for segment in segments]
        whole, current = (Rooms.of(caches, tokens, chunked=chunked) for chunked in (False, True))
        return Places(cos, sin, None if temperature is None else growth(positions, temperature, self.dtype), whole, current)


def advance(segments: Sequence[Segment]) -> None:
    for segment in segments:
        segment.cache.advance(segment.tokens)


def growth(positions: Tensor, temperature: Temperature, dtype: torch.dtype) -> Tensor:
    """[T, 1, 1]: 1 + scale * ln(floor((pos + 1) / floor_scale) + 1) for int positions [T] (Llama 4's attention temperature)."""
    steps = torch.floor((positions.float() + 1) / temperature.floor_scale)
    return (1 + temperature.scale * torch.log1p(steps)).to(dtype)[:, None, None]
