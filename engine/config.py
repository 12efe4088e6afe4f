"""What a model is made of, as plain data: one decoder reads it for every family, so that families differ in data and not in code.

Knows no file and no checkpoint's names (`engine.loading` makes these from config.json or GGUF metadata). Imports no torch.
Legend of the shapes everywhere in the engine: T tokens, C hidden, H heads, G kv heads, D head_dim, F ffn, E experts, V vocab.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """llama3's scaling: wavelengths longer than original_context / low are divided by factor, those shorter than original_context / high
    are kept, and between the two the one blends into the other."""

    factor: float
    low: float
    high: float
    original_context: int


@dataclass(frozen=True, slots=True)
class Temperature:
    """Queries of layers without positions grow with the position: q * (1 + scale * ln(floor((pos + 1) / floor_scale) + 1))."""

    floor_scale: int
    scale: float


@dataclass(frozen=True, slots=True)
class Experts:
    """Routed experts beside one shared expert, each of width `ffn`; every token goes to the one that its router scores highest."""

    count: int
    ffn: int


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """The image side: tower, pixel shuffle, adapter and projector. `patch_token` is replaced by an image's features.

    `layers` to `norm_eps` are the tower's. `adapter_hidden` and `adapter_out` are the widths after the adapter's first and second product
    (in a config.json projector_input_dim, and projector_output_dim, which vision_output_dim repeats).
    """

    layers: int
    hidden: int
    heads: int
    ffn: int
    image_size: int
    patch_size: int
    channels: int
    rope_theta: float
    norm_eps: float
    shuffle_ratio: float
    adapter_hidden: int
    adapter_out: int
    patch_token: int
    max_tiles: int = 16

    @property
    def patches_per_side(self) -> int:
        return self.image_size // self.patch_size

    @property
    def tokens_per_tile(self) -> int:
        """Prompt tokens that one tile becomes, after the pixel shuffle."""
        return round((self.patches_per_side * self.shuffle_ratio) ** 2)

    @property
    def shuffled(self) -> int:
        """Values of one token after the pixel shuffle."""
        return round(self.hidden / self.shuffle_ratio**2)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Per-layer facts are tuples of one bool a layer: `rope` (positions or none), `chunked` (attends within an aligned chunk of
    `attention_chunk` tokens only; else global), `moe` (experts or a dense feed-forward of width `ffn`)."""

    family: str
    name: str
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int
    rope_theta: float
    norm_eps: float
    tied: bool
    rope: tuple[bool, ...]
    chunked: tuple[bool, ...]
    moe: tuple[bool, ...]
    attention_chunk: int | None = None
    rope_scaling: RopeScaling | None = None
    qk_norm: bool = False
    temperature: Temperature | None = None
    experts: Experts | None = None
    vision: VisionConfig | None = None
    end_tokens: tuple[int, ...] = ()

    @property
    def layers(self) -> int:
        return len(self.rope)

    @property
    def global_layers(self) -> tuple[int, ...]:
        """The layers that attend over the whole prompt: all that has to be kept at a chunk boundary."""
        return tuple(layer for layer, chunked in enumerate(self.chunked) if not chunked)

    @property
    def chunked_layers(self) -> tuple[int, ...]:
        return tuple(layer for layer, chunked in enumerate(self.chunked) if chunked)

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of bf16 keys and values of the layers that are kept for good: the global ones."""
        return len(self.global_layers) * 2 * self.kv_heads * self.head_dim * 2

    def below(self, layer: int) -> ModelConfig:
        """The same model cut off below a layer."""
        return replace(self, rope=self.rope[:layer], chunked=self.chunked[:layer], moe=self.moe[:layer])

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> ModelConfig:
        """The inverse of `as_json`, after a round through JSON. Raises TypeError for fields of another version."""
        parts = {"rope_scaling": RopeScaling, "temperature": Temperature, "experts": Experts, "vision": VisionConfig}
        made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        made |= {name: part(**fields[name]) for name, part in parts.items() if fields.get(name) is not None}
        return cls(**made)


def dense(layers: int) -> dict[str, Any]:
    """The per-layer facts of an ordinary llama: positions everywhere, no chunks, no experts."""
    return {"rope": (True,) * layers, "chunked": (False,) * layers, "moe": (False,) * layers}
