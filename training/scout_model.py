"""The decoder as a module to train: packed tokens in, loss out. Its tensors have the engine's names.

What a token sees comes from `training.scout_pack`, and how it is computed from `training.scout_attention`. Embeddings and norms stay as
they are: an adapter of low-rank sums could not carry their change. No experts, no attention temperature: a converted llama has neither.

Legend: T tokens, C hidden, H query heads, G kv heads, D head size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from engine.config import ModelConfig
from engine.model.rope import angles, frequencies
from training.scout_attention import Attend, attention
from training.scout_pack import Pack

ROWS = 2048  # so many tokens' logits are computed at once, and once more on the way back
MATRICES = ("attention.qkv", "attention.out", "feed_forward.gate_up", "feed_forward.down")


@dataclass(frozen=True, slots=True)
class Batch:
    """A pack on its device. `rows` [R] foretell `targets` [R], each with its weight and the number of its kind."""

    ids: Tensor
    cos: Tensor
    sin: Tensor
    near: Attend
    far: Attend
    rows: Tensor
    targets: Tensor
    weights: Tensor
    kinds: Tensor


@dataclass(frozen=True, slots=True)
class Loss:
    """`mean` in nats, by weight; of each kind, without weights, the sum in nats and the number of tokens [kinds]."""

    mean: Tensor
    sums: Tensor
    counts: Tensor


class LowRankLinear(nn.Module):
    """x W^T + x A^T B^T. W [out, in] stays; B begins as zero."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.weight = weight.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(rank, inputs) * inputs**-0.5)
        self.b = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight) + F.linear(F.linear(x, self.a), self.b)


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        self.rope, self.chunked = config.rope[layer], config.chunked[layer]
        self.qkv = nn.Linear(config.hidden, (config.heads + 2 * config.kv_heads) * config.head_dim, bias=False)
        self.out = nn.Linear(config.heads * config.head_dim, config.hidden, bias=False)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [T, H, D], keys and values [T, G, D] of x [T, C]; cos and sin are [T, 1, D]."""
        heads = self.qkv(x).view(len(x), -1, self.head_dim)
        turned, values = heads[:, : -self.kv_heads], heads[:, -self.kv_heads :]
        if self.rope:
            turned = rotated(turned, cos, sin)
        return turned[:, : self.heads], turned[:, self.heads :], values


class FeedForward(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.hidden, 2 * config.ffn, bias=False)
        self.down = nn.Linear(config.ffn, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        out: Tensor = self.down(F.silu(gate) * up)
        return out


class Layer(nn.Module):
    """`before` and `after` are what stands around the attention: torch can compile them, for they know nothing of what a token sees."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.hidden, config.norm_eps)
        self.attention = Attention(config, layer)
        self.feed_forward_norm = nn.RMSNorm(config.hidden, config.norm_eps)
        self.feed_forward = FeedForward(config)
        self.before, self.after = self._before, self._after

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend) -> Tensor:
        return self.after(x, attend(*self.before(x, cos, sin)))

    def compile_parts(self) -> None:
        self.before, self.after = torch.compile(self._before), torch.compile(self._after)

    def _before(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.attention.project(self.attention_norm(x), cos, sin)

    def _after(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + self.attention.out(mixed.flatten(1))
        out: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return out


class ScoutModel(nn.Module):
    """A config's decoder with these weights, which are copied. `low_rank`: rank of what is added to `matrices`, which alone is trained
    then; 0 trains the matrices themselves. `recompute`: keep only the layers' inputs for the way back. `compiled`: see Layer. Raises
    ValueError for another kind of model."""

    def __init__(
        self,
        config: ModelConfig,
        weights: dict[str, Tensor],
        *,
        low_rank: int = 0,
        matrices: Sequence[str] = MATRICES,
        recompute: bool = False,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        if config.experts or config.temperature or config.qk_norm or not config.tied:
            raise ValueError(f"{config.name} is no converted llama with tied embeddings, which is all that is trained here.")
        self.config, self.recompute = config, recompute
        with torch.device("meta"):
            self.embed = nn.Embedding(config.vocab, config.hidden)
            self.layers = nn.ModuleList(Layer(config, layer) for layer in range(config.layers))
            self.norm = nn.RMSNorm(config.hidden, config.norm_eps)
        self.load_state_dict({name: tensor.detach().clone() for name, tensor in weights.items()}, assign=True)
        self.frequencies: Tensor
        self.register_buffer("frequencies", frequencies(config), persistent=False)
        self.requires_grad_(False)
        for layer in self._layers():
            for name in matrices:
                matrix = layer.get_submodule(name).requires_grad_(True)
                if low_rank:
                    layer.set_submodule(name, LowRankLinear(cast(nn.Linear, matrix).weight, low_rank))
            if compiled:
                layer.compile_parts()

    def batch(self, pack: Pack) -> Batch:
        device = self.embed.weight.device
        cos, sin = angles(torch.from_numpy(pack.positions).to(device), self.frequencies, torch.float32)
        counted = np.flatnonzero(pack.weights)  # here and not on the device, which then need not be waited for
        foretold = pack.ids[counted], pack.weights[counted], pack.kinds[counted]
        ids, rows, targets, weights, kinds = (torch.from_numpy(each).to(device) for each in (pack.ids, counted - 1, *foretold))
        return Batch(ids, cos, sin, attention(pack.near, device), attention(pack.far, device), rows, targets, weights, kinds)

    def hidden(self, batch: Batch) -> Tensor:
        """[T, C]."""
        x: Tensor = self.embed(batch.ids)
        for layer in self._layers():
            placed = batch.cos, batch.sin, batch.near if layer.attention.chunked else batch.far
            x = checkpoint(layer, x, *placed, use_reentrant=False) if self.recompute and self.training else layer(x, *placed)
        normed: Tensor = self.norm(x)
        return normed

    def _layers(self) -> Iterator[Layer]:
        return (cast(Layer, layer) for layer in self.layers)

    def logits(self, hidden: Tensor) -> Tensor:
        """fp32 [T, V]."""
        return F.linear(hidden, self.embed.weight).float()

    def loss(self, batch: Batch, kinds: int) -> Loss:
        """Of one pack with at least one token to be foretold."""
        rows = self.hidden(batch)[batch.rows]
        pieces = zip(torch.split(rows, ROWS), torch.split(batch.targets, ROWS), strict=True)
        nats = torch.cat([checkpoint(self._nats, *piece, use_reentrant=False) for piece in pieces])
        sums, counts = torch.zeros(2, kinds, device=nats.device)
        sums.index_add_(0, batch.kinds, nats.detach())
        counts.index_add_(0, batch.kinds, torch.ones_like(nats))
        return Loss((nats * batch.weights).sum() / batch.weights.sum(), sums, counts)

    def _nats(self, hidden: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(self.logits(hidden), targets, reduction="none")

    def weights(self) -> dict[str, Tensor]:
        """The engine's tensors, low-rank sums added, fp32."""
        state = {name: tensor.detach() for name, tensor in self.state_dict().items()}
        made = {name: tensor for name, tensor in state.items() if name.endswith(".weight")}
        for name in [name for name in state if name.endswith(".a")]:
            of = name.removesuffix(".a")
            made[f"{of}.weight"] = made[f"{of}.weight"] + state[f"{of}.b"] @ state[name]
        return made


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Each head of x [T, heads, D], its first half turned against the second (engine.model.rope), in x's type."""
    swapped: Tensor = torch.cat(x.chunk(2, -1)[::-1], -1)
    return (x * cos + swapped * sin).to(x.dtype)
