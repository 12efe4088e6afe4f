"""A model as it is without what was trained for it: words find, the model looks at what they find, and its likeliest sentence answers.

What training is worth is told by asking both the same questions in the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.scoring import Answered, Gold, Metrics, score
from engine.cache.store import ChunkStore
from engine.engine import Engine
from engine.opening import open_model

# Its state lies apart: what it looks at is chosen by words alone, so most of it is read for nobody else.
BUDGET_BYTES = 2 * 10**9


def open_untrained(model: Path, home: Path) -> Engine:
    """The model in folder `model` without its heads and close layers. Raises an EngineError."""
    bare = replace(open_model(model), scan=None, reading=None, close=None)
    return Engine(bare, ChunkStore(home / "untrained", BUDGET_BYTES), "spans")


def untrained_shares(golds: Sequence[Gold], answers: Sequence[Answered]) -> Metrics:
    """`untrained.locate@1` and so on, of answers that keep what it said under "untrained"; none where it was not asked."""
    if not answers or "untrained" not in answers[0]:
        return {}
    scored = score(golds, [answered["untrained"] for answered in answers], 0.0)
    return {f"untrained.{name}": value for name, value in scored.items() if name != "peak_mb"}
