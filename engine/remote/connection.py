"""Opens requests to one server: headers, time-outs, and another try where nothing has come yet and the server may only be busy.

Follows no redirect, since the key would go along. Knows no path and no meaning of what it carries.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from engine.remote.address import ServerAddress
from engine.remote.failures import ServerBusy, no_json, refused, too_slow, unreachable

logger = logging.getLogger(__name__)

MOST_BODY_BYTES = 4 << 20
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `silence_s` covers the server's reading of a long prompt; `whole_s` ends before a job's own limit of an hour."""

    connect_s: float = 5.0
    silence_s: float = 900.0
    whole_s: float = 3000.0
    pauses_s: tuple[float, ...] = (0.5, 1.0, 2.0)
    longest_pause_s: float = 10.0


class Connection:
    """One server, with its address and how long to wait for it. Holds nothing open between requests, so threads may share it."""

    def __init__(self, address: ServerAddress, patience: Patience) -> None:
        self.address, self.patience = address, patience

    async def json(self, url: str) -> Any:
        """What a GET of the URL answers. Raises ServerFailed."""
        try:
            async with asyncio.timeout(self.patience.whole_s), self.opened("GET", url) as response:
                return json.loads(await _body(response))
        except TimeoutError:
            raise too_slow(self.address) from None
        except ValueError:
            raise no_json(self.address) from None
        except httpx2.HTTPError as error:
            raise unreachable(self.address, error) from error

    @asynccontextmanager
    async def opened(self, method: str, url: str, body: dict[str, Any] | None = None) -> AsyncIterator[httpx2.Response]:
        """A response of status 200 whose body is still to come. Raises ServerFailed."""
        async with self._client(url) as client:
            response = await self._patiently(client, client.build_request(method, url, json=body))
            async with aclosing(response):
                yield response

    async def pieces(self, response: httpx2.Response) -> AsyncGenerator[bytes, None]:
        """The response's body as it comes. Raises ServerFailed when the whole takes too long."""
        end = time.monotonic() + self.patience.whole_s
        async with aclosing(response.aiter_bytes()) as body:
            async for piece in body:
                yield piece
                if time.monotonic() > end:
                    raise too_slow(self.address)

    def _client(self, url: str) -> httpx2.AsyncClient:
        # Packed streams would arrive in bursts.
        headers = {"Accept-Encoding": "identity", "User-Agent": "longread"}
        if self.address.key:
            headers["Authorization"] = f"Bearer {self.address.key}"
        timeout = httpx2.Timeout(self.patience.silence_s, connect=self.patience.connect_s)
        # A proxy that the environment names cannot reach this machine's own ports.
        beyond = urlsplit(url).hostname not in LOOPBACK
        return httpx2.AsyncClient(timeout=timeout, headers=headers, follow_redirects=False, trust_env=beyond)

    async def _patiently(self, client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
        for pause in self.patience.pauses_s:
            try:
                return await self._sent(client, request)
            except ServerBusy as error:
                if error.wait_s > self.patience.longest_pause_s:
                    raise
                logger.info("%s Trying again.", error)
                await asyncio.sleep(max(pause, error.wait_s))
        return await self._sent(client, request)

    async def _sent(self, client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await client.send(request, stream=True)
            if response.status_code == 200:
                return response
            async with aclosing(response):
                body = await _body(response)
        except httpx2.HTTPError as error:
            raise unreachable(self.address, error) from error
        raise refused(self.address, response.status_code, body, response.headers.get("Retry-After", ""))


async def _body(response: httpx2.Response) -> bytes:
    """The body, or as much of it as is looked at."""
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            break
    return body
