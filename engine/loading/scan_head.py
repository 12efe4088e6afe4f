"""The scan head that belongs to a model, if one does: a small safetensors file whose metadata names the model that it was trained on.

A model without one is no error: its chunks are then found by their words. Knows nothing of how a head is used.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from engine.config import ModelConfig
from engine.errors import ModelDamaged
from engine.model.scan_head import ScanHead

BUNDLED = Path(__file__).with_name("bundled") / "scan_head.safetensors"
QUERY, KEY = "query.weight", "key.weight"


def read_scan_head(model: str, config: ModelConfig, device: torch.device | str = "cpu", path: Path = BUNDLED) -> ScanHead | None:
    """The head in the file if it was trained on the model of that fingerprint (engine.loading.load.LoadedModel); None if it was not, or
    there is no file. Raises ModelDamaged for a file that cannot be that model's."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("model") != model:
                return None
            query, key, layer = file.get_tensor(QUERY).float(), file.get_tensor(KEY).float(), int(metadata["layer"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelDamaged(f"The scan head {path} cannot be read ({error}). Fetch the file again.") from error
    if query.shape != key.shape or key.dim() != 2 or key.shape[1] != config.hidden or not 0 < layer < config.layers:
        raise ModelDamaged(f"The scan head {path} is not for {config.name}: {list(key.shape)} at layer {layer}. Fetch the file again.")
    weighted = metadata.get("weighted", "yes") == "yes"
    digest = hashlib.sha256(f"{layer} {weighted}".encode())
    for weight in (query, key):
        digest.update(weight.numpy().tobytes())
    return ScanHead(layer, query.to(device), key.to(device), digest.hexdigest(), weighted)
