"""One running Longread for the tests that only use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes import Longread


@pytest.fixture(scope="session")
def longread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Longread]:
    """The whole application, started as `./run` starts it. Its folder has a space in its name, as people's folders do."""
    longread = Longread(tmp_path_factory.mktemp("a home"))
    longread.start()
    yield longread
    longread.stop()
