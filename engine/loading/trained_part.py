"""A trained part of a model in a safetensors file of its own, whose metadata names the model that it was trained on.

Knows nothing of what any part is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor

UNREADABLE = (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError)
"""What reading a damaged file, or one of another shape, may raise."""


class TrainedPart(NamedTuple):
    """`tensors` in fp32, on the CPU."""

    metadata: Mapping[str, str]
    tensors: dict[str, Tensor]


def read_part(path: Path, model: str) -> TrainedPart | None:
    """What the file holds if it was trained on the model of that fingerprint (engine.loading.load.LoadedModel); None if it was not, or
    there is no file. Raises some of UNREADABLE."""
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if metadata.get("model") != model:
            return None
        return TrainedPart(metadata, {name: file.get_tensor(name).float() for name in file.keys()})  # noqa: SIM118 (it is no mapping)
