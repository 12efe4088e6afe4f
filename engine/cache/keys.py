"""Under which names the store keeps things: hashes of all that a thing depends on, keyed with its owner's salt. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from engine.prompt import PromptDocument, TokenArray


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


def chunk_keys(*, model: str, mode: str, salt: str, prefix: TokenArray, document: PromptDocument, numbers: Iterable[int]) -> list[bytes]:
    """`chunk_key` of the document's chunks of these numbers, for a prompt of many: what all have in common is hashed once."""
    common = _begun(salt, [model.encode(), mode.encode(), prefix.astype("<i4").tobytes()])
    ids = np.ascontiguousarray(document.ids, dtype="<i4").data.cast("B")
    firsts, ends = document.rows["first_token"].tolist(), document.rows["end_token"].tolist()
    keys = []
    for number in numbers:
        digest = common.copy()
        _add(digest, ids[4 * firsts[number] : 4 * ends[number]])
        _add(digest, b"")  # no parent
        for image in document.images.get(number, ()):
            _add(digest, image_part(image.digest, image.first_token).encode())
        keys.append(digest.digest())
    return keys


def image_part(digest: str, first_token: int) -> str:
    """A page image's content and place in a chunk, as they go into its key."""
    return f"{digest} {first_token}"


def document_key(document: str, salt: str) -> bytes:
    """32 bytes for a document of an owner; what the store keeps for its sake is found by them."""
    return _keyed(salt, [b"document", document.encode()])


def _keyed(salt: str, parts: Iterable[bytes]) -> bytes:
    return _begun(salt, parts).digest()


def _begun(salt: str, parts: Iterable[bytes]) -> hashlib.blake2b:
    digest = hashlib.blake2b(key=hashlib.blake2b(salt.encode(), digest_size=32).digest(), digest_size=32)
    for part in parts:
        _add(digest, part)
    return digest


def _add(digest: hashlib.blake2b, part: bytes | memoryview) -> None:
    digest.update(len(part).to_bytes(8, "little"))
    digest.update(part)
