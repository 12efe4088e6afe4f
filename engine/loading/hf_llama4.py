"""What only Llama 4's config.json has: chunked layers, experts, temperature, images; and two wrong values of its first files.

Imports no torch.
"""

from __future__ import annotations

import warnings
from typing import Any

from engine.config import Experts, ModelConfig, RopeScaling, Temperature, VisionConfig
from engine.errors import ModelWarning
from engine.loading.config_fields import Fields
from engine.loading.hf_rope import positions, rope_fields

ONLY_VISION: dict[str, tuple[Any, ...]] = {"hidden_act": ("gelu",), "vision_feature_select_strategy": ("default",)}
EARLY_SCOUT = RopeScaling(factor=8.0, low=1.0, high=4.0, original_context=8192)


def llama4(text: Fields, layers: int) -> dict[str, Any]:
    rope = positions(text, layers)
    moe = moe_layers(text, layers)
    tuned = Temperature(text.integer("floor_scale", 8192), float(text.number("attn_scale", 0.1)))
    chunked = chunked_layers(text, rope)
    return {
        "ffn": text.integer("intermediate_size_mlp", text.integer("intermediate_size") if all(moe) else None),
        "rope": rope,
        "chunked": chunked,
        "moe": moe,
        "attention_chunk": text.integer("attention_chunk_size", 8192) if any(chunked) else None,
        "qk_norm": bool(text.get("use_qk_norm", True)),
        "temperature": tuned if text.get("attn_temperature_tuning", True) else None,
        "experts": Experts(text.integer("num_local_experts"), text.integer("intermediate_size")) if any(moe) else None,
    }


def chunked_layers(text: Fields, rope: tuple[bool, ...]) -> tuple[bool, ...]:
    """From layer_types; absent: the layers with positions."""
    kinds = text.per_layer("layer_types", len(rope))
    if kinds is None:
        return rope
    if set(kinds) - {"chunked_attention", "full_attention"}:
        raise text.refusal("layer_types", "the engine computes chunked_attention and full_attention")
    return tuple(kind == "chunked_attention" for kind in kinds)


def moe_layers(text: Fields, layers: int) -> tuple[bool, ...]:
    """From the list moe_layers; absent: the last of every `interleave_moe_layer_step` layers."""
    listed, step = text.get("moe_layers"), text.integer("interleave_moe_layer_step", 1)
    if listed is None:
        listed = range(step - 1, layers, step) if step > 0 else []
    if not set(listed) <= set(range(layers)):
        raise text.refusal("moe_layers", f"numbers of the {layers} layers are expected")
    return tuple(layer in listed for layer in range(layers))


def vision(root: Fields) -> VisionConfig:
    fields = root.part("vision_config")
    fields.only(ONLY_VISION)
    ffn, out = fields.integer("intermediate_size"), fields.integer("projector_output_dim")
    made = VisionConfig(
        layers=fields.integer("num_hidden_layers"),
        hidden=fields.integer("hidden_size"),
        heads=fields.integer("num_attention_heads"),
        ffn=ffn,
        image_size=fields.integer("image_size"),
        patch_size=fields.integer("patch_size"),
        channels=fields.integer("num_channels", 3),
        rope_theta=float(rope_fields(fields).number("rope_theta", fields.number("rope_theta", 10_000.0))),
        norm_eps=float(fields.number("norm_eps", 1e-5)),
        shuffle_ratio=float(fields.number("pixel_shuffle_ratio", 0.5)),
        adapter_hidden=fields.integer("projector_input_dim"),
        adapter_out=out,
        patch_token=root.integer("image_token_index", root.integer("image_token_id", 200_092)),
    )
    # The published files have one field for two sizes each; the weights cannot be told apart otherwise.
    if made.shuffled != ffn or made.adapter_hidden != out or fields.integer("vision_output_dim", out) != out:
        raise fields.refusal("intermediate_size", "the widths of tower, pixel shuffle, adapter and projector do not fit each other")
    return made


def warn_of_early_scout(config: ModelConfig, text: Fields) -> None:
    """The first published configs of Llama 4 Scout had two wrong values."""
    if config.family != "llama4":
        return
    if config.rope_scaling == EARLY_SCOUT:
        say_what_is_wrong(text, "factor 8, low_freq_factor 1 and high_freq_factor 4 for its positions", "16, 1 and 1")
    if text.get("attn_temperature_tuning") == 4:
        say_what_is_wrong(text, "attn_temperature_tuning = 4", "true")


def say_what_is_wrong(text: Fields, wrong: str, right: str) -> None:
    warnings.warn(
        f"{text.place} says {wrong}, as the first files of Llama 4 Scout did; right for Scout is {right}. It is used as written: "
        "if this is Scout, correct config.json or fetch it again.",
        ModelWarning,
        stacklevel=2,
    )
