"""How many pages a second the web server gives, beside an address that it does not have: what server, middleware
and a template cost without any row. Starts Longread as `./run` does, in a data folder of its own.
"""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from pathlib import Path

from bench.row import Row
from tests.processes import PASSWORD, Longread, Visitor

SECONDS = 4.0
CONNECTIONS = 4


def run() -> list[Row]:
    """One measurement, in about half a minute."""
    with tempfile.TemporaryDirectory(prefix="longread-bench-") as folder:
        longread = Longread(Path(folder))
        longread.start()
        try:
            visitor = Visitor(longread.address)
            visitor.post("/setup/", {"username": "bench", "password1": PASSWORD, "password2": PASSWORD})
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.cookies)
            empty = rate(longread.port, "/favicon.ico", "")
            return [Row("library page, signed in", rate(longread.port, "/", cookies), "pages/s", "a page that is not there", empty)]
        finally:
            longread.stop()


def rate(port: int, path: str, cookies: str) -> float:
    """Answers a second over a few connections that are kept open."""
    counts = [0] * CONNECTIONS
    end = time.monotonic() + SECONDS

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.monotonic() < end:
            connection.request("GET", path, headers={"Cookie": cookies, "Host": f"localhost:{port}"})
            connection.getresponse().read()
            counts[number] += 1
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS
