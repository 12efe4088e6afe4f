"""The heads that read for a model, if it has them: small safetensors files whose metadata names the model that they were trained on.

A model without them is no error. Knows nothing of how a head is used.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open

from engine.config import ModelConfig
from engine.errors import ModelDamaged
from engine.model.reading_head import CloseHead, CloseWeights, ReadingHead, ReadingShape, Weights

W = TypeVar("W")

READING_HEAD = "reading_head.safetensors"
CLOSE_HEAD = "close_head.safetensors"


def read_reading_head(model: str, config: ModelConfig, path: Path, device: torch.device | str = "cpu") -> ReadingHead | None:
    """The head in the file if it was trained on the model of that fingerprint (engine.loading.load.LoadedModel); None if it was not, or
    there is no file. Raises ModelDamaged for a file that cannot be that model's."""
    found = _read(model, config, path, lambda fields: Weights(**fields | {"sentence": tuple(fields["sentence"])}))
    if found is None:
        return None
    head, weights = found
    head.weights = weights
    return head.to(device).eval()


def read_close_head(model: str, config: ModelConfig, path: Path, device: torch.device | str = "cpu") -> CloseHead | None:
    """The same of a head that reads sentences after their question."""
    found = _read(model, config, path, lambda fields: CloseWeights(tuple(fields["sentence"]), tuple(fields["found"]), fields["bias"]))
    return CloseHead(found[0].to(device).eval(), found[1]) if found else None


def _read(model: str, config: ModelConfig, path: Path, weights_of: Callable[[dict[str, Any]], W]) -> tuple[ReadingHead, W] | None:
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("model") != model:
                return None
            fields, weights = json.loads(metadata["shape"]), weights_of(json.loads(metadata["weights"]))
            shape = ReadingShape(tuple(fields["layers"]), fields["values"], fields["width"], fields["depth"])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        head = ReadingHead(shape)
        head.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelDamaged(f"The head {path} cannot be read ({error}). Fetch the file again.") from error
    if shape.values != config.kv_heads * config.head_dim or not all(0 <= layer < config.layers for layer in shape.layers):
        raise ModelDamaged(f"The head {path} is not for {config.name}. Fetch the file again.")
    return head, weights
