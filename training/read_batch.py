"""A reading head over many passages at once, padded: the same numbers as one after the other, in a fifth of the time.

Questions are padded in front and passages behind, so that every question ends where its passage begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from engine.model.reading_head import COSINE, COSINES, HEAD_WIDTH, Block, Reading, ReadingHead, Seen


@dataclass(frozen=True, slots=True, eq=False)
class Padded:
    """B readings: `question` [B, Q, F] and `chunk` [B, T, F]; which of them are there (`asked` [B, Q], `there` [B, T]), are the question's
    own words (`words` [B, Q]), are a header, or are shared (`header`, `shared` [B, T])."""

    question: Tensor
    chunk: Tensor
    asked: Tensor
    there: Tensor
    words: Tensor
    header: Tensor
    shared: Tensor

    @classmethod
    def of(cls, seen: Sequence[Seen]) -> Padded:
        question = pad_sequence([each.question.float() for each in seen], batch_first=True, padding_side="left")
        chunk = pad_sequence([each.chunk.float() for each in seen], batch_first=True)
        asks, place = torch.arange(question.shape[1]), torch.arange(chunk.shape[1])
        skipped = torch.tensor([question.shape[1] - len(each.question) for each in seen])[:, None]
        lengths, headers, words = (
            torch.tensor(sizes)[:, None] for sizes in zip(*((len(each.chunk), each.header, each.words) for each in seen), strict=True)
        )
        shared = pad_sequence([each.shared for each in seen], batch_first=True)
        own = (asks >= skipped) & (asks < skipped + words)
        return cls(question, chunk, asks >= skipped, place < lengths, own, place < headers, shared)


def read_together(head: ReadingHead, seen: Sequence[Seen]) -> list[Reading]:
    """What the head says of each."""
    given = Padded.of(seen)
    count = given.question.shape[1]
    chunk, question = ((values - head.mean) / head.spread for values in (given.chunk, given.question))
    alike = _alike(head, chunk, question, given)
    marks = torch.cat([given.shared.float()[..., None], given.header.float()[..., None], alike.amax(-1).transpose(1, 2)], -1)
    x = head.dropout(torch.cat([head.question(question), head.chunk(chunk) + head.marks(marks)], 1))
    there = torch.cat([given.asked, given.there], 1)
    for block in head.blocks:
        assert isinstance(block, Block)
        x = _block(block, x, count, there)
    x = head.norm(x)
    body = given.there & ~given.header
    starts, ends, weights = (part.masked_fill(~body, -torch.inf) for part in head.tokens(x[:, count:]).float().unbind(-1))
    most = (torch.softmax(weights, -1)[:, None] @ x[:, count:].float())[:, 0]
    nearest = alike.masked_fill(~body[:, None, :, None], -torch.inf).amax(2)  # [B, layers, Q]
    found = (nearest.masked_fill(~given.words[:, None], 0.0).sum(-1) / given.words.sum(-1)[:, None]).to(most.dtype)
    answers = head.whole(torch.cat([x[:, count - 1].float(), most, found], -1))[:, 0]
    return [
        Reading(answers[number], torch.log_softmax(starts[number, one], 0), torch.log_softmax(ends[number, one], 0))
        for number, one in enumerate(body)
    ]


def _alike(head: ReadingHead, chunk: Tensor, question: Tensor, given: Padded) -> Tensor:
    """[B, layers, T, Q], the least there is for what is no word of the question."""
    one, other = (functional.normalize(torch.unflatten(x, -1, (-1, head.shape.values)).transpose(1, 2), dim=-1) for x in (chunk, question))
    return ((one @ other.mT - COSINE) * COSINES).masked_fill(~given.words[:, None, None], torch.finfo(torch.bfloat16).min)


def _block(block: Block, x: Tensor, question: int, there: Tensor) -> Tensor:
    """As Block.forward, with what is not there left out of the neighbours and of the attention."""
    near = block.near_norm(x[:, question:]) * there[:, question:, None]
    x = torch.cat([x[:, :question], x[:, question:] + block.near(near.mT).mT], 1)
    q, k, v = block.qkv(block.all_norm(x)).unflatten(-1, (3, block.heads, HEAD_WIDTH)).permute(2, 0, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=there[:, None, None], scale=HEAD_WIDTH**-0.5)
    x = x + block.out(mixed.transpose(1, 2).flatten(2))
    own: Tensor = block.down(functional.gelu(block.up(block.own_norm(x))))
    return x + own
