"""Fitted close layers to the file that the engine loads: low-rank sums in bf16, the rest in fp32, and the model that they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.loading.trained_part import read_part
from engine.model.close_layers import CloseShape, CloseWeights


def export(path: Path, shape: CloseShape, own: Mapping[str, Tensor], weights: CloseWeights, model: str) -> None:
    """`model`: the fingerprint of the base model's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: tensor.to(torch.bfloat16 if name.startswith("layers.") else torch.float32).contiguous() for name, tensor in own.items()}
    save_file(kept, path, {"model": model, "shape": json.dumps(asdict(shape)), "weights": json.dumps(asdict(weights))})


def reweighted(path: Path, weights: CloseWeights) -> None:
    """The same file with other weights."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() | {"weights": json.dumps(asdict(weights))}
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    save_file(tensors, path.with_suffix(".part"), metadata)
    path.with_suffix(".part").replace(path)


def exported(path: Path, model: str) -> dict[str, Tensor]:
    """What `export` wrote, to go on from, in fp32. Raises ValueError where there are no close layers of that model."""
    part = read_part(path, model)
    if part is None:
        raise ValueError(f"{path} holds no close layers of this model.")
    return part.tensors
