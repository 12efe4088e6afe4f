"""Under which names the store keeps things: hashes of all that a thing depends on, keyed with its owner's salt. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from engine.prompt import TokenArray


def chunk_key(
    *,
    model: str,
    mode: str,
    salt: str,
    prefix: TokenArray,
    chunk: TokenArray,
    images: Sequence[str] = (),
    parent: bytes = b"",
) -> bytes:
    """32 bytes that say all that a chunk's state depends on. The owner's salt keys the hash: two owners never share a key.

    `images`: each page image's content and place; `parent`: the key of what was read before it, where that matters.
    """
    parts = [model.encode(), mode.encode(), prefix.astype("<i4").tobytes(), chunk.astype("<i4").tobytes(), parent]
    return _keyed(salt, [*parts, *(image.encode() for image in images)])


def document_key(document: str, salt: str) -> bytes:
    """32 bytes for a document of an owner; what the store keeps for its sake is found by them."""
    return _keyed(salt, [b"document", document.encode()])


def _keyed(salt: str, parts: Iterable[bytes]) -> bytes:
    key = hashlib.blake2b(salt.encode(), digest_size=32).digest()
    digest = hashlib.blake2b(key=key, digest_size=32)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()
