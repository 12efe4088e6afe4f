"""What every engine is asked alike: to read prompts, and to write on after them. Same weights, same token ids, same rounds.

The text is this project's own documentation. Knows no engine. Imports no torch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from bench.process import ROOT, BenchFailed, Figures, measured
from bench.timing import quickest
from engine.loading.bundled import fetch
from engine.tokenizer import Tokenizer

CHUNK_TOKENS = 448  # as Longread reads: one chunk after another
LONG_TOKENS = 1746  # as other engines read: a prompt at once
NEW_TOKENS = 64
STREAM_STEP = 100  # each stream's prompt begins so many tokens after the one before


@dataclass(frozen=True, slots=True)
class Trial:
    """`read`: prompts of so many tokens, from the text's beginning. `write`: so many streams together, each NEW_TOKENS after a chunk.

    `model` is the folder of the GGUF; `checkpoint` one with the same weights as Hugging Face lays them out.
    """

    model: str
    checkpoint: str
    ids: list[int]
    read: Sequence[int]
    write: Sequence[int]

    @property
    def context(self) -> int:
        """Tokens that the longest sequence has at its end."""
        return max([*self.read, *(CHUNK_TOKENS + NEW_TOKENS for _ in self.write)])

    def prompts(self, streams: int) -> list[list[int]]:
        starts = range(0, streams * STREAM_STEP, STREAM_STEP)
        return [self.ids[start : start + CHUNK_TOKENS] for start in starts]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Engine(Protocol):
    """Both methods time themselves, in seconds."""

    def read(self, ids: list[int]) -> float:
        """One prompt, up to the logits of its next token, with nothing kept from before."""
        ...

    def write(self, prompts: list[list[int]], new: int) -> float:
        """So many greedy tokens after each of the prompts, all streams in step. Reading the prompts does not count."""
        ...


def carry_out(engine: Engine, trial: Trial) -> Figures:
    """Tokens a second: `read_448` of a prompt of 448 tokens, `write_8` of eight streams together."""
    figures = {f"read_{tokens}": tokens / quickest(partial(engine.read, trial.ids[:tokens])) for tokens in trial.read}
    for streams in trial.write:
        seconds = quickest(partial(engine.write, trial.prompts(streams), NEW_TOKENS))
        figures[f"write_{streams}"] = streams * NEW_TOKENS / seconds
    return figures


@contextmanager
def trial_of(*, read: Sequence[int] = (), write: Sequence[int] = ()) -> Iterator[Trial]:
    """A trial of the bundled model; its checkpoint is there as long as the context. Raises EngineError or BenchFailed."""
    model = fetch()
    with tempfile.TemporaryDirectory(prefix="longread-bench-") as checkpoint:
        measured("bench.engines.checkpoint", {"model": str(model), "checkpoint": checkpoint})
        yield Trial(str(model), checkpoint, text_ids(model), read, write)


def text_ids(model: Path) -> list[int]:
    """The ids of README and docs, as many as the longest prompt has."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n\n".join(page.read_text(encoding="utf-8") for page in pages)
    ids = Tokenizer.open(model).encode(text)[:LONG_TOKENS]
    if len(ids) < LONG_TOKENS:
        raise BenchFailed(f"README.md and docs have {len(ids):,} tokens and {LONG_TOKENS:,} are wanted. Run this in a whole checkout.")
    return [int(id) for id in ids]
