"""The safetensors files of a folder as one mapping from plain name to tensor, memory-mapped: nothing is copied until it is used.

Knows no model. A file that is missing or cut short is named.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.errors import ModelDamaged
from engine.loading.hf_names import CONSTANTS, plain_name

FLOATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
HEAD = "lm_head.weight"


class Shards:
    """Open files; tensors that were read stay valid after they are closed."""

    def __init__(self, files: tuple[Path, ...], *, tied: bool = False) -> None:
        """A tied model's files may carry the head along; it is left out. Raises ModelDamaged for a file that is missing or not whole."""
        self._left_out = (*CONSTANTS, HEAD) if tied else CONSTANTS
        self._stack = ExitStack()
        self._home: dict[str, tuple[Any, str, Path]] = {}
        for path in files:
            self._open(path)

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    @property
    def names(self) -> set[str]:
        """Plain names of all tensors that are no constants."""
        return set(self._home)

    def shape(self, name: str) -> tuple[int, ...]:
        file, written, _ = self._home[name]
        return tuple(file.get_slice(written).get_shape())

    def path(self, name: str) -> Path:
        """The file that holds the tensor."""
        return self._home[name][2]

    def read(self, name: str) -> Tensor:
        """A view of the file's bytes. Raises ModelDamaged for a type of quantised numbers."""
        file, written, path = self._home[name]
        kind = file.get_slice(written).get_dtype()
        if kind not in FLOATS:
            raise ModelDamaged(
                f"{path} holds {written} as {kind}; the engine reads {', '.join(FLOATS)}. Use the checkpoint that is not quantised; "
                "the engine quantises it when it is asked to."
            )
        tensor: Tensor = file.get_tensor(written)
        return tensor

    def _open(self, path: Path) -> None:
        try:
            file = self._stack.enter_context(safe_open(path, framework="pt"))
        except FileNotFoundError as error:
            raise ModelDamaged(f"{path} is missing, though the model's index names it. Fetch this file again.") from error
        except (OSError, SafetensorError) as error:
            raise ModelDamaged(f"{path} is no whole safetensors file ({error}). Fetch this file again.") from error
        for written in file.keys():  # noqa: SIM118
            if not written.endswith(self._left_out):
                self._home[plain_name(written)] = (file, written, path)
