"""The base weights, fetched where they are missing, and an engine with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.engine import Engine
from engine.loading.bundled import fetch


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    return fetch()


@pytest.fixture(scope="module")
def engine(weights_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The real model with a store of the module's own."""
    engine = Engine.open(weights_folder, tmp_path_factory.mktemp("store"))
    yield engine
    engine.close()
