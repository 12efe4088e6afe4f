"""A Git server of https on this machine: `git upload-pack` behind a certificate that nobody but the test believes."""

from __future__ import annotations

import gzip
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.missing import missing

HOST = "git.example.org"
ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"], "HOME": "/nonexistent"}
NOBODY = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "init.defaultBranch=main"]


@dataclass(frozen=True)
class GitServer:
    """Serves the repositories of `folder`, at https://HOST:port/NAME, to whoever connects to 127.0.0.1."""

    folder: Path
    port: int
    certificate: Path
    asked: list[str]

    def address(self, name: str) -> str:
        return f"https://{HOST}:{self.port}/{name}"


def commit(folder: Path, files: dict[str, str]) -> str:
    """The commit that makes the repository in `folder` hold these files and no others."""
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "--quiet")
    for path in [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts]:
        path.unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "Next")
    return git(folder, "rev-parse", "HEAD").strip()


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *NOBODY, *arguments]
    return subprocess.run(command, cwd=folder, env=ALONE, capture_output=True, text=True, check=True).stdout


@contextmanager
def git_server(folder: Path) -> Iterator[GitServer]:
    if shutil.which("git") is None or shutil.which("openssl") is None:
        missing("there is no git or no openssl on this machine (on Debian: apt install git openssl)")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={HOST}",
    ]
    command = [*made, "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"folder": folder, "asked": asked}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield GitServer(folder, server.server_address[1], certificate, asked)
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(BaseHTTPRequestHandler):
    """The two requests of Git's smart protocol; /moved/NAME sends on to /NAME, and /locked/NAME wants a password."""

    protocol_version = "HTTP/1.1"  # of 1.0 each answer ends with the connection, which a client may take for a broken one
    folder: Path
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        first = self.path.partition("?")[0].split("/")[1]
        if first == "moved":
            self.send_response(301)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif first == "locked":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif not (self.folder / first).is_dir():
            self.send_error(404)
        else:
            head = b"001e# service=git-upload-pack\n0000"
            self._answer("advertisement", head + self._upload_pack(first, b"", "--advertise-refs"))

    def do_POST(self) -> None:
        body = self._body()
        body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        self._answer("result", self._upload_pack(self.path.split("/")[1], body))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(parts)

    def _upload_pack(self, name: str, body: bytes, *flags: str) -> bytes:
        command = ["git", "-c", "safe.directory=*", "upload-pack", "--stateless-rpc", *flags, str(self.folder / name)]
        return subprocess.run(command, env=ALONE, input=body, capture_output=True, check=False).stdout

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"application/x-git-upload-pack-{kind}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
