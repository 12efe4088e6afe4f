"""Which server is to answer: the one place where LONGREAD_ENGINE_* are read. Opens no connection.

No message here repeats a value, since an address that is refused may hold a password, and the key is one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from engine.errors import EngineError


class AddressWrong(EngineError):
    """A LONGREAD_ENGINE_* variable holds what it may not; the message names the variable and what it may hold."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """`url` without a slash at its end; `model` '' for the first that the server names; `context` in tokens, None to ask the server."""

    url: str
    key: str = field(default="", repr=False)
    model: str = ""
    context: int | None = None

    def __post_init__(self) -> None:
        _check_url(self.url)
        if not all(" " < character <= "~" for character in self.key):
            raise AddressWrong("LONGREAD_ENGINE_KEY holds a blank or a character that is not ASCII. Set it to the key alone.")
        if self.context is not None and self.context < 1:
            raise AddressWrong("LONGREAD_ENGINE_CONTEXT must be a whole number of tokens above 0.")

    @property
    def host(self) -> str:
        """How messages and pages name the server."""
        return urlsplit(self.url).netloc


def is_named() -> bool:
    """Whether the environment names a server at all, rightly or wrongly."""
    return bool(os.environ.get("LONGREAD_ENGINE_URL", "").strip())


def from_environment() -> ServerAddress | None:
    """The server that the environment names, or None where this machine's own engine is to answer. Raises AddressWrong."""
    url = os.environ.get("LONGREAD_ENGINE_URL", "").strip()
    if not url:
        return None
    key = os.environ.get("LONGREAD_ENGINE_KEY", "").strip()
    model = os.environ.get("LONGREAD_ENGINE_MODEL", "").strip()
    return ServerAddress(url.rstrip("/"), key, model, _tokens(os.environ.get("LONGREAD_ENGINE_CONTEXT", "").strip()))


def _tokens(text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit()):
        raise AddressWrong("LONGREAD_ENGINE_CONTEXT must be a whole number of tokens above 0.")
    return int(text) if text else None


def _check_url(url: str) -> None:
    form = "LONGREAD_ENGINE_URL must look like http://host:port/v1 or https://host/v1"
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        raise AddressWrong(f"{form}.") from None
    if "@" in parts.netloc:
        raise AddressWrong("LONGREAD_ENGINE_URL holds a user name or a password. Put the server's key in LONGREAD_ENGINE_KEY.")
    if not whole or parts.query or parts.fragment or any(character <= " " for character in url):
        raise AddressWrong(f"{form}, with nothing after the path.")
