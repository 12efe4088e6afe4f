"""Prompts made by hand: paragraphs become chunks, as ingest makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from engine.lexical import LexicalIndex
from engine.prompt import CHUNK_ROW, ImageSegment, Prompt, PromptDocument, TokenArray
from engine.tokenizer import Tokenizer


def make_document(folder: Path, tokenizer: Tokenizer, name: str, bodies: list[str]) -> PromptDocument:
    """One chunk a body, under a header line; the bodies stand one after another in the text."""
    rows, parts, token, character = [], [], 0, 0
    for body in bodies:
        header, ids = tokenizer.encode(f"[{name}]\n"), tokenizer.encode(body)
        parts += [header, ids]
        size = len(header) + len(ids)
        rows.append((token, token + size, len(header), character, character + len(body)))
        token, character = token + size, character + len(body)
    path = folder / f"{name}.txt"
    path.write_text("".join(bodies), encoding="utf-8", newline="")
    return PromptDocument(name, name, np.concatenate(parts).astype(np.int32), np.array(rows, dtype=CHUNK_ROW), path)


def make_prompt(folder: Path, tokenizer: Tokenizer, documents: dict[str, list[str]], salt: str = "alice") -> Prompt:
    """A prompt of these documents, with its word index."""
    folder.mkdir(parents=True, exist_ok=True)
    index = LexicalIndex(folder / "lexical.sqlite")
    for name, bodies in documents.items():
        index.put(name, [f"{name}\n{body}" for body in bodies])
    made = tuple(make_document(folder, tokenizer, name, bodies) for name, bodies in documents.items())
    return Prompt(made, folder / "lexical.sqlite", salt)


def prompt_of_ids(
    *documents: Sequence[TokenArray], salt: str = "alice", images: Mapping[int, tuple[ImageSegment, ...]] | None = None
) -> Prompt:
    """A prompt that has no text; each document is the ids of its chunks. `images` are those of the first document's chunks."""
    made = []
    for number, chunks in enumerate(documents):
        ends = np.cumsum([len(ids) for ids in chunks])
        rows = np.zeros(len(chunks), dtype=CHUNK_ROW)
        rows["end_token"], rows["first_token"] = ends, ends - [len(ids) for ids in chunks]
        own = (images or {}) if number == 0 else {}
        made.append(PromptDocument(f"d{number}", f"d{number}", np.concatenate(chunks).astype(np.int32), rows, Path("no-text"), own))
    return Prompt(tuple(made), Path("no-index"), salt)
