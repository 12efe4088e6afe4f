"""Readings made together are those made one by one, and so are their gradients."""

from __future__ import annotations

import pytest
import torch

from engine.model.reading_head import Reading, ReadingHead, ReadingShape, Seen
from training.read_batch import read_together

SHAPE = ReadingShape((0, 2), 16, 64, 2)
SIZES = [(12, 5, 2, 3), (7, 9, 0, 9), (30, 2, 6, 1), (1, 4, 0, 2)]


def seen(tokens: int, asked: int, header: int, words: int) -> Seen:
    random_ = torch.Generator().manual_seed(tokens)
    chunk, question = (torch.randn(count, SHAPE.inputs, generator=random_) for count in (tokens, asked))
    return Seen(chunk, question, torch.rand(tokens, generator=random_) > 0.5, header, words)


@pytest.fixture
def head() -> ReadingHead:
    torch.manual_seed(1)
    made = ReadingHead(SHAPE)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    made.mean.normal_(std=0.2)
    return made.eval()


def gradients(head: ReadingHead, readings: list[Reading]) -> list[torch.Tensor]:
    head.zero_grad()
    sum(reading.answers + reading.starts[0] + reading.ends[-1] for reading in readings).backward()  # type: ignore[union-attr]
    return [parameter.grad.clone() for parameter in head.parameters() if parameter.grad is not None]


def test_together_is_one_by_one(head: ReadingHead) -> None:
    some = [seen(*sizes) for sizes in SIZES]
    alone, together = [head(each) for each in some], read_together(head, some)
    for one, other in zip(alone, together, strict=True):
        for ours, theirs in zip(other, one, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    for ours, theirs in zip(gradients(head, together), gradients(head, alone), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)
