"""A fitted head to the file that the engine loads: `query.weight` and `key.weight` [W, C] in fp16, and what they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from training.scan_fit import Head


def export(path: Path, head: Head, layers: Sequence[int], model: str) -> None:
    """`model`: the fingerprint of the base model's file; `layers`: those whose normalised inputs the head reads.

    Scaling all queries alike changes no score, so they are made about as long as the keys.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    query, key = head.query.detach(), head.key.detach()
    tensors = {"query.weight": (query / query.norm() * key.norm()).to(torch.float16), "key.weight": key.to(torch.float16)}
    metadata = {"layers": " ".join(map(str, layers)), "model": model, "weighted": "yes" if head.weighted else "no"}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
