"""Composition as transformers' Llama 4 computes it, dense: all chunks and the question in one sequence, under a mask and positions by hand.

Independent of our cache and of our attention. A token sees the tokens of its own chunk that are not after it; the question's tokens see
every chunk in global layers, and only each other in chunked ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.prompt import TokenArray


class Placed:
    """In the place of transformers' own cache, for one thing: it tells global layers each token's position, by which their queries grow.

    transformers adds the tokens before this pass to 0, 1, 2..; so many it is, token by token.
    """

    def __init__(self, positions: Tensor) -> None:
        self._before = positions - torch.arange(len(positions))

    def get_seq_length(self, layer: int = 0) -> Tensor:
        return self._before

    def update(self, k: Tensor, v: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        return k, v


def composed_logits(model: Any, chunks: Sequence[TokenArray], question: TokenArray) -> Tensor:
    """The question's logits [T, V] by transformers' model, in its own type."""
    attention_chunk = model.config.attention_chunk_size
    runs = [*chunks, question]
    begin = -(-sum(map(len, chunks)) // attention_chunk) * attention_chunk
    positions = torch.cat([torch.arange(len(run)) for run in chunks] + [begin + torch.arange(len(question))])
    run_of = torch.cat([torch.full((len(run),), number) for number, run in enumerate(runs)])
    order, same_run = torch.arange(len(positions)), run_of[:, None] == run_of[None]
    not_after = order[:, None] >= order[None]
    same_chunk = positions[:, None] // attention_chunk == positions[None] // attention_chunk
    is_question = (run_of == len(chunks))[:, None]
    masks = {
        "chunked_attention": masked(not_after & same_run & same_chunk, model.dtype),
        "full_attention": masked(not_after & (same_run | is_question), model.dtype),
    }
    ids = torch.from_numpy(np.concatenate(runs))[None].long()
    with torch.inference_mode():
        logits = model(ids, attention_mask=masks, position_ids=positions[None], past_key_values=Placed(positions), use_cache=False).logits
    last: Tensor = logits[0, -len(question) :]
    return last


def masked(seen: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)[None, None]
