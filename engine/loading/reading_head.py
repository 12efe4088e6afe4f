"""The reading head that belongs to a model, if one does: a small safetensors file whose metadata names the model that it was trained on.

A model without one is no error. Knows nothing of how a head is used.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from engine.config import ModelConfig
from engine.errors import ModelDamaged
from engine.loading.trained_part import UNREADABLE, read_part
from engine.model.reading_head import ReadingHead, ReadingShape, Weights

READING_HEAD = "reading_head.safetensors"


def read_reading_head(model: str, config: ModelConfig, path: Path, device: torch.device | str = "cpu") -> ReadingHead | None:
    """The head in the file if it was trained on the model of that fingerprint (engine.loading.load.LoadedModel); None if it was not, or
    there is no file. Raises ModelDamaged for a file that cannot be that model's."""
    try:
        part = read_part(path, model)
        if part is None:
            return None
        fields, weights = json.loads(part.metadata["shape"]), json.loads(part.metadata["weights"])
        shape = ReadingShape(tuple(fields["layers"]), fields["values"], fields["width"], fields["depth"])
        head = ReadingHead(shape, Weights(**weights | {"sentence": tuple(weights["sentence"])}))
        head.load_state_dict(part.tensors)
    except UNREADABLE as error:
        raise ModelDamaged(f"The reading head {path} cannot be read ({error}). Fetch the file again.") from error
    if shape.values != config.kv_heads * config.head_dim or not all(0 <= layer < config.layers for layer in shape.layers):
        raise ModelDamaged(f"The reading head {path} is not for {config.name}. Fetch the file again.")
    return head.to(device).eval()
