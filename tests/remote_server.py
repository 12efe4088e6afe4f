"""A real llama.cpp server on the base weights, in this process, and a server that says what a test tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import xllamacpp

MODEL = "scripted-model"
CLAUSE = "Either party may end this agreement with ninety days' written notice."


@contextmanager
def llama_cpp(weights_folder: Path, context: int = 4096, key: str = "") -> Iterator[str]:
    """The address of a llama.cpp server, its /v1 included. It ends with the process."""
    params = xllamacpp.CommonParams()
    params.model.path = str(weights_folder / "model.gguf")
    params.model_alias = {"smollm2"}
    params.n_ctx, params.n_parallel, params.warmup, params.verbosity = context, 1, False, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.api_keys = [key] if key else []
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


class Scripted:
    """What the server does: `models` for GET /v1/models, `replies` one after another for POSTs, the last one again and again.

    A reply is a function of the handler. `requests` keeps what came: path, headers, body. `gone` is set when a client hung up.
    """

    def __init__(self, *replies: Callable[[Handler], None]) -> None:
        self.replies = list(replies)
        self.models: Callable[[Handler], None] = lambda handler: handler.json({"data": [{"id": MODEL, "max_model_len": 4096}]})
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.gone = threading.Event()
        self.url = ""

    def chats(self) -> list[dict[str, Any]]:
        return [body for path, _, body in self.requests if path.endswith("/chat/completions")]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Scripted

    def do_GET(self) -> None:
        self.script.requests.append((self.path, dict(self.headers), {}))
        self.script.models(self)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.script.requests.append((self.path, dict(self.headers), body))
        reply = self.script.replies.pop(0) if len(self.script.replies) > 1 else self.script.replies[0]
        try:
            reply(self)
        except OSError:
            self.script.gone.set()

    def log_message(self, *_: object) -> None:
        """Silent."""

    def json(self, told: Any, status: int = 200, **headers: str) -> None:
        self.raw(json.dumps(told).encode(), status, "application/json", **headers)

    def raw(self, body: bytes, status: int = 200, kind: str = "text/html", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def begin(self) -> None:
        """The head of a stream that ends when the connection does."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def delta(self, text: str) -> None:
        self.event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})

    def event(self, told: Any) -> None:
        self.write(b"data: " + json.dumps(told).encode() + b"\n\n")

    def ended(self, reason: str = "stop") -> None:
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        self.event({"choices": [], "usage": {"prompt_tokens": 99, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 42}}})
        self.write(b"data: [DONE]\n\n")


def says(*pieces: str, reason: str = "stop") -> Callable[[Handler], None]:
    """A reply that streams these pieces and ends well."""

    def reply(handler: Handler) -> None:
        handler.begin()
        handler.write(b": keep-alive\n\n")
        for piece in pieces:
            handler.delta(piece)
        handler.ended(reason)

    return reply


def status(code: int, told: Any = None, **headers: str) -> Callable[[Handler], None]:
    """A reply of this status, with an error's body."""
    return lambda handler: handler.json(told or {"error": {"message": "no such luck"}}, code, **headers)


def silent(seconds: float) -> Callable[[Handler], None]:
    """A server that thinks for so long before it says anything, and then keeps talking until it is hung up on."""

    def reply(handler: Handler) -> None:
        time.sleep(seconds)
        handler.begin()
        for _ in range(1000):
            handler.delta("still talking ")
            time.sleep(0.02)

    return reply


class Slow:
    """A reply of a model that says its first words and waits until it may go on; it is as quick as others where it may from the start."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def __call__(self, handler: Handler) -> None:
        handler.begin()
        handler.delta("Ninety days")
        for _ in range(1500):  # longer than any test waits
            if self.may_end.wait(0.1):
                break
            handler.write(b": still here\n\n")
        handler.delta(f" are needed <quote 1>{CLAUSE}</quote>.")
        handler.ended()


@contextmanager
def scripted(*replies: Callable[[Handler], None]) -> Iterator[Scripted]:
    """The server, listening; `url` ends with /v1."""
    script = Scripted(*replies)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("ScriptedHandler", (Handler,), {"script": script}))
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
