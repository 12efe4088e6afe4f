"""What went wrong with a server, in words for people: each names the server by its host and says what to do. Never the key.

Of what a server itself says, one short line is passed on. Sends nothing.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx2

from engine.errors import EngineError
from engine.remote.address import ServerAddress

BUSY = (429, 500, 502, 503, 504)
TOO_LONG = re.compile(
    r"context.{0,3}(length|size|window)|exceed_context|input.{0,40}longer than|maximum.{0,30}tokens|too many tokens", re.I
)
MOST_SAID_CHARACTERS = 200


class ServerFailed(EngineError):
    """The server cannot be used, or did not do what it should."""


class ServerBusy(ServerFailed):
    """It may work a moment later; nothing of an answer has come. `wait_s`: what the server asks for, in seconds."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class PromptTooLong(ServerFailed):
    """More than the server's context holds; nothing of an answer has come."""


def named(address: ServerAddress) -> str:
    return f"The server at {address.host}"


def unreachable(address: ServerAddress, error: httpx2.HTTPError) -> ServerFailed:
    """No answer at all to a request. Worth another try only where there was no connection yet."""
    causes = list(_causes(error))
    who = named(address)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return ServerFailed(f"{who} cannot be reached: no machine of that name is known. Check LONGREAD_ENGINE_URL.")
    if tls := next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None):
        return ServerFailed(
            f"{who} cannot be trusted or speaks no TLS ({_short(tls.reason or 'TLS failed')}). Check that LONGREAD_ENGINE_URL begins with "
            "http:// or https:// as the server does, and its certificate; SSL_CERT_FILE names further authorities."
        )
    if isinstance(error, httpx2.ConnectTimeout | httpx2.ConnectError):
        reason = "refuses the connection" if any(isinstance(cause, ConnectionRefusedError) for cause in causes) else "cannot be reached"
        return ServerBusy(f"{who} {reason}. Start it, or check the host and port of LONGREAD_ENGINE_URL.")
    if isinstance(error, httpx2.ReadTimeout):
        return ServerFailed(f"{who} was silent for too long. It may be overloaded; ask again, or look at its log.")
    return ServerBusy(f"{who} closed the connection ({type(error).__name__}). Ask again; if it stays so, look at its log.")


def refused(address: ServerAddress, status: int, body: bytes, retry_after: str = "") -> ServerFailed:
    """A status other than 200."""
    said = said_in(body)
    who, quoted = named(address), f" It says: {said}" if said else ""
    if status in (400, 413, 422) and TOO_LONG.search(said):
        return _too_long(address, said)
    if status in (401, 403):
        return ServerFailed(f"{who} does not accept the key ({status}). Set LONGREAD_ENGINE_KEY to one that it knows.")
    if status == 404 and "model" in said.lower():
        return ServerFailed(f"{who} does not have the model. Set LONGREAD_ENGINE_MODEL to one that it has.{quoted}")
    if status == 404:
        return ServerFailed(f"{who} knows no such path. LONGREAD_ENGINE_URL should end with /v1, as in http://host:port/v1.")
    if 300 <= status < 400:
        return ServerFailed(
            f"{who} sends requests elsewhere ({status}), which is not followed. Set LONGREAD_ENGINE_URL to the final address."
        )
    if status in BUSY:
        why = "has too many requests" if status == 429 else f"failed or is not ready ({status})"
        return ServerBusy(f"{who} {why}. Ask again a little later.{quoted}", _seconds(retry_after))
    return ServerFailed(f"{who} refused the request ({status}).{quoted}")


def told(address: ServerAddress, event: dict[str, Any]) -> ServerFailed:
    """An error inside a stream that began well."""
    said = said_in(event)
    return (
        _too_long(address, said) if TOO_LONG.search(said) else ServerFailed(f"{named(address)} failed while it answered. It says: {said}")
    )


def broke_off(address: ServerAddress, how: str) -> ServerFailed:
    return ServerFailed(
        f"{named(address)} broke its answer off, or sent none that can be read ({how}). Ask again; if it stays so, see its log."
    )


def too_slow(address: ServerAddress) -> ServerFailed:
    return ServerFailed(f"{named(address)} took too long over its whole answer. Ask again, or ask about fewer documents.")


def no_json(address: ServerAddress) -> ServerFailed:
    return ServerFailed(
        f"{named(address)} does not answer in JSON as an OpenAI-compatible one does. LONGREAD_ENGINE_URL should be its API's address and "
        "end with /v1, as in http://host:port/v1."
    )


def no_room(address: ServerAddress) -> PromptTooLong:
    return PromptTooLong(f"{named(address)} has too small a context for a passage. Give it a larger one, or set LONGREAD_ENGINE_CONTEXT.")


def no_answer(address: ServerAddress) -> ServerFailed:
    """All tokens of an answer were used, and nothing was said: the model was still thinking."""
    return ServerFailed(
        f"{named(address)} thought until it had no room left to answer. Serve a model that thinks less, or switch that off."
    )


def _too_long(address: ServerAddress, said: str) -> PromptTooLong:
    return PromptTooLong(f"{named(address)} has no room for so many tokens. Set LONGREAD_ENGINE_CONTEXT to what it takes. It says: {said}")


def said_in(body: bytes | dict[str, Any]) -> str:
    """The server's own words in an error's body, on one short line; '' if there are none."""
    try:
        told = json.loads(body) if isinstance(body, bytes) else body
    except ValueError:
        return ""
    error = told.get("error", told) if isinstance(told, dict) else None
    if isinstance(error, str):
        return _short(error)
    parts = [error.get("message") or error.get("detail"), error.get("type"), error.get("code")] if isinstance(error, dict) else []
    return _short(", ".join(part for part in parts if isinstance(part, str)))


def _short(text: str) -> str:
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= MOST_SAID_CHARACTERS else line[:MOST_SAID_CHARACTERS] + "…"


def _seconds(retry_after: str) -> float:
    return float(retry_after) if re.fullmatch(r"\d{1,4}", retry_after) else 0.0


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
