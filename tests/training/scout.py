"""A tiny random llama folder with a vocabulary, and its Scout layout, for the tests of what is trained."""

from __future__ import annotations

from pathlib import Path

from engine.loading.scout_layout import ScoutLayout
from tests.engine.models import save_model

LAYOUT = ScoutLayout(global_every=4, attention_chunk=16, context=4096)


def save_base(folder: Path, layers: int = 6) -> Path:
    """Six layers, of which layer 3 becomes global."""
    settings = {"rope_type": "default", "rope_theta": 10_000.0}
    save_model("llama", folder, num_hidden_layers=layers, tie_word_embeddings=True, rope_parameters=settings)
    return folder
