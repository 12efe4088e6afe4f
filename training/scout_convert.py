"""The base model in the Scout layout, as fp32 weights to train: `convert`. Knows no data.

Nothing is permuted: our decoder turns halves, and a GGUF file's rows are put so when it is read (`engine.loading`). Only the per-layer
facts change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.config import ModelConfig
from engine.loading.load import load_model
from engine.loading.scout_layout import ScoutLayout


@dataclass(frozen=True, slots=True)
class Base:
    """`plain` is the model as it was, `config` the same in the Scout layout; both have these weights. `fingerprint` is the file's."""

    plain: ModelConfig
    config: ModelConfig
    weights: dict[str, Tensor]
    fingerprint: str


def convert(place: Path, layout: ScoutLayout) -> Base:
    """The llama in folder `place`. Raises an EngineError for a folder without one."""
    loaded = load_model(place, dtype=torch.float32)
    return Base(loaded.config, layout.of(loaded.config), loaded.decoder, loaded.fingerprint)
