"""The engine that the settings name: a server's where LONGREAD_ENGINE_URL is set, else this machine's. One a process.

Imports torch only when this machine's own engine is asked for.
"""

from __future__ import annotations

import threading
from pathlib import Path

from engine.face import EngineFace
from engine.remote.address import ServerAddress, from_environment
from engine.remote.engine import RemoteEngine

_lock = threading.Lock()
_remote: dict[tuple[ServerAddress, Path], RemoteEngine] = {}


def get_engine(model_folder: Path, store_folder: Path, budget_bytes: int | None = None) -> EngineFace:
    """The process's engine for these settings; without a budget, the store's own default. Raises an EngineError."""
    address = from_environment()
    if address is None:
        # Imported here, so that a worker whose questions go to a server needs no torch.
        from engine import runtime

        if budget_bytes is None:
            return runtime.get_engine(model_folder, store_folder)
        return runtime.get_engine(model_folder, store_folder, budget_bytes)
    with _lock:
        key = (address, model_folder.resolve())
        if key not in _remote:
            _remote[key] = RemoteEngine.open(address, model_folder)
        return _remote[key]
