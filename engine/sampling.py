"""The next token out of logits: the likeliest, or drawn by temperature and top-p."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """Temperature 0 takes the likeliest token; otherwise one is drawn from the smallest set that holds `top_p` of the probability."""

    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0


def pick(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """One token id for logits [V]."""
    if sampling.temperature <= 0:
        return int(logits.argmax())
    probabilities, ids = torch.softmax(logits / sampling.temperature, dim=-1).sort(descending=True)
    kept = probabilities.cumsum(-1) - probabilities < sampling.top_p
    return int(ids[torch.multinomial(probabilities * kept, 1, generator=generator)])
