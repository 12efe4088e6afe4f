"""What the engine says while it works: plain data, in the order in which it happens.

An answer is any number of Located, then Tokens and Quotes, then exactly one Done or Failed. Where the text marks its quotes, [1] for the
first, each Quote comes right after its mark; otherwise the Quotes come after the text. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tier = Literal["index", "full"]
"""How far prefill goes: what finds a chunk again, or the state of all layers that are kept."""


@dataclass(frozen=True, slots=True)
class Located:
    """A place that may hold the answer. `score` orders places; the parts that it was made of stay visible beside it.

    `lexical` is the BM25 score (higher is better; 0 where no word is shared), `attention` the scan's (-1..1: engine.scan), `likelihood`
    how much more likely the question is after this chunk than without it (nats per question token); None where that part was not
    computed. Characters are offsets in the document's text.
    """

    document: str
    chunk: int
    start_char: int
    end_char: int
    text: str
    score: float
    lexical: float | None = None
    likelihood: float | None = None
    attention: float | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """The next piece of the answer's text; '' says nothing, and gives whoever follows a moment to stop."""

    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """A passage that supports the answer. `verified` is True only if it stands byte for byte at these characters of the source.

    One that stands nowhere has the characters of the passage that it was said to be from: where to look, not where it is.
    """

    document: str
    start_char: int
    end_char: int
    text: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and chunks of the whole prompt, what of them was read for this answer, and what was indexed when it was asked (None for a
    model that finds chunks by their words alone). `named`: the documents that the question names, where these alone were asked; then they
    are the whole."""

    prompt_tokens: int
    chunks: int
    read_tokens: int
    read_chunks: int
    indexed_tokens: int | None = None
    indexed_chunks: int | None = None
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds since the question arrived, except prefill_s: seconds spent reading located chunks that were not stored (of a
    model that answers freely: until its first word)."""

    locate_s: float
    prefill_s: float
    first_token_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer; `answer` is '' if not found. `confidence`: a calibrated probability (0..1) that the prompt holds it;
    of a model that answers freely, one of the levels in engine.citing. `mode`: how chunks were read, and in which codec their states are
    stored, where they are."""

    answer: str
    found: bool
    confidence: float
    usage: Usage
    timings: Timings
    model: str
    mode: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The end of an answer that could not be given; `message` says why and what to do."""

    message: str


AnswerEvent = Located | Token | Quote | Done | Failed


@dataclass(frozen=True, slots=True)
class PrefillEvent:
    """Some chunks more are stored. Counts are over the whole prompt and one tier of it, those found in the store included."""

    document: str
    chunks_done: int
    chunks: int
    tokens_done: int
    tokens: int
    tier: Tier = "full"


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """`read_chunks`: how many located chunks are read; `locate_chunks`: how many are looked at; `threshold`: found at or above it.

    None means the model's own default.
    """

    read_chunks: int | None = None
    locate_chunks: int | None = None
    threshold: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What the engine is and what it does now. `decode_tokens_per_second`: of all answers together, over the last seconds.
    `store_refused`: why a state or record found no room in the store; None once they have found some for a minute.
    A hit or miss is one record asked of the store."""

    model: str
    device: str
    dtype: str
    mode: str
    store_bytes: int
    store_budget_bytes: int
    store_chunks: int
    store_index_bytes: int = 0
    store_refused: str | None = None
    prefill_tokens_per_second: float | None = None
    index_tokens_per_second: float | None = None
    answers_running: int = 0
    answers_waiting: int = 0
    sweeps_running: int = 0
    sweeps_waiting: int = 0
    prefills_running: int = 0
    prefills_waiting: int = 0
    decode_tokens_per_second: float | None = None
    store_file_bytes: int = 0
    store_hits: int = 0
    store_misses: int = 0
    store_evictions: int = 0
