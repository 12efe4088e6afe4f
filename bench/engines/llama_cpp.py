"""llama.cpp's wheel on the same GGUF, by its own clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xllamacpp

from bench.process import BenchFailed, Figures, Request, answer
from bench.timing import THREADS
from bench.trial import Trial, carry_out


class LlamaCpp:
    """Its server in this process, with one slot. Greedy."""

    def __init__(self, gguf: Path, context: int) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(gguf)
        params.n_ctx = context
        params.n_parallel = 1
        params.cpuparams.n_threads = THREADS
        params.cpuparams_batch.n_threads = THREADS
        self._server: Any = xllamacpp.Server(params)

    def read(self, ids: list[int]) -> float:
        return self._timings(ids, 1)["prompt_ms"] / 1e3

    def write(self, prompts: list[list[int]], new: int) -> float:
        """One stream only. The first token comes of reading, so its clock counts one less than there are."""
        (prompt,) = prompts
        return self._timings(prompt, new + 1)["predicted_ms"] / 1e3

    def _timings(self, ids: list[int], new: int) -> dict[str, float]:
        """Its clock for one completion. Raises BenchFailed where it did not do just what it was asked."""
        asked = {"prompt": ids, "max_tokens": new, "temperature": 0.0, "ignore_eos": True, "cache_prompt": False}
        timings: dict[str, float] = self._server.handle_completions(asked)["timings"]
        if (timings["prompt_n"], timings["predicted_n"]) != (len(ids), new):
            raise BenchFailed(f"llama.cpp was asked for {new} tokens after {len(ids)} and did {timings}")
        return timings


def measure(request: Request) -> Figures:
    trial = Trial(**request["trial"])
    return carry_out(LlamaCpp(Path(trial.model) / "model.gguf", trial.context + 1), trial)


if __name__ == "__main__":
    answer(measure)
