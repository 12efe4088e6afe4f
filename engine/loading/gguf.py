"""A GGUF file -> config and weights under our names.

Reading a GGUF takes seconds; what comes of it is kept beside it as `weights.safetensors` (bf16, memory-mapped by the next start) with
the file's sum and our converter's version, and made again when either differs. Which names and which order of rows such files have is
in engine.loading.gguf_names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.config import ModelConfig
from engine.errors import ModelDamaged, ModelMissing
from engine.loading.assemble import assemble
from engine.loading.files import file_sum, keep_beside
from engine.loading.gguf_config import FACTORS, config_of, open_gguf
from engine.loading.gguf_names import gguf_pieces

CONVERTER = "3"


class GgufTensors:
    """The tensors of one open GGUF file, given as fp32."""

    def __init__(self, reader: GGUFReader, path: Path) -> None:
        # What the factors of positions say is in the config.
        self._tensors: dict[str, Any] = {tensor.name: tensor for tensor in reader.tensors if tensor.name != FACTORS}
        self._paths = dict.fromkeys(self._tensors, path)

    @property
    def names(self) -> set[str]:
        return set(self._tensors)

    def path(self, name: str) -> Path:
        return self._paths[name]

    def shape(self, name: str) -> tuple[int, ...]:
        # GGUF counts dimensions from the one that changes fastest.
        return tuple(reversed(self._tensors[name].shape.tolist()))

    def read(self, name: str) -> Tensor:
        """Raises ModelDamaged for a quantisation that the gguf package does not read."""
        tensor = self._tensors[name]
        try:
            values = np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        except NotImplementedError as error:
            raise ModelDamaged(f"{self.path(name)} holds {name} in an unknown form ({error}). Use another file of this model.") from error
        return torch.from_numpy(values).reshape(self.shape(name))


def load(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Config and bf16 weights of a GGUF file, from the cache beside it where that holds. Raises ModelMissing or ModelDamaged."""
    if not path.is_file():
        raise ModelMissing(f"There is no model at {path}. Run `python -m engine.loading.bundled`, or set LONGREAD_MODEL.")
    cached, key = path.with_name("weights.safetensors"), f"{CONVERTER} {file_sum(path)}"
    if (kept := read_cached(cached, key)) is not None:
        return kept
    config, tensors = opened(path)
    rounded = {name: tensor.to(torch.bfloat16) for name, tensor in tensors}
    metadata = {"key": key, "config": json.dumps(config.as_json())}
    keep_beside(cached, lambda temporary: save_file(rounded, temporary, metadata))
    return config, rounded


def read_cached(path: Path, key: str) -> tuple[ModelConfig, dict[str, Tensor]] | None:
    """What an earlier start kept, or None if it is not there, not whole, or of another file or converter."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            return ModelConfig.from_json(json.loads(metadata["config"])), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, TypeError):
        return None


def convert(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Config and fp32 weights straight from the file. Raises ModelDamaged naming what is missing, not known or of another shape."""
    config, tensors = opened(path)
    return config, dict(tensors)


def opened(path: Path) -> tuple[ModelConfig, Iterator[tuple[str, Tensor]]]:
    reader = open_gguf(path)
    config = config_of(reader, path)
    return config, assemble(config, GgufTensors(reader, path), gguf_pieces(config), path)
