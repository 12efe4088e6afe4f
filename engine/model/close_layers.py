"""The close layers: some of a model's own middle layers, changed by sums of low rank, over a question and the sentences that it is put to.

Below them the model is as it is. In them every token sees all that stand with it, those after it too, so what a sentence goes on to say
counts for how it begins, and sentences are weighed against each other. They say of each whether it answers, and from which word to which
the answer goes: ends are weighed with beginnings, or an answer would go from the beginning of one thing to the end of another.
Knows no text, no store and no training.
Legend: T tokens of question and sentences, N of one sentence, C hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.model.attention import Places
from engine.model.decoder import Layer
from engine.model.linear import to_int8
from engine.model.norm import RMSNorm
from engine.model.rope import angles, frequencies

A, B = ".a", ".b"
PAIRED = 64  # numbers of a token as a beginning, and as an end
LENGTHS = 24  # kinds of an answer's length, three to a doubling
SURE = 6.0  # log-odds of a sentence beyond which more of them tell no more


@dataclass(frozen=True, slots=True)
class CloseShape:
    """`count` of the model's layers from `first` on; layer `first` gets what it gets in the model."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class CloseWeights:
    """What counts for a sentence's score: its share of the question's words, the reading head's mass in it, its chunk's odds, and what the
    close layers say. A sentence that is behind the best one by less than `also` is quoted beside it. `say`: how much it adds to the odds
    that the answer is there where they say that the best one answers."""

    overlap: float = 1.0
    mass: float = 0.0
    odds: float = 0.0
    close: float = 1.0
    also: float = 0.0
    say: float = 0.0

    def score(self, overlap: float, mass: float, odds: float, close: float) -> float:
        return self.overlap * overlap + self.mass * mass + self.odds * odds + self.close * close

    def may_lift(self, odds: float) -> bool:
        """Whether a yes of the close layers could make an answer likelier than none, where a chunk's log-odds are these."""
        return odds + self.say * SURE >= 0.0

    def found(self, odds: float, close: float) -> float:
        """Log-odds that the answer is there, by those of the best chunk and what the close layers say of the best sentence. Their yes
        counts and their no does not: of the two only the first was right more often than the chunk's odds (decision 0031)."""
        return odds + self.say * min(max(close, 0.0), SURE) if self.may_lift(odds) else odds


class CloseReading(NamedTuple):
    """Log-odds that the sentence answers, and `spans` [N, N]: by first and last token the log-probability of each answer in it."""

    answers: Tensor
    spans: Tensor


class CloseModel(NamedTuple):
    """Close layers, and how much their word counts."""

    layers: CloseLayers
    weights: CloseWeights


class CloseLayers(nn.Module):
    """`layers` as the decoder's, then for each token a score as the answer's beginning, as its end, and as a sign of it; for two of them as
    its beginning and its end together, and for each length."""

    def __init__(self, shape: CloseShape, config: ModelConfig) -> None:
        super().__init__()
        self.shape, self.config = shape, config
        self.layers = nn.ModuleList(Layer(config, layer, "bf16") for layer in range(shape.first, shape.first + shape.count))
        self.norm = RMSNorm(config.hidden, config.norm_eps)
        self.tokens = nn.Linear(config.hidden, 3)
        self.answers = nn.Linear(config.hidden, 1)
        self.begun, self.ended = (nn.Linear(config.hidden, PAIRED, bias=False) for _ in range(2))
        self.lengths = nn.Parameter(torch.zeros(LENGTHS))
        self.frequencies: Tensor

    @classmethod
    def from_weights(
        cls, shape: CloseShape, config: ModelConfig, base: Mapping[str, Tensor], own: Mapping[str, Tensor], *, int8: bool = False
    ) -> CloseLayers:
        """`base`: the model's tensors (Decoder.from_weights). `own`: norm and what stands above it, and for matrices of the layers, counted
        from the first close one, `layers.0.attention.qkv.a` [rank, in] and `.b` [out, rank], whose product is added; in fp32. `int8` as the
        decoder has it."""
        with torch.device("meta"):
            made = cls(shape, config)
        weights = {name: tensor.to(base["norm.weight"]) if name == "norm.weight" else tensor for name, tensor in own.items()}
        weights = {name: tensor for name, tensor in weights.items() if not name.endswith((A, B))}
        for name in made.layers.state_dict(prefix="layers."):
            _, layer, part = name.split(".", 2)
            weights[name] = changed(base[f"layers.{int(layer) + shape.first}.{part}"], own, name.removesuffix(".weight"))
        if unknown := [name for name in own if name.endswith((A, B)) and f"{name[:-2]}.weight" not in weights]:
            raise ValueError(f"there is no {unknown[0]} in {shape.count} layers")
        made.load_state_dict(weights, strict=True, assign=True)
        made.frequencies = frequencies(config).to(base["norm.weight"].device)
        if int8:
            to_int8(made)
            for part_ in made.modules():
                if isinstance(part_, RMSNorm):
                    part_.float()
        return made.eval().requires_grad_(False)

    @torch.inference_mode()
    def forward(self, x: Tensor, sentences: Sequence[tuple[int, int]]) -> list[CloseReading]:
        """x [T, C]: what goes into layer `first`. `sentences`: first token and the one behind the last of each."""
        cos, sin = angles(torch.arange(len(x), device=x.device), self.frequencies, x.dtype)
        places = Places(cos, sin, None)
        for layer in self.layers:
            x = both_ways(cast(Layer, layer), x, places)
        x = self.norm(x).float()
        return [reading_of(self, x[first:end]) for first, end in sentences]


class Above(Protocol):
    """What stands above the layers, here and where it is trained."""

    tokens: nn.Linear
    answers: nn.Linear
    begun: nn.Linear
    ended: nn.Linear
    lengths: nn.Parameter


def reading_of(above: Above, x: Tensor) -> CloseReading:
    """Of a sentence's tokens x [N, C], fp32, as they leave the layers."""
    starts, ends, signs = above.tokens(x).unbind(-1)
    answers = above.answers(torch.softmax(signs, 0) @ x)[0]
    steps = torch.arange(len(x), device=x.device)
    length = steps[None, :] - steps[:, None] + 1
    kinds = (3 * length.clamp(min=1).float().log2()).long().clamp(max=LENGTHS - 1)
    together = above.begun(x) @ above.ended(x).T * PAIRED**-0.5
    spans = (starts[:, None] + ends[None, :] + together + above.lengths[kinds]).masked_fill(length < 1, -torch.inf)
    return CloseReading(answers, torch.log_softmax(spans.flatten(), 0).view_as(spans))


def both_ways(layer: Layer, x: Tensor, places: Places) -> Tensor:
    """x [T, C] after a layer in which every token sees every other."""
    queries, keys, values = (each.transpose(0, 1)[None].float() for each in layer.attention.project(layer.attention_norm(x), places))
    mixed = F.scaled_dot_product_attention(queries, keys, values, enable_gqa=True)[0]
    x = x + layer.attention.out(mixed.transpose(0, 1).reshape(len(x), -1).to(x.dtype))
    out: Tensor = x + layer.feed_forward(layer.feed_forward_norm(x))
    return out


def changed(weight: Tensor, own: Mapping[str, Tensor], name: str) -> Tensor:
    """The weight with the low-rank sum of that name, if there is one, in its own type; the sum is taken in fp32."""
    if name + A not in own:
        return weight
    return (weight.float() + (own[name + B].float() @ own[name + A].float()).to(weight.device)).to(weight.dtype)
