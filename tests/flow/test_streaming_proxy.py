"""An answer on its way to people: through nginx as it comes from Debian, to several tabs, after a cut connection, and with no database
connection held. The model is a server that says what the test lets it say, so that "before the answer ends" is no matter of luck."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.missing import missing
from tests.processes import Longread, Visitor, free_port, wait_for
from tests.remote_server import Slow

pytestmark = [pytest.mark.slow, pytest.mark.weights]

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
# What Debian's own nginx.conf says, with a site in front of Longread; buffering is on, as it is by default.
CONFIGURATION = """
daemon off; pid {folder}/pid; error_log {folder}/errors; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  sendfile on; tcp_nopush on; types_hash_max_size 2048; default_type application/octet-stream; gzip on; access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{behind}; }} }}
}}
"""


@pytest.fixture
def asked(visitor: Visitor, slow: Slow) -> str:
    """The path of the stream of an answer that has begun, and goes on when `slow.may_end` is set."""
    slow.may_end.clear()
    collection = visitor.find(r"/collections/[0-9a-f-]+/", "/")
    page = visitor.post(f"{collection}ask", {"text": "How much notice is needed?"}, form_at=collection)
    found = re.search(r"/answers/[0-9a-f-]+/stream", page)
    assert found, page
    return found[0]


@pytest.fixture(scope="module")
def proxy(slow_longread: Longread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not os.access(NGINX, os.X_OK):
        missing("there is no nginx on this machine (on Debian: apt install nginx-light)")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port, behind=slow_longread.port))
    process = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors")])
    wait_for(lambda: (folder / "pid").exists(), 10, "nginx")
    yield f"http://localhost:{port}"
    process.terminate()
    process.wait(10)


def opened(visitor: Visitor, address: str, last_id: str = "") -> HTTPResponse:
    request = urllib.request.Request(address, headers={"Last-Event-ID": last_id} if last_id else {})
    response: HTTPResponse = visitor.opener.open(request, timeout=60)
    return response


def told(response: HTTPResponse, until: str) -> list[str]:
    """The stream's events, each as its lines, up to the first of that name."""
    events: list[str] = []
    lines: list[str] = []
    while line := response.readline().decode():
        lines.append(line)
        if line == "\n":
            events.append("".join(lines))
            lines = []
            if f"event: {until}\n" in events[-1]:
                return events
    raise AssertionError(f"the stream ended without {until}: {events}")


def test_the_first_token_comes_through_nginx_before_the_answer_ends(visitor: Visitor, proxy: str, slow: Slow, asked: str) -> None:
    with opened(visitor, proxy + asked) as stream:
        assert stream.headers["Cache-Control"] == "no-cache"
        assert stream.headers["Content-Encoding"] is None
        before = told(stream, "token")
        assert any("event: located" in event for event in before)
        assert "Ninety days" in before[-1]
        assert not slow.may_end.is_set()
        slow.may_end.set()
        after = told(stream, "done")
    assert any("terms.txt" in event for event in after if "event: citation" in event)


def test_every_tab_sees_the_whole_and_a_cut_one_goes_on_where_it_was(visitor: Visitor, slow: Slow, asked: str) -> None:
    address = visitor.address + asked
    with opened(visitor, address) as cut:
        seen = told(cut, "token")
    last_id = re.findall(r"^id: (\S+)$", seen[-1], re.MULTILINE)[0]
    with opened(visitor, address) as second, opened(visitor, address, last_id) as resumed:
        assert told(second, "token") == seen
        slow.may_end.set()
        rest = told(second, "done")
        assert told(resumed, "done") == rest
    with opened(visitor, address) as late:
        assert told(late, "done") == [*seen, *rest], "who comes after the end is told the same"


def database_files(longread: Longread) -> int:
    """How many times the web server has the database open."""
    pid = longread.part("uvicorn")
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            count += link.readlink().name == "longread.sqlite3"
    return count


def test_followers_hold_no_database_connection(visitor: Visitor, slow_longread: Longread, slow: Slow, asked: str) -> None:
    before = database_files(slow_longread)
    with ExitStack() as stack:
        followers = [stack.enter_context(opened(visitor, visitor.address + asked)) for _ in range(8)]
        for follower in followers:
            told(follower, "token")
        wait_for(lambda: database_files(slow_longread) <= before, 10, "the end of the followers' database connections")
        slow.may_end.set()
        for follower in followers:
            told(follower, "done")


def test_an_answer_whose_worker_was_killed_is_given_when_longread_runs_again(
    visitor: Visitor, slow_longread: Longread, slow: Slow, asked: str
) -> None:
    with opened(visitor, visitor.address + asked) as stream:
        told(stream, "token")
    assert "The engine worker was killed by SIGKILL" in slow_longread.killed("-Q engine")
    slow.may_end.set()
    slow_longread.start()
    with opened(visitor, visitor.address + asked) as stream:
        events = told(stream, "done")
    names = [name for event in events for name in re.findall(r"^event: (\S+)$", event, re.MULTILINE)]
    after = names[names.index("restart") :]
    assert after.count("located") == after.count("citation") == 1
    assert "Ninety days" in "".join(events[names.index("restart") :])
