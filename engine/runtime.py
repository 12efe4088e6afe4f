"""One engine a process, opened at first use: where the environment's choices for it are read. Knows threads and folders."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import torch

from engine.cache.store import DEFAULT_BUDGET_BYTES
from engine.engine import Engine
from engine.errors import EngineError

_lock = threading.Lock()
_engines: dict[tuple[Path, Path], Engine] = {}


def get_engine(model_folder: Path, store_folder: Path, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> Engine:
    """The process's engine for these folders, for all its threads. Raises an EngineError.

    LONGREAD_THREADS sets how many threads the arithmetic uses; without it, one a core. LONGREAD_WEIGHTS is the form in which weights are
    held (engine.model.weight_choice), LONGREAD_ADAPTER a folder with a LoRA for the model, LONGREAD_STORE_CODEC the form in which state is
    stored (engine.cache.codec).
    """
    with _lock:
        key = (model_folder.resolve(), store_folder.resolve())
        if key not in _engines:
            torch.set_num_threads(_threads(os.environ.get("LONGREAD_THREADS", "").strip()))
            weights, adapter = os.environ.get("LONGREAD_WEIGHTS", "").strip(), os.environ.get("LONGREAD_ADAPTER", "").strip()
            _engines[key] = Engine.open(
                model_folder,
                store_folder,
                budget_bytes=budget_bytes,
                weights=weights or None,
                adapter=Path(adapter) if adapter else None,
                codec=os.environ.get("LONGREAD_STORE_CODEC", "").strip() or None,
            )
        return _engines[key]


def _threads(said: str) -> int:
    """Raises EngineError."""
    if said and not (said.isascii() and said.isdigit() and int(said)):
        raise EngineError(f"LONGREAD_THREADS is {said!r}; it must be a whole number of at least 1.")
    return int(said) if said else os.cpu_count() or 1
