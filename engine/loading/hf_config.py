"""A checkpoint's config.json -> ModelConfig, for the families llama4, llama and smollm3.

What the engine cannot compute as the config asks is refused with the field's name; nothing is guessed. A field that older files leave
out has its family's default (sizes have none). Knows no weights. Imports no torch.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import Experts, ModelConfig, RopeScaling, Temperature, VisionConfig, dense
from engine.errors import ModelDamaged, ModelMissing, ModelWarning

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
    "partial_rotary_factor": (1.0, None),
    "quantization_config": (None,),
}
ONLY_VISION: dict[str, tuple[Any, ...]] = {"hidden_act": ("gelu",), "vision_feature_select_strategy": ("default",)}
EARLY_SCOUT = RopeScaling(factor=8.0, low=1.0, high=4.0, original_context=8192)


@dataclass(frozen=True, slots=True)
class Fields:
    """One object of a config, and where it stands, for messages. A null counts as absent."""

    values: Mapping[str, Any]
    place: str

    def get(self, name: str, default: Any = None) -> Any:
        value = self.values.get(name)
        return default if value is None else value

    def number(self, name: str, default: float | None = None) -> float:
        """Raises ModelDamaged for a field that is no number, or absent and without a default."""
        value = self.get(name, default)
        if value is None:
            raise ModelDamaged(f"{self.place} has no {name}. It is of another kind of model, or cut short: fetch it again.")
        if not isinstance(value, int | float):
            raise self.refusal(name, "a number is expected")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        return int(self.number(name, default))

    def part(self, name: str) -> Fields:
        value = self.get(name, {})
        if not isinstance(value, Mapping):
            raise self.refusal(name, "an object is expected")
        return Fields(value, f"{self.place}, {name},")

    def only(self, allowed: Mapping[str, tuple[Any, ...]]) -> None:
        """Raises ModelDamaged for a field with another value than those that we compute."""
        for name, values in allowed.items():
            if self.values.get(name, values[0]) not in values:
                raise self.refusal(name, f"the engine computes only {values[0]}")

    def per_layer(self, name: str, layers: int) -> list[Any] | None:
        """A list with at least one value a layer, cut to the layers; None where it is absent or empty."""
        value = self.get(name)
        if not value:
            return None
        if not isinstance(value, list) or len(value) < layers:
            raise self.refusal(name, f"one value for each of the {layers} layers is expected")
        return value[:layers]

    def refusal(self, name: str, reason: str) -> ModelDamaged:
        shown = json.dumps(self.values.get(name), default=str)[:80]
        return ModelDamaged(f"{self.place} says {name} = {shown}; {reason}. Use another model, or an unchanged one of this family.")


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


def read_json(path: Path) -> dict[str, Any]:
    """Raises ModelMissing or ModelDamaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelMissing(f"There is no {path}. Give the folder of a model, with its config.json.") from error
    except (OSError, ValueError) as error:
        raise ModelDamaged(f"{path} cannot be read as JSON ({error}). Fetch it again.") from error
    if not isinstance(values, dict):
        raise ModelDamaged(f"{path} is no JSON object. Fetch it again.")
    return values


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


def rope_fields(text: Fields) -> Fields:
    """Newer files have one object for theta and scaling, older ones an object for the scaling only."""
    return text.part("rope_parameters" if text.get("rope_parameters") else "rope_scaling")


def rope_scaling(text: Fields) -> RopeScaling | None:
    fields = rope_fields(text)
    kind = fields.get("rope_type", fields.get("type", "default"))
    if any(isinstance(value, Mapping) for value in fields.values.values()) or kind not in ("default", "llama3"):
        raise fields.refusal("rope_type", "the engine computes one rotation for all layers, default or llama3")
    fields.only({"partial_rotary_factor": ONLY["partial_rotary_factor"]})
    if kind == "default":
        return None
    return RopeScaling(
        factor=float(fields.number("factor")),
        low=float(fields.number("low_freq_factor")),
        high=float(fields.number("high_freq_factor")),
        original_context=fields.integer("original_max_position_embeddings", text.integer("max_position_embeddings")),
    )


def positions(text: Fields, layers: int) -> tuple[bool, ...]:
    """One bool a layer from no_rope_layers, where 1 means that the layer does rotate; absent or empty: all but every fourth."""
    listed = text.per_layer("no_rope_layers", layers)
    if listed is not None:
        return tuple(bool(value) for value in listed)
    every = text.integer("no_rope_layer_interval", 4)
    if every < 1:
        raise text.refusal("no_rope_layer_interval", "at least 1 is expected")
    return tuple((layer + 1) % every != 0 for layer in range(layers))


def smollm3(text: Fields, layers: int) -> dict[str, Any]:
    kinds = text.per_layer("layer_types", layers) or []
    window = text.get("use_sliding_window", False) and text.get("sliding_window") and not kinds
    if window or any(kind != "full_attention" for kind in kinds):
        raise text.refusal("layer_types" if kinds else "sliding_window", "the engine computes full attention for this family")
    return dense(layers) | {"rope": positions(text, layers)}


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


def end_tokens(path: Path, root: Fields, text: Fields) -> tuple[int, ...]:
    """Every id that ends a turn, those of generation_config.json first."""
    beside = path.with_name("generation_config.json")
    places = [read_json(beside)] if beside.is_file() else []
    listed = [place.get("eos_token_id") for place in (*places, root.values, text.values)]
    ids = [id for value in listed if value is not None for id in (value if isinstance(value, list) else [value])]
    return tuple(dict.fromkeys(ids))


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
