"""What a model is and costs, from its config alone: layers, parameters, bytes of keys and values. `python -m engine inspect MODEL`.

Nothing is loaded: weights are counted by their shapes, and files by their length. Imports no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.config import ModelConfig
from engine.loading.checkpoint import open_checkpoint
from engine.loading.shapes import text_shapes, values, vision_shapes

LENGTHS = {"128 K": 131_072, "1 M": 1_048_576, "10 M": 10_485_760}
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
# Bytes of one kept value; in the last form, every 64 values have one scale and one zero point of two bytes each.
CODECS = {"bf16": 2.0, "int8 or fp8": 1.0, "int4": 0.5, "int4 by 64": 0.5 + 4 / 64}


@dataclass(frozen=True, slots=True)
class LayerKind:
    """So many layers that are alike."""

    layers: int
    chunked: bool
    rope: bool
    moe: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """How many; `active` are those that one token passes through, embeddings and head among them."""

    text: int
    vision: int
    active: int

    @property
    def total(self) -> int:
        return self.text + self.vision


@dataclass(frozen=True, slots=True)
class KVBytes:
    """Bytes of keys and values in one codec. `everything` keeps all tokens in all layers, as an engine without chunks has to;
    `kept` is what a chunk boundary leaves: the global layers. `chunk` is the most that chunked layers ever hold beside that."""

    everything_per_token: float
    kept_per_token: float
    chunk: float

    def everything(self, tokens: int) -> float:
        return self.everything_per_token * tokens

    def kept(self, tokens: int) -> float:
        return self.kept_per_token * tokens


@dataclass(frozen=True, slots=True)
class Inspection:
    """A model's config and what follows from it. `on_disk` is 0 where no weights lie beside the config."""

    config: ModelConfig
    kinds: tuple[LayerKind, ...]
    parameters: Parameters
    on_disk: int
    kv: dict[str, KVBytes]

    def as_json(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "name": self.config.name,
            "family": self.config.family,
            "layers": self.config.layers,
            "kinds": [asdict(kind) for kind in self.kinds],
            "attention_chunk": self.config.attention_chunk,
            "experts": asdict(self.config.experts) | {"shared": 1, "active": 1} if self.config.experts else None,
            "context": self.config.context,
            "parameters": asdict(self.parameters) | {"total": self.parameters.total},
            "bytes_on_disk": self.on_disk,
        }
        return parts | {"kv_bytes": {codec: kv_json(kv) for codec, kv in self.kv.items()}}


def inspect_model(place: Path) -> Inspection:
    """The model in a folder, or of a single config.json or GGUF file. Raises an EngineError for one that the engine cannot run."""
    checkpoint = open_checkpoint(place)
    config = checkpoint.config()
    return Inspection(config, layer_kinds(config), count_parameters(config), checkpoint.bytes, kv_bytes(config))


def layer_kinds(config: ModelConfig) -> tuple[LayerKind, ...]:
    """In the order in which the layers first have them."""
    counted = Counter(zip(config.chunked, config.rope, config.moe, strict=True))
    return tuple(LayerKind(layers, *kind) for kind, layers in counted.items())


def count_parameters(config: ModelConfig) -> Parameters:
    text = values(text_shapes(config))
    idle = 0
    if config.experts:
        # An expert is gate, up and down; a token passes through one of a layer's.
        idle = sum(config.moe) * (config.experts.count - 1) * 3 * config.hidden * config.experts.ffn
    vision = values(vision_shapes(config.vision, config.hidden)) if config.vision else 0
    return Parameters(text=text, vision=vision, active=text - idle)


def kv_bytes(config: ModelConfig) -> dict[str, KVBytes]:
    """By codec. A layer keeps a key and a value of G heads of D values for each token."""
    layer = 2 * config.kv_heads * config.head_dim
    chunk = len(config.chunked_layers) * layer * (config.attention_chunk or 0)
    return {
        codec: KVBytes(config.layers * layer * size, len(config.global_layers) * layer * size, chunk * size)
        for codec, size in CODECS.items()
    }


def kv_json(kv: KVBytes) -> dict[str, Any]:
    return {
        "all_layers": {"per_token": kv.everything_per_token} | {name: kv.everything(tokens) for name, tokens in LENGTHS.items()},
        "global_layers": {"per_token": kv.kept_per_token} | {name: kv.kept(tokens) for name, tokens in LENGTHS.items()},
        "chunked_layers_at_most": kv.chunk,
    }


def lines(found: Inspection) -> Iterator[str]:
    """The same for people."""
    config, parameters = found.config, found.parameters
    yield f"{config.name} ({config.family}, context {config.context:,})"
    yield described_layers(found)
    vision = f" + vision {parameters.vision:,} = {parameters.total:,}" if parameters.vision else ""
    yield f"parameters: text {parameters.text:,}{vision}; active per token {parameters.active:,}"
    if config.vision:
        yield f"images: {config.vision.layers} layers, {config.vision.tokens_per_tile} tokens a tile of {config.vision.image_size} pixels"
    yield f"weights: {size(parameters.total * 2)} in bf16; {size(found.on_disk) if found.on_disk else 'none'} on disk here"
    yield ""
    yield from kv_table(found)


def described_layers(found: Inspection) -> str:
    config = found.config
    described = ", ".join(described_kind(kind, config) for kind in found.kinds)
    experts = f"; experts {config.experts.count} + 1 shared in {sum(config.moe)} of {config.layers}" if config.experts else ""
    return f"{config.layers} layers: {described}{experts.replace(f'{config.layers} of {config.layers}', 'all')}"


def described_kind(kind: LayerKind, config: ModelConfig) -> str:
    chunk = f"{config.attention_chunk:,}, " if kind.chunked else ""
    ffn = ("" if kind.moe else ", dense") if any(config.moe) and not all(config.moe) else ""
    return f"{kind.layers} {'chunked' if kind.chunked else 'global'} ({chunk}{'RoPE' if kind.rope else 'no positions'}{ffn})"


def kv_table(found: Inspection) -> Iterator[str]:
    """One line a mode and codec."""
    yield f"{'keys and values':<28}{'codec':<13}{'per token':>14}" + "".join(f"{name:>12}" for name in LENGTHS)
    chunks = bool(found.config.chunked_layers)
    for codec, kv in found.kv.items():
        yield kv_line("all layers" if chunks else "all layers (all are global)", codec, kv.everything_per_token)
    if not chunks:
        return
    for codec, kv in found.kv.items():
        yield kv_line("global layers", codec, kv.kept_per_token)
    for codec, kv in found.kv.items():
        yield f"{'chunked layers, at most':<28}{codec:<13}{size(kv.chunk):>14}"
    yield "All layers is what an engine keeps that does not know chunks. At a chunk boundary the global layers are all there is."


def kv_line(mode: str, codec: str, per_token: float) -> str:
    return f"{mode:<28}{codec:<13}{per_token:>12,.0f} B" + "".join(f"{size(per_token * tokens):>12}" for tokens in LENGTHS.values())


def size(count: float) -> str:
    """Bytes with a unit: powers of 1024, three digits."""
    step = 0
    while count >= 999.5 and step < len(UNITS) - 1:
        count, step = count / 1024, step + 1
    return f"{count:.3g} {UNITS[step]}"
