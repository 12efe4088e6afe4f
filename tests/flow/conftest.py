"""A Longread whose parts the tests of this folder kill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes import Longread


@pytest.fixture(scope="package")
def home_of_mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Longread]:
    mortal = Longread(tmp_path_factory.mktemp("mortal"), {"LONGREAD_SILENCE_SECONDS": "8"})
    yield mortal
    mortal.stop()


@pytest.fixture
def mortal(home_of_mortal: Longread) -> Longread:
    """Running, with whatever a test before has left in it."""
    if not home_of_mortal.is_running:
        home_of_mortal.start()
    return home_of_mortal
