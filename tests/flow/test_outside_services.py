"""The same application against PostgreSQL and an outside Redis, which are what docker-compose.yml runs it with.

LONGREAD_TEST_DATABASE_URL and LONGREAD_TEST_REDIS_URL name them (.ci/run starts both); without them there is nothing to test against.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.processes import ROOT

DATABASE = os.environ.get("LONGREAD_TEST_DATABASE_URL", "")
REDIS = os.environ.get("LONGREAD_TEST_REDIS_URL", "")


@pytest.mark.slow
@pytest.mark.skipif(not (DATABASE and REDIS), reason="LONGREAD_TEST_DATABASE_URL and LONGREAD_TEST_REDIS_URL name no servers")
def test_it_passes_its_own_tests_on_postgresql_and_redis() -> None:
    environment = dict(os.environ) | {"DATABASE_URL": DATABASE, "REDIS_URL": REDIS}
    options = ["-m", "not browser", "-p", "no:cacheprovider", "--numprocesses", "2", "--dist", "loadfile"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/webapp", *options], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
