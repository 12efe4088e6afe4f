"""Reads the answer out of located chunks: for each the likeliest span by greedy steps, all chunks in step.

Each chunk is read on its own: prefix, chunk and question in one window (design: *joined*, with a window of one chunk). For a model whose
layers all see the whole window this is exact, nothing is approximated. `engine.span` admits only tokens that stand in the chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.locate import Place
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.span import Body, SpanState


@dataclass(slots=True)
class Reading:
    """One chunk being read. `logprob` sums over the span's tokens, the end included; `done` once it ended."""

    place: Place
    body: Body
    state: SpanState = field(init=False)
    logprob: float = 0.0
    steps: int = 0
    done: bool = False

    def __post_init__(self) -> None:
        self.state = SpanState(self.body)

    @property
    def mean_logprob(self) -> float:
        """Nats a token; minus infinity before the first."""
        return self.logprob / self.steps if self.steps else float("-inf")

    def characters(self) -> tuple[int, int]:
        """Where the span stands in the body's text."""
        return self.body.trimmed(*self.state.span())


def read_spans(decoder: Decoder, readings: Sequence[Reading], ends: Sequence[int], max_tokens: int) -> Iterator[None]:
    """Takes all readings to their ends, one token each a step, and yields after every step so that the caller can stop.

    `ends`: tokens that close an answer. A span stops at the last word's end before `max_tokens`.
    """
    logits = torch.stack([reading.place.logits for reading in readings]) if readings else torch.empty(0)
    going = [reading for reading in readings if reading.state.allowed().size]
    while going:
        rows = torch.log_softmax(logits, dim=-1).cpu()
        tokens = [step(reading, row, ends, max_tokens) for reading, row in zip(going, rows, strict=True)]
        going, new = [r for r in going if not r.done], [token for token in tokens if token is not None]
        yield
        if going:
            hidden = decoder(torch.tensor(new), [Segment(reading.place.cache, 1) for reading in going])
            logits = decoder.logits(hidden)


def step(reading: Reading, row: Tensor, ends: Sequence[int], max_tokens: int) -> int | None:
    """One decision: the next token of the span, or None for its end."""
    state = reading.state
    allowed = torch.from_numpy(state.allowed()).long()
    stop = float(torch.logsumexp(row[torch.tensor(ends)], dim=0)) if state.may_end() else float("-inf")
    best, token = (float(value) for value in row[allowed].max(dim=0)) if len(allowed) else (float("-inf"), 0.0)
    must_stop = state.length >= max_tokens and state.may_end()
    reading.steps += 1
    if must_stop or stop >= best:
        reading.logprob += stop
        reading.done = True
        return None
    reading.logprob += best
    chosen = int(allowed[int(token)])
    state.take(chosen)
    return chosen
