"""What a server says of itself: the model that it serves and how many tokens it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from engine.remote.address import ServerAddress
from engine.remote.connection import Connection
from engine.remote.failures import ServerFailed, named

# Where the server does not say. Ollama cuts a longer prompt without a word unless told otherwise, and never says at which length.
DEFAULT_CONTEXT = 8192
OLLAMA_CONTEXT = 4096
# These keep apart what they have read under different salts.
SALTED = ("vllm", "sglang")


@dataclass(frozen=True, slots=True)
class Server:
    """`context`: the most tokens of prompt and answer together. `salted`: its prefix cache can be kept apart by owner."""

    model: str
    context: int
    salted: bool = False


async def describe(connection: Connection) -> Server:
    """Asks /models, and llama.cpp's /props, for what the address leaves open. Raises ServerFailed."""
    address = connection.address
    listed = await connection.json(f"{address.url}/models")
    models = [entry for entry in _list(_dict(listed).get("data")) if isinstance(_dict(entry).get("id"), str)]
    if not models and not address.model:
        raise ServerFailed(f"{named(address)} names no model. Load one there, or set LONGREAD_ENGINE_MODEL.")
    entry: dict[str, Any] = next((model for model in models if address.model in ("", model["id"])), {})
    model = address.model or str(entry["id"])
    return Server(model, address.context or await _context(connection, entry), entry.get("owned_by") in SALTED)


async def _context(connection: Connection, entry: dict[str, Any]) -> int:
    said = _size(entry.get("max_model_len"))  # vLLM, SGLang
    if not said and entry.get("owned_by") == "llamacpp":
        said = await _llama_cpp_context(connection) or _size(_dict(entry.get("meta")).get("n_ctx_train"))
    return said or (OLLAMA_CONTEXT if entry.get("owned_by") == "library" else DEFAULT_CONTEXT)


async def _llama_cpp_context(connection: Connection) -> int:
    """The tokens of one slot, which several questions at a time share out between them; 0 where /props is switched off."""
    try:
        props = await connection.json(f"{_root(connection.address)}/props")
    except ServerFailed:
        return 0
    return _size(_dict(_dict(props).get("default_generation_settings")).get("n_ctx"))


def _root(address: ServerAddress) -> str:
    parts = urlsplit(address.url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/v1')}"


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _size(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
