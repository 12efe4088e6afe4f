"""The sizes of a model of the llama family. Knows where no file lies. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import ModelDamaged


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Names as in engine-wide shape legends: H heads, G kv heads, D head_dim, C hidden, F ffn, V vocab."""

    name: str
    layers: int
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

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of bf16 keys and values of all layers."""
        return self.layers * 2 * self.kv_heads * self.head_dim * 2

    @classmethod
    def from_gguf(cls, fields: Mapping[str, Any], *, tied: bool) -> ModelConfig:
        """From a GGUF file's metadata as plain values. Raises ModelDamaged for another family or a missing field."""
        family = fields.get("general.architecture")
        if family != "llama":
            raise ModelDamaged(f"This GGUF file holds a {family} model; the engine reads the llama family. Use another file.")
        try:
            heads, hidden = int(fields["llama.attention.head_count"]), int(fields["llama.embedding_length"])
            return cls(
                name=str(fields.get("general.name", "llama")),
                layers=int(fields["llama.block_count"]),
                hidden=hidden,
                heads=heads,
                kv_heads=int(fields.get("llama.attention.head_count_kv", heads)),
                head_dim=int(fields.get("llama.attention.key_length", hidden // heads)),
                ffn=int(fields["llama.feed_forward_length"]),
                vocab=int(fields.get("llama.vocab_size") or len(fields["tokenizer.ggml.tokens"])),
                context=int(fields["llama.context_length"]),
                rope_theta=float(fields.get("llama.rope.freq_base", 10_000.0)),
                norm_eps=float(fields["llama.attention.layer_norm_rms_epsilon"]),
                tied=tied,
            )
        except KeyError as error:
            raise ModelDamaged(f"The GGUF file lacks the field {error}. Fetch it again.") from error
