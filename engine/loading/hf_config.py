"""A checkpoint's config.json -> ModelConfig, for the families llama4, llama and smollm3.

What the engine cannot compute as the config asks is refused with the field's name; nothing is guessed. A field that older files leave
out has its family's default (sizes have none). Knows no weights. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.config import ModelConfig, dense
from engine.loading.config_fields import Fields, read_json
from engine.loading.hf_llama4 import llama4, vision, warn_of_early_scout
from engine.loading.hf_rope import WHOLE_HEADS, positions, rope_fields, rope_scaling

# What a config of the family means where it says nothing.
DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": {"rope_theta": 10_000.0, "rms_norm_eps": 1e-6, "tie_word_embeddings": False},
    "smollm3": {"rope_theta": 2_000_000.0, "rms_norm_eps": 1e-6, "tie_word_embeddings": True},
    "llama4_text": {"rope_theta": 500_000.0, "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "head_dim": 128},
}
# The only values of these fields that the decoder computes; a field that is absent has the first.
ONLY: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "num_experts_per_tok": (1,),
    "quantization_config": (None,),
} | WHOLE_HEADS


def read_config(path: Path) -> ModelConfig:
    """The model that `path`, a config.json, describes, named after its folder; end tokens also from generation_config.json beside it.

    Raises ModelMissing, or ModelDamaged for what the engine cannot run; warns with ModelWarning of values known to be wrong.
    """
    root = Fields(read_json(path), str(path))
    family = root.get("model_type")
    if family not in ("llama4", *DEFAULTS):
        raise root.refusal("model_type", "the engine reads llama4, llama and smollm3")
    text = root.part("text_config") if family == "llama4" else root
    text = Fields(DEFAULTS["llama4_text" if family == "llama4" else family] | present(text.values), text.place)
    for fields in (root, text):
        fields.only(ONLY)
    layers = text.integer("num_hidden_layers")
    made = shape_of(text) | {"rope_scaling": rope_scaling(text), "end_tokens": end_tokens(path, root, text)}
    if family == "llama":
        made |= dense(layers)
    elif family == "smollm3":
        made |= smollm3(text, layers)
    else:
        made |= llama4(text, layers) | {"vision": vision(root) if root.get("vision_config") else None}
    config = ModelConfig(family=family.removesuffix("_text"), name=name_of(path), **made)
    warn_of_early_scout(config, text)
    return config


def name_of(path: Path) -> str:
    """The model's folder; in the hub's cache (models--OWNER--NAME/snapshots/COMMIT) OWNER/NAME."""
    folder = path.parent.resolve()
    if folder.parent.name == "snapshots":
        return folder.parents[1].name.removeprefix("models--").replace("--", "/")
    return folder.name


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def shape_of(text: Fields) -> dict[str, Any]:
    """The sizes that every family has. Raises ModelDamaged for sizes that do not fit each other."""
    hidden, heads = text.integer("hidden_size"), text.integer("num_attention_heads")
    kv_heads, head_dim = text.integer("num_key_value_heads", heads), text.integer("head_dim", hidden // max(heads, 1))
    if min(heads, kv_heads) < 1 or heads % kv_heads:
        raise text.refusal("num_key_value_heads", f"it has to divide num_attention_heads ({heads})")
    if head_dim < 2 or head_dim % 2:
        raise text.refusal("head_dim", "an even number is expected")
    return {
        "hidden": hidden,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "ffn": text.integer("intermediate_size"),
        "vocab": text.integer("vocab_size"),
        "context": text.integer("max_position_embeddings"),
        "rope_theta": float(rope_fields(text).number("rope_theta", text.number("rope_theta"))),
        "norm_eps": float(text.number("rms_norm_eps")),
        "tied": bool(text.get("tie_word_embeddings")),
    }


def smollm3(text: Fields, layers: int) -> dict[str, Any]:
    kinds = text.per_layer("layer_types", layers) or []
    window = text.get("use_sliding_window", False) and text.get("sliding_window") and not kinds
    if window or any(kind != "full_attention" for kind in kinds):
        raise text.refusal("layer_types" if kinds else "sliding_window", "the engine computes full attention for this family")
    return dense(layers) | {"rope": positions(text, layers)}


def end_tokens(path: Path, root: Fields, text: Fields) -> tuple[int, ...]:
    """Every id that ends a turn, those of generation_config.json first."""
    beside = path.with_name("generation_config.json")
    places = [read_json(beside)] if beside.is_file() else []
    listed = [place.get("eos_token_id") for place in (*places, root.values, text.values)]
    ids = [id for value in listed if value is not None for id in (value if isinstance(value, list) else [value])]
    return tuple(dict.fromkeys(ids))
