"""What a config.json says of positions: theta, scaling, and which layers have any. Both spellings of the files. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.config import RopeScaling
from engine.loading.config_fields import Fields

# We turn whole heads.
WHOLE_HEADS: dict[str, tuple[Any, ...]] = {"partial_rotary_factor": (1.0, None)}


def rope_fields(text: Fields) -> Fields:
    """Newer files have one object for theta and scaling, older ones an object for the scaling only."""
    return text.part("rope_parameters" if text.get("rope_parameters") else "rope_scaling")


def rope_scaling(text: Fields) -> RopeScaling | None:
    fields = rope_fields(text)
    kind = fields.get("rope_type", fields.get("type", "default"))
    if any(isinstance(value, Mapping) for value in fields.values.values()) or kind not in ("default", "llama3"):
        raise fields.refusal("rope_type", "the engine computes one rotation for all layers, default or llama3")
    fields.only(WHOLE_HEADS)
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
