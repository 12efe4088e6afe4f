"""Longread's real processes for tests: the whole of `./run` in a data folder of its own, and a person at its pages."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "correct horse battery"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and parent(int(entry.name)) == pid]


def parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


T = TypeVar("T")


def wait_for(ask: Callable[[], T], seconds: float, what: str) -> T:
    """The first true answer. Fails the test with `what` when none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what} did not happen in {seconds} s")


@dataclass
class Longread:
    """The whole application as `./run` starts it. `home` is its data folder."""

    home: Path
    extra: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Its own data and its own broker, whatever the tests themselves use."""
        inherited = {
            name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"}
        }
        return inherited | {"LONGREAD_HOME": str(self.home), "PYTHONPATH": str(ROOT)} | self.extra

    def start(self) -> None:
        command = [sys.executable, "-m", "webapp.serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout
        for line in self.process.stdout:
            if "Longread is at" in line:
                return
        raise AssertionError(f"Longread did not start:\n{self.logs()}")

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def part(self, words: str) -> int:
        """The process of it whose command has these words."""
        assert self.process
        (found,) = [pid for pid in children(self.process.pid) if words in command_line(pid)]
        return found

    def killed(self, words: str) -> str:
        """Kills that part, upon which all of it ends; what it said of that."""
        assert self.process
        parts = children(self.process.pid)
        os.kill(self.part(words), signal.SIGKILL)
        said = self.process.communicate(timeout=30)[0]
        assert self.process.returncode == 1
        assert not any(is_alive(pid) for pid in parts)
        return said

    def stop(self) -> None:
        if self.process and self.is_running:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True, timeout=60).stdout

    def logs(self) -> str:
        files = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)


class Api:
    """A program with a token of its owner's, at the REST API."""

    def __init__(self, longread: Longread, owner: str) -> None:
        self.address = longread.address + "/api/v1"
        code = (
            "from webapp.accounts.models import User; from webapp.accounts.services import token_create;"
            f"user, _ = User.objects.get_or_create(username={owner!r});"
            "print('token', token_create(owner=user, name='tests')[1])"
        )
        self.token = longread.manage("shell", "--verbosity=0", "-c", code).split("token ")[1].strip()

    def get(self, path: str) -> Any:
        return self._send(urllib.request.Request(self.address + path))

    def post(self, path: str, fields: dict[str, Any] | None = None) -> Any:
        body = json.dumps(fields or {}).encode()
        return self._send(urllib.request.Request(self.address + path, body, {"Content-Type": "application/json"}))

    def delete(self, path: str) -> None:
        self._send(urllib.request.Request(self.address + path, method="DELETE"))

    def upload(self, collection: str, *files: tuple[str, bytes]) -> list[dict[str, Any]]:
        """One request with all the files; one outcome a file."""
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n"
            for name, content in files
        ]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        path = f"{self.address}/collections/{collection}/documents"
        return list(self._send(urllib.request.Request(path, body, headers))["files"])

    def _send(self, request: urllib.request.Request) -> Any:
        request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read() or b"null")


class Visitor:
    """A person at the pages, without a browser: keeps cookies and sends the CSRF token that the last form had."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> str:
        with self.opener.open(self.address + path, timeout=60) as response:
            return str(response.read().decode())

    def find(self, pattern: str, path: str) -> str:
        """The first text of that pattern on the page."""
        found = re.search(pattern, self.get(path))
        assert found, f"{path} has no {pattern}"
        return found[0]

    def post(self, path: str, fields: dict[str, str], form_at: str | None = None) -> str:
        """Sends the form that stands at `form_at` (the same path without it), with its CSRF token."""
        data = urllib.parse.urlencode(fields | {"csrfmiddlewaretoken": self._token(form_at or path)}).encode()
        with self.opener.open(urllib.request.Request(self.address + path, data, self._headers()), timeout=60) as response:
            return str(response.read().decode())

    def upload(self, path: str, name: str, content: bytes, form_at: str) -> dict[str, Any]:
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{self._token(form_at)}\r\n'.encode(),
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n",
            f"--{boundary}--\r\n".encode(),
        ]
        headers = self._headers() | {"Content-Type": f"multipart/form-data; boundary={boundary}", "Accept": "application/json"}
        with self.opener.open(urllib.request.Request(self.address + path, b"".join(parts), headers), timeout=60) as response:
            return dict(json.load(response))

    def _token(self, path: str) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path))
        assert found, f"no form at {path}"
        return found[1]

    def _headers(self) -> dict[str, str]:
        return {"Origin": self.address, "Referer": self.address + "/"}
