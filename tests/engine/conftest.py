"""The base weights, fetched where they are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.loading.bundled import fetch


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    return fetch()
