"""Which tensors of a checkpoint one of ours is made of, and how their values lie in it. Plain data; reads nothing. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from itertools import accumulate, pairwise

from engine.config import ModelConfig

# Our name within a layer -> the checkpoint's names within a layer.
Table = dict[str, tuple[str, ...]]


class Layout(Enum):
    """How a source's values lie in our tensor."""

    SAME = "same"
    HALVES = "halves"  # rows of pairs that are neighbours become a head's two halves
    TRANSPOSED = "transposed"  # [..., out, in] becomes [..., in, out]


@dataclass(frozen=True, slots=True)
class Piece:
    """One source tensor fills the part `where` of ours; with HALVES, it is `heads` heads one below the other."""

    source: str
    where: tuple[int | slice, ...] = ()
    layout: Layout = Layout.SAME
    heads: int = 0


Pieces = dict[str, tuple[Piece, ...]]


def whole(sources: tuple[str, ...]) -> tuple[Piece, ...]:
    return tuple(Piece(source) for source in sources)


def stacked(sources: tuple[str, ...], rows: tuple[int, ...]) -> tuple[Piece, ...]:
    """The sources one below the other."""
    bounds = pairwise(accumulate(rows, initial=0))
    return tuple(Piece(source, (slice(*bound),)) for source, bound in zip(sources, bounds, strict=True))


def layer_pieces(config: ModelConfig, table: Table, prefix: str, *, neighbours: bool) -> Pieces:
    """A layer's tensors: q, k and v, and gate and up, one below the other, all else as it is. `neighbours` says that the checkpoint's
    q and k rows are paired so, and the layer turns them."""
    made: Pieces = {}
    for ours, names in table.items():
        sources = tuple(prefix + name for name in names)
        if ours == "attention.qkv.weight":
            made[ours] = qkv(config, sources, neighbours)
        elif ours.endswith("gate_up.weight"):
            made[ours] = stacked(sources, (gate_width(config, ours),) * 2)
        else:
            made[ours] = whole(sources)
    return made


def qkv(config: ModelConfig, sources: tuple[str, ...], neighbours: bool) -> tuple[Piece, ...]:
    heads = (config.heads, config.kv_heads, config.kv_heads)
    parts = stacked(sources, tuple(count * config.head_dim for count in heads))
    turned = tuple(replace(part, layout=Layout.HALVES, heads=count) for part, count in zip(parts[:2], heads[:2], strict=True))
    return (*turned, parts[2]) if neighbours else parts


def gate_width(config: ModelConfig, ours: str) -> int:
    return config.experts.ffn if config.experts is not None and "shared" in ours else config.ffn
