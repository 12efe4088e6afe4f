"""The base weights and an engine with them, as the engine's own tests have them."""

from __future__ import annotations

from tests.engine.conftest import engine, weights_folder

__all__ = ["engine", "weights_folder"]
