"""The close layers that belong to a model, if any do: a safetensors file whose metadata names the model that they were trained on.

They are sums of low rank, added to the model's tensors at load. A model without them is no error: its sentences are then chosen by its
reading head. Knows nothing of how they are used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from engine.config import ModelConfig
from engine.errors import ModelDamaged
from engine.loading.trained_part import UNREADABLE, read_part
from engine.model.close_layers import CloseLayers, CloseModel, CloseShape, CloseWeights

CLOSE_LAYERS = "close_layers.safetensors"


def read_close_layers(
    model: str, config: ModelConfig, path: Path, base: Mapping[str, Tensor], *, int8: bool = False, device: torch.device | str = "cpu"
) -> CloseModel | None:
    """Those in the file if they were trained on the model of that fingerprint, whose tensors are `base` (engine.loading.load.LoadedModel);
    None if they were not, or there is no file. Raises ModelDamaged for a file that cannot be that model's."""
    try:
        part = read_part(path, model)
        if part is None:
            return None
        shape, weights = CloseShape(**json.loads(part.metadata["shape"])), CloseWeights(**json.loads(part.metadata["weights"]))
        own = {name: tensor.to(device) for name, tensor in part.tensors.items()}
        if not (0 < shape.first < shape.first + shape.count <= config.layers) or any(config.moe[shape.first : shape.first + shape.count]):
            raise ValueError(f"it has no layers {shape.first} to {shape.first + shape.count}")
        return CloseModel(CloseLayers.from_weights(shape, config, base, own, int8=int8), weights)
    except UNREADABLE as error:
        raise ModelDamaged(f"The close layers {path} are not for {config.name} ({error}). Fetch the file again.") from error
