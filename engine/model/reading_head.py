"""The reading head: a few small layers over the state that a model leaves of a chunk and of a question read after it.

It sees the values of some of the model's layers, token by token: those of the chunk, which was read alone, and those of the question, which
has seen the chunk. Its own layers look both ways, so every token of the chunk is weighed with all of the question in sight. It says
whether the chunk answers, and where the words of the answer begin and end. The model itself is as it was, and so is what is stored.
Knows no text, no store and no training.
Legend: T tokens of a chunk, Q of a question, F numbers of a token's state, C width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAD_WIDTH = 32
NEAR = 7  # tokens that one token of a chunk is mixed with in each layer, itself in the middle
FEED_FORWARD = 4
# What cosines of tokens usually are, and how much of a difference counts.
COSINE, COSINES = 0.3, 4.0


@dataclass(frozen=True, slots=True)
class ReadingShape:
    """Which layers' values are seen, how many numbers each gives a token, and the head's own width and depth."""

    layers: tuple[int, ...]
    values: int
    width: int
    depth: int

    @property
    def inputs(self) -> int:
        return len(self.layers) * self.values


class Seen(NamedTuple):
    """A question put to a chunk: `chunk` [T, F] and `question` [Q, F]; `shared` [T]: tokens of the chunk that are words of the question;
    `header`: so many tokens of the chunk are no part of the document; `words`: so many tokens of the question, the first, are its own."""

    chunk: Tensor
    question: Tensor
    shared: Tensor
    header: int
    words: int


class Reading(NamedTuple):
    """Log-odds that the chunk answers, and of each token of its body [T - header] how much speaks for an answer that begins, or ends with
    it (log-probabilities within the chunk)."""

    answers: Tensor
    starts: Tensor
    ends: Tensor


@dataclass(frozen=True, slots=True)
class Weights:
    """Log-odds that a chunk answers are `head` times the head's own, so much of its BM25, of the scan's score and of how much likelier the
    question is after it (nats a token), and `bias`.
    `sentence`: what counts for a sentence: how likely the question is after it, its share of the question's words, the head's mass, and the
    chunk's odds."""

    head: float = 1.0
    lexical: float = 0.0
    attention: float = 0.0
    likelihood: float = 0.0
    bias: float = 0.0
    sentence: tuple[float, float, float, float] = (1.0, 4.0, 1.0, 0.5)

    def odds(self, head: float, lexical: float, attention: float, likelihood: float) -> float:
        return self.head * head + self.lexical * lexical + self.attention * attention + self.likelihood * likelihood + self.bias


class ReadingHead(nn.Module):
    """Its weights are fp32. `mean` and `spread` bring each number of a state to 0 and 1. `dropout` is for training."""

    mean: Tensor
    spread: Tensor

    def __init__(self, shape: ReadingShape, weights: Weights | None = None) -> None:
        """`weights`: what its odds count beside words and scan."""
        super().__init__()
        self.shape, self.weights, width = shape, weights or Weights(), shape.width
        self.chunk, self.question = nn.Linear(shape.inputs, width), nn.Linear(shape.inputs, width)
        self.register_buffer("mean", torch.zeros(shape.inputs))
        self.register_buffer("spread", torch.ones(shape.inputs))
        self.marks = nn.Linear(2 + len(shape.layers), width, bias=False)
        self.blocks = nn.ModuleList(Block(width) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(width)
        self.tokens = nn.Linear(width, 3)
        self.whole = nn.Linear(2 * width + len(shape.layers), 1)
        self.dropout = nn.Dropout(0.0)

    def forward(self, seen: Seen) -> Reading:
        count = len(seen.question)
        header = torch.arange(len(seen.chunk), device=seen.chunk.device) < seen.header
        chunk, question = ((values.float() - self.mean) / self.spread for values in (seen.chunk, seen.question))
        alike = self._alike(chunk, question[: seen.words])
        marks = self.marks(torch.cat([seen.shared.float()[:, None], header.float()[:, None], alike.amax(-1).mT], 1))
        x = self.dropout(torch.cat([self.question(question), self.chunk(chunk) + marks]))
        for block in self.blocks:
            x = block(x, count)
        x = self.norm(x)
        body = x[count + seen.header :]
        starts, ends, weights = self.tokens(body).unbind(-1)
        most = torch.softmax(weights, 0) @ body
        found = alike[:, seen.header :].amax(1).mean(-1)
        answers = self.whole(torch.cat([x[count - 1], most, found]))[0]
        return Reading(answers, torch.log_softmax(starts, 0), torch.log_softmax(ends, 0))

    def _alike(self, chunk: Tensor, question: Tensor) -> Tensor:
        """[layers, T, words]: how alike each token of the chunk is to each word of the question in each layer, cosines around 0 and 1."""
        one, other = (F.normalize(x.view(len(x), -1, self.shape.values).transpose(0, 1), dim=-1) for x in (chunk, question))
        return (one @ other.mT - COSINE) * COSINES


class Block(nn.Module):
    """Each token of the chunk with its neighbours, then all with all, then each by itself; every step is added to what was there."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.near_norm, self.all_norm, self.own_norm = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.near = nn.Conv1d(width, width, NEAR, padding=NEAR // 2, groups=width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, FEED_FORWARD * width), nn.Linear(FEED_FORWARD * width, width)
        for last in (self.out, self.down):
            nn.init.zeros_(last.weight)

    def forward(self, x: Tensor, question: int) -> Tensor:
        """x [Q + T, C], the question's tokens first."""
        near = self.near(self.near_norm(x[question:]).mT[None])[0].mT
        x = torch.cat([x[:question], x[question:] + near])
        q, k, v = self.qkv(self.all_norm(x)).view(len(x), 3, self.heads, -1).permute(1, 2, 0, 3)
        mixed = torch.softmax(q @ k.mT * HEAD_WIDTH**-0.5, -1) @ v
        x = x + self.out(mixed.transpose(0, 1).flatten(1))
        own: Tensor = self.down(F.gelu(self.up(self.own_norm(x))))
        return x + own


def best_span(reading: Reading, starts: Tensor, ends: Tensor, most: int) -> tuple[int, int, float]:
    """The likeliest answer: its first and last token in the body and its log-probability. Of the body's tokens `starts` and `ends` (bool)
    may begin and end one; it is of `most` tokens at most. One token that may do neither is taken where none may."""
    return best_pair(reading.starts[:, None] + reading.ends[None, :], starts, ends, most)


def best_pair(spans: Tensor, starts: Tensor, ends: Tensor, most: int) -> tuple[int, int, float]:
    """As best_span, of spans [T, T] by their first and last token."""
    allowed = starts[:, None] & ends[None, :] & inside(len(spans), most, spans.device)
    score, place = spans.masked_fill(~allowed, -torch.inf).flatten().max(0)
    begin, end = divmod(int(place), len(spans))
    return begin, end, float(score)


def inside(tokens: int, most: int, device: torch.device) -> Tensor:
    """[tokens, tokens]: whether an answer may go from one token to the other."""
    ones = torch.ones(tokens, tokens, dtype=torch.bool, device=device)
    return ones.triu() & ones.tril(most - 1)
