"""What a test needs of the machine and does not find there. A developer's machine may lack it; the one that CI runs on must not."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Leaves the test out with that reason, and fails it where CI is set (.ci/run sets it)."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
