"""Which tokens of a chunk are words of the question, or begin alike: a sign that need not be learnt. Knows no model. Imports no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.lexical import STOP_WORDS
from engine.prompt import TokenArray
from engine.tokenizer import Tokenizer

STEM_CHARACTERS = 5


class SharedWords:
    """One vocabulary's tokens as words; what was looked up is remembered."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stems: dict[int, str] = {}

    def marked(self, ids: TokenArray, question: TokenArray) -> NDArray[np.bool_]:
        """[len(ids)]: whether a token begins like one of the question's words; words that say little count for nothing."""
        stems = {self._stem(int(id)) for id in question} - {""}
        alike = [int(id) for id in np.unique(ids) if self._stem(int(id)) in stems]
        return np.isin(ids, alike)

    def _stem(self, id: int) -> str:
        if id not in self._stems:
            word = self._tokenizer.token_bytes(id).decode(errors="ignore").strip().lower()
            self._stems[id] = word[:STEM_CHARACTERS] if len(word) > 1 and word.isalnum() and word not in STOP_WORDS else ""
        return self._stems[id]
