"""The close layers that belong to a model, if any do: a safetensors file whose metadata names the model that they were trained on.

They are sums of low rank, added to the model's tensors at load. A model without them is no error: its sentences are then chosen by its
reading head. Knows nothing of how they are used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.config import ModelConfig
from engine.errors import ModelDamaged
from engine.model.close_layers import CloseLayers, CloseModel, CloseShape, CloseWeights

CLOSE_LAYERS = "close_layers.safetensors"


def read_close_layers(
    model: str, config: ModelConfig, path: Path, base: Mapping[str, Tensor], *, int8: bool = False, device: torch.device | str = "cpu"
) -> CloseModel | None:
    """Those in the file if they were trained on the model of that fingerprint, whose tensors are `base` (engine.loading.load.LoadedModel);
    None if they were not, or there is no file. Raises ModelDamaged for a file that cannot be that model's."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("model") != model:
                return None
            shape, weights = CloseShape(**json.loads(metadata["shape"])), CloseWeights(**json.loads(metadata["weights"]))
            own = {name: file.get_tensor(name).float().to(device) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        if not (0 < shape.first < shape.first + shape.count <= config.layers) or any(config.moe[shape.first : shape.first + shape.count]):
            raise ValueError(f"it has no layers {shape.first} to {shape.first + shape.count}")
        return CloseModel(CloseLayers.from_weights(shape, config, base, own, int8=int8), weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelDamaged(f"The close layers {path} are not for {config.name} ({error}). Fetch the file again.") from error
