"""Our own engine: the decoder as `Engine.open` makes it for the bundled model on this machine, or with bf16 products."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor

from bench.process import Figures, Request, answer
from bench.timing import THREADS, seconds_of
from bench.trial import Trial, carry_out
from engine.cache.kv_cache import KVCache
from engine.engine import Engine
from engine.loading import gguf
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.model.linear import Int8Linear


class Ours:
    """Greedy, each stream with a cache of its own."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def read(self, ids: list[int]) -> float:
        tokens = torch.tensor(ids)
        return seconds_of(lambda: self.step(tokens, [self._decoder.new_cache(len(ids))]))

    def write(self, prompts: list[list[int]], new: int) -> float:
        caches = [self._decoder.new_cache(len(prompt) + new) for prompt in prompts]
        first = torch.cat([self.step(torch.tensor(prompt), [cache]) for prompt, cache in zip(prompts, caches, strict=True)])
        return seconds_of(lambda: self._go_on(first, caches, new))

    def _go_on(self, last: Tensor, caches: list[KVCache], new: int) -> None:
        for _ in range(new):
            last = self.step(last, caches)

    def step(self, ids: Tensor, caches: list[KVCache]) -> Tensor:
        """The token that follows in each cache, [n], after as many ids for each of them."""
        each = len(ids) // len(caches)
        hidden = self._decoder(ids, [Segment(cache, each) for cache in caches], rows=range(each - 1, len(ids), each))
        return self._decoder.logits(hidden).argmax(-1)


def default_decoder(model: Path) -> Decoder:
    """The decoder that answers questions, on the processor."""
    with tempfile.TemporaryDirectory() as store, closing(Engine.open(model, Path(store), device="cpu")) as engine:
        return engine.decoder


def bf16_decoder(model: Path) -> Decoder:
    return Decoder.from_weights(*gguf.load(model / "model.gguf"))


def measure(request: Request) -> Figures:
    """The trial's rates; `int8` is 1 where the matrix products were in int8, else 0."""
    torch.set_num_threads(THREADS)
    trial = Trial(**request["trial"])
    decoder = (bf16_decoder if request["bf16"] else default_decoder)(Path(trial.model))
    return carry_out(Ours(decoder), trial) | {"int8": float(any(isinstance(part, Int8Linear) for part in decoder.modules()))}


if __name__ == "__main__":
    answer(measure)
