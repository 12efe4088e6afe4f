"""What the engine locates in a document for a question, as it stands: the places that a reading head is shown, and among which it has to
choose. Each document is indexed by itself, which takes most of its prefill; so what was found is kept, and it is done for those with pages
alone, contracts and their like: in the others words find nearly all. Knows no answers.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from engine.cache.store import ChunkStore
from engine.calibration import LOCATE_CHUNKS
from engine.engine import Engine
from engine.opening import Model
from engine.steps import run
from training.calibrate import index
from training.prompts import prompt_of
from training.scan_sources import Document


class Candidates:
    """One model's, kept in `folder`: a training.read_corpus.Alike. `tell` hears of each document that was not kept yet, with its length."""

    def __init__(self, model: Model, folder: Path, tell: Callable[[str, int], None]) -> None:
        self.model, self._folder, self._tell = replace(model, reading=None), folder, tell
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, document: Document, wordings: Sequence[str]) -> list[list[int]] | None:
        if not document.paged:
            return None
        said = "\0".join((self.model.fingerprint, document.name, document.text, *wordings))
        path = self._folder / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.json"
        if path.is_file():
            kept: list[list[int]] = json.loads(path.read_text(encoding="utf-8"))
            return kept
        found = self._located(document, wordings)
        path.with_suffix(".part").write_text(json.dumps(found), encoding="utf-8")
        path.with_suffix(".part").replace(path)
        self._tell(document.name, len(document.text))
        return found

    def _located(self, document: Document, wordings: Sequence[str]) -> list[list[int]]:
        with tempfile.TemporaryDirectory() as scratch:
            store = ChunkStore(Path(scratch) / "store")
            with closing(Engine(self.model, store, "spans")) as engine:
                prompt = prompt_of(Path(scratch) / "prompt", engine.tokenizer, [document])
                index(engine, prompt)
                way, found = engine.spans, list[list[int]]()
                for wording in wordings:
                    hits = way.hits(prompt, wording, LOCATE_CHUNKS)
                    places = run(way.locate(prompt, hits, self.model.chat.ask(wording), LOCATE_CHUNKS), engine.decoder).places
                    found.append([place.chunk.index for place in places])
        return found
