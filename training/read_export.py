"""A fitted reading head to the file that the engine loads: its weights in fp16, its shape, and the model that it belongs to."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from engine.model.reading_head import ReadingHead


def export(path: Path, head: ReadingHead, model: str) -> None:
    """`model`: the fingerprint of the base model's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in head.state_dict().items()}
    save_file(tensors, path, {"model": model, "shape": json.dumps(asdict(head.shape)), "weights": json.dumps(asdict(head.weights))})
