"""The scan head that belongs to a model, if one does: a small safetensors file whose metadata names the model that it was trained on.

A model without one is no error: its chunks are then found by their words. Knows nothing of how a head is used.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from engine.config import ModelConfig
from engine.errors import ModelDamaged
from engine.loading.trained_part import UNREADABLE, read_part
from engine.model.scan_head import ScanHead

SCAN_HEAD = "scan_head.safetensors"
QUERY, KEY = "query.weight", "key.weight"


def read_scan_head(model: str, config: ModelConfig, path: Path, device: torch.device | str = "cpu") -> ScanHead | None:
    """The head in the file if it was trained on the model of that fingerprint (engine.loading.load.LoadedModel); None if it was not, or
    there is no file. Raises ModelDamaged for a file that cannot be that model's."""
    try:
        part = read_part(path, model)
        if part is None:
            return None
        query, key = part.tensors[QUERY], part.tensors[KEY]
        layers = tuple(map(int, part.metadata["layers"].split()))
    except UNREADABLE as error:
        raise ModelDamaged(f"The scan head {path} cannot be read ({error}). Fetch the file again.") from error
    there = layers and layers == tuple(sorted(set(layers))) and layers[0] > 0 and layers[-1] < config.layers
    if not there or query.shape != key.shape or key.dim() != 2 or key.shape[1] != config.hidden * len(layers):
        raise ModelDamaged(f"The scan head {path} is not for {config.name}: {list(key.shape)} at layers {layers}. Fetch the file again.")
    weighted = part.metadata.get("weighted", "yes") == "yes"
    digest = hashlib.sha256(f"{layers} ".encode() + key.numpy().tobytes())
    return ScanHead(layers, query.to(device), key.to(device), digest.hexdigest(), weighted)
