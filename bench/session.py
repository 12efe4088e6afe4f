"""One browser without a screen: a session's cookies, and a connection to the web server that is kept open between requests, as browsers
keep it. HTTP/1.1 by hand, since a client on the same cores should take as little of them as it can. Knows no page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

HOST = "127.0.0.1"
CSRF_COOKIE = "csrftoken"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ConnectionLost(Exception):
    """The server closed the connection in the middle of an answer."""


@dataclass(frozen=True, slots=True)
class Response:
    """`headers` by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(slots=True)
class Session:
    """Requests one after the other; a closed connection is opened again."""

    port: int
    cookies: Mapping[str, str]
    _open: Streams | None = field(default=None, init=False)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """Raises ConnectionLost, OSError. A connection that the server gave up while nobody used it is replaced."""
        kept = self._open is not None
        try:
            return await self._request("GET", path, headers or {})
        except (ConnectionLost, ConnectionError):
            if not kept:
                raise
        return await self._request("GET", path, headers or {})

    async def post(self, path: str, fields: Mapping[str, str]) -> Response:
        """Sends a form, with the token that its page would have given it. On a fresh connection, for it must not be sent twice."""
        await self.close()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": self.cookies.get(CSRF_COOKIE, "")}
        return await self._request("POST", path, headers, urlencode(fields).encode())

    async def lines(self, path: str) -> AsyncIterator[str]:
        """A stream's lines without their ends, as they come, until the server ends it. Raises ConnectionLost if it was cut off."""
        reader, _ = await self._send("GET", path, {"Accept": "text/event-stream"}, b"")
        status, _ = await _head(reader)
        if status != 200:
            raise ConnectionLost(f"{path} answered {status}")
        rest = b""
        async for piece in _pieces(reader):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.decode()

    async def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    async def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        reader, writer = await self._send(method, path, headers, body)
        try:
            status, answered = await _head(reader)
            content = b"".join([piece async for piece in _body(reader, status, answered)])
        except (ConnectionLost, OSError):
            await self.close()
            raise
        if answered.get("connection") == "close" or writer.is_closing():
            await self.close()
        return Response(status, answered, content)

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._open is None or self._open[0].at_eof():
            await self.close()
            self._open = await asyncio.open_connection(HOST, self.port, limit=1 << 20)
        said = {"Host": f"localhost:{self.port}", "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        said |= {**headers, **({"Content-Length": str(len(body))} if body else {})}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", ""]
        self._open[1].write("\r\n".join(lines).encode() + body)
        await self._open[1].drain()
        return self._open


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError as error:
        raise ConnectionLost("the server closed the connection before it answered") from error
    pairs = (line.split(": ", 1) for line in head[1:] if ": " in line)
    return int(head[0].split(" ")[1]), {name.lower(): value for name, value in pairs}


async def _body(reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    if status in (204, 304):
        return
    if "content-length" in headers:
        yield await _exactly(reader, int(headers["content-length"]))
        return
    async for piece in _pieces(reader):
        yield piece


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The chunks of a body that comes in chunks."""
    while size := int((await _line(reader)).split(b";")[0], 16):
        yield await _exactly(reader, size)
        await _exactly(reader, 2)
    await _exactly(reader, 2)


async def _line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise ConnectionLost("the server closed the connection in the middle of an answer")
    return line.strip()


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise ConnectionLost("the server closed the connection in the middle of an answer") from error
