"""Prompts of any length for the benches, over documents that are read as uploads are and kept in a folder, so that they are made once.

The documents are the pieces of bench.texts, in one series; a prompt of so many tokens is the first of them that make it, in an order of
its own. In the first HOSTS documents facts are hidden (bench.facts), so a prompt of all of those has every fact, each at a random depth.

    <folder>/documents/<id>/        one folder a document (ingest.storage)
    <folder>/<tokens>/              index.sqlite3, and prompt.json with the documents' ids and names: written last
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np

from bench.facts import FACTS, Fact
from bench.process import ROOT
from bench.texts import SENTENCE_END, Piece, pieces
from engine.loading.bundled import fetch
from engine.prompt import Prompt
from engine.tokenizer import Tokenizer
from ingest.document import index_document, open_prompt, read_document
from ingest.storage import DocumentFolder

OWNER = "bench"
HOSTS = 20  # documents that facts are hidden in: less than 100,000 tokens together


@dataclass(frozen=True, slots=True)
class Library:
    """One series of documents, kept in `folder`."""

    folder: Path

    @classmethod
    def at_home(cls) -> Library:
        """That of the texts at hand, in `var/bench`. What was made of other texts, or cut by other rules, lies beside it."""
        made_by = [ROOT / "bench" / "texts.py", ROOT / "bench" / "facts.py", *sorted((ROOT / "ingest" / "prompt").glob("*.py"))]
        digest = hashlib.sha256(os.environ.get("LONGREAD_BENCH_TEXTS", "").encode())
        for file in made_by:
            digest.update(file.read_bytes())
        return cls(ROOT / "var" / "bench" / digest.hexdigest()[:12])

    def prompt(self, tokens: int) -> Prompt:
        """The prompt of so many tokens, or a little more; what of it is missing is made."""
        kept = self.folder / str(tokens)
        if not (kept / "prompt.json").is_file():
            self._make(tokens, kept)
        listed = json.loads((kept / "prompt.json").read_text(encoding="utf-8"))
        return open_prompt([(id, name, self._document(id)) for id, name in listed], kept / "index.sqlite3", OWNER)

    def _make(self, tokens: int, kept: Path) -> None:
        tokenizer, listed, read = Tokenizer.open(fetch()), list[tuple[str, str]](), 0
        for number, piece in enumerate(with_facts(pieces())):
            id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number} {piece.name}"))
            listed.append((id, piece.name))
            read += self._read(id, piece, tokenizer)
            if number % 100 == 0:
                print(f"texts: {read:,} of {tokens:,} tokens", file=sys.stderr)
            if read >= tokens:
                break
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "index.sqlite3").unlink(missing_ok=True)
        for id, _ in listed:
            index_document(kept / "index.sqlite3", id, self._document(id))
        Random(tokens).shuffle(listed)  # noqa: S311 (no secret)
        (kept / "partial.json").write_text(json.dumps(listed), encoding="utf-8")
        (kept / "partial.json").replace(kept / "prompt.json")

    def _read(self, id: str, piece: Piece, tokenizer: Tokenizer) -> int:
        """Its tokens, chunks' headers included."""
        folder = self._document(id)
        if not folder.parsed.ids.is_file():
            folder.folder.mkdir(parents=True, exist_ok=True)
            folder.original.write_text(piece.text, encoding="utf-8", newline="")
            read_document(piece.name + ".txt", "", folder, tokenizer)
        return len(np.load(folder.parsed.ids, mmap_mode="r"))

    def _document(self, id: str) -> DocumentFolder:
        return DocumentFolder(self.folder / "documents", uuid.UUID(id))


def with_facts(series: Iterator[Piece]) -> Iterator[Piece]:
    """The same pieces; in the first HOSTS of them every fact stands once, between two sentences."""
    random = Random(11)  # noqa: S311 (no secret)
    for number, piece in enumerate(islice(series, HOSTS)):
        text = piece.text
        for fact in FACTS[number::HOSTS]:
            text = _hidden(text, fact, random)
        yield Piece(piece.name, text)
    yield from series


def _hidden(text: str, fact: Fact, random: Random) -> str:
    gaps = [match.end() for match in SENTENCE_END.finditer(text)] or [len(text)]
    place = random.choice(gaps)
    return f"{text[:place]}{fact.text} {text[place:]}"


def places_of_facts(prompt: Prompt) -> dict[Fact, tuple[str, int]]:
    """The document and first character of each fact that the prompt has."""
    found = {}
    for document in prompt.documents:
        text = document.text()
        for fact in FACTS:
            if (place := text.find(fact.text)) >= 0:
                found[fact] = document.id, place
    return found
