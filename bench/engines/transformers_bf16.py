"""transformers on the same weights: bf16, torch's own attention, its own cache, logits of the last token only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from bench.process import Figures, Request, answer
from bench.timing import THREADS, seconds_of
from bench.trial import Trial, carry_out


class Transformers:
    """Greedy; the streams are one batch."""

    def __init__(self, checkpoint: Path, dtype: torch.dtype = torch.bfloat16) -> None:
        self._model: Any = LlamaForCausalLM.from_pretrained(checkpoint, dtype=dtype, attn_implementation="sdpa")

    def read(self, ids: list[int]) -> float:
        return seconds_of(lambda: self.step(torch.tensor([ids])))

    def write(self, prompts: list[list[int]], new: int) -> float:
        first, cache = self.step(torch.tensor(prompts))
        return seconds_of(lambda: self._go_on(first, cache, new))

    def _go_on(self, last: Tensor, cache: Any, new: int) -> None:
        for _ in range(new):
            last, cache = self.step(last, cache)

    @torch.inference_mode()
    def step(self, ids: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
        """The token that follows each of the sequences, [n, 1], and their cache."""
        said = self._model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return said.logits[:, -1:].argmax(-1), said.past_key_values


def measure(request: Request) -> Figures:
    torch.set_num_threads(THREADS)
    trial = Trial(**request["trial"])
    return carry_out(Transformers(Path(trial.checkpoint)), trial)


if __name__ == "__main__":
    answer(measure)
