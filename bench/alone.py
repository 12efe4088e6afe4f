"""What each part of locating finds alone, beside what they find together: words by BM25 (`bm25`), and the attention scan (`scan`) where the
engine has one; and what an embedding model finds (`minilm`), where one is asked for. Scored like what was located."""

from __future__ import annotations

from collections.abc import Sequence

from bench.minilm import MiniLM
from bench.scoring import Answered, Gold, Metrics, locate_shares
from engine.engine import Engine
from engine.face import EngineFace
from engine.places import Texts, by_words, candidates
from engine.prompt import Prompt
from ingest.ask import SourcePlaces

MOST = 10  # locate@10 looks no further


def alone(
    engine: EngineFace, prompt: Prompt, places: SourcePlaces, question: str, minilm: MiniLM | None = None
) -> dict[str, list[Answered]]:
    """The best passages by each part alone, as `ask --json` prints located ones."""
    texts, found = Texts(prompt), {"bm25": by_words(prompt, candidates(prompt, question, MOST))}
    if isinstance(engine, Engine) and engine.indexes:
        found["scan"] = engine.scan(prompt, question, MOST)
    if minilm is not None:
        found["minilm"] = minilm.best(prompt, question, MOST)
    return {part: [places.located(texts.located(place)) for place in best] for part, best in found.items()}


def alone_shares(golds: Sequence[Gold], answers: Sequence[Answered]) -> Metrics:
    """`bm25.locate@1` and so on, of answers that keep what `alone` found under "alone"."""
    parts = answers[0]["alone"] if answers else {}
    return {
        f"{part}.{name}": share
        for part in parts
        for name, share in locate_shares(golds, [answered["alone"][part] for answered in answers]).items()
    }
