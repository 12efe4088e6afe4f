"""The close layers as a module to train: what goes into the first of them in, what they say of each sentence out.

The model's own matrices stay; sums of low rank beside them are trained, and the small parts above. Its tensors have the names of
`engine.model.close_layers`, and its numbers are the same.
Legend: B sheets, T tokens of the longest, C hidden, H query heads, G kv heads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.model.close_layers import LENGTHS, PAIRED, CloseReading, CloseShape, reading_of
from engine.model.rope import angles, frequencies
from training.scan_sources import Span
from training.scout_model import MATRICES, Layer, LowRankLinear


@dataclass(frozen=True, slots=True, eq=False)
class Sheets:
    """B sheets, padded: `hidden` [B, T, C], how many tokens each has, and the sentences on each."""

    hidden: Tensor
    lengths: Tensor
    sentences: Sequence[Sequence[Span]]

    @classmethod
    def of(cls, hidden: Sequence[Tensor], sentences: Sequence[Sequence[Span]]) -> Sheets:
        padded = nn.utils.rnn.pad_sequence([each.float() for each in hidden], batch_first=True)
        return cls(padded, torch.tensor([len(each) for each in hidden]), sentences)


class TrainedCloseLayers(nn.Module):
    """`base`: the model's tensors, fp32, which are copied."""

    def __init__(self, shape: CloseShape, config: ModelConfig, base: Mapping[str, Tensor], rank: int) -> None:
        super().__init__()
        self.shape, self.config = shape, config
        self.layers = nn.ModuleList(Layer(config, layer) for layer in range(shape.first, shape.first + shape.count))
        for number, layer in enumerate(self._layers()):
            own = f"layers.{shape.first + number}."
            layer.load_state_dict({name.removeprefix(own): tensor.float() for name, tensor in base.items() if name.startswith(own)})
            layer.requires_grad_(False)
            for name in MATRICES:
                layer.set_submodule(name, LowRankLinear(cast(nn.Linear, layer.get_submodule(name)).weight, rank))
        self.norm = nn.RMSNorm(config.hidden, config.norm_eps)
        self.tokens, self.answers = nn.Linear(config.hidden, 3), nn.Linear(config.hidden, 1)
        self.begun, self.ended = (nn.Linear(config.hidden, PAIRED, bias=False) for _ in range(2))
        self.lengths = nn.Parameter(torch.zeros(LENGTHS))
        for part in (self.tokens, self.begun, self.ended):
            nn.init.normal_(part.weight, std=0.02)
        nn.init.zeros_(self.answers.weight)
        self.frequencies: Tensor
        self.register_buffer("frequencies", frequencies(config), persistent=False)

    def forward(self, sheets: Sheets) -> list[list[CloseReading]]:
        """Of each sheet, what is said of each sentence."""
        count, tokens, _ = sheets.hidden.shape
        cos, sin = (each.repeat(count, 1, 1) for each in angles(torch.arange(tokens), self.frequencies, torch.float32))
        there = (torch.arange(tokens) < sheets.lengths[:, None])[:, None, None, :]
        x = sheets.hidden.flatten(0, 1)
        for layer in self._layers():
            x = layer(x, cos, sin, lambda q, k, v: attended(q, k, v, there))
        x = torch.unflatten(self.norm(x.float()), 0, (count, tokens))
        with torch.autocast("cpu", enabled=False):  # few numbers, whose differences count
            return [[reading_of(self, each) for each in apart(own, spans)] for own, spans in zip(x.unbind(), sheets.sentences, strict=True)]

    def own(self) -> dict[str, Tensor]:
        """What was trained."""
        return {name: tensor.detach() for name, tensor in self.named_parameters() if tensor.requires_grad}

    def _layers(self) -> Iterator[Layer]:
        return (cast(Layer, layer) for layer in self.layers)


def apart(x: Tensor, spans: Sequence[Span]) -> list[Tensor]:
    """Of x [T, C] the tokens of each span, which are in order and share none. Cut once: on the way back a slice alone is as large as x."""
    bounds = [0, *(bound for span in spans for bound in span), len(x)]
    return list(torch.split(x, [end - first for first, end in pairwise(bounds)])[1::2])


def attended(q: Tensor, k: Tensor, v: Tensor, there: Tensor) -> Tensor:
    """[B * T, H, D] for queries [B * T, H, D], keys and values [B * T, G, D]: all tokens of a sheet that are `there` [B, 1, 1, T]."""
    sheets = len(there)
    queries, keys, values = (torch.unflatten(each.to(v.dtype), 0, (sheets, -1)).transpose(1, 2) for each in (q, k, v))
    mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=there, enable_gqa=True)
    return mixed.transpose(1, 2).flatten(0, 1)
