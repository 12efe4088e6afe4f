"""Documents of the training data as a prompt that the engine can be asked over. Knows no question and no model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.lexical import LexicalIndex
from engine.prompt import Prompt, PromptDocument
from engine.tokenizer import Tokenizer
from ingest.prompt.builder import Builder
from training.scan_sources import Document


def prompt_of(folder: Path, tokenizer: Tokenizer, documents: Sequence[Document]) -> Prompt:
    """The documents, named by their numbers, in chunks as ingest makes them. `folder` is made."""
    folder.mkdir()
    lexical, made = LexicalIndex(folder / "lexical.sqlite"), []
    for number, document in enumerate(documents):
        built = Builder(tokenizer).build(document.text, document.kind, document.header(), lambda _: None)
        path = folder / f"{number}.txt"
        path.write_text(document.text, encoding="utf-8", newline="")
        lexical.put(str(number), [document.text[row["start_char"] : row["end_char"]] for row in built.rows])
        made.append(PromptDocument(str(number), document.name, built.ids, built.rows, path))
    return Prompt(tuple(made), lexical.path, "calibration")
