"""Passages, and questions put to them, through the frozen model: the values of a few layers, kept on disk under the hash of what was read.

A passage is read as Longread stores it, alone after the chat's prefix; each question is read after it, as it is put to a located chunk. So
a passage is read once for all of its questions. One file a passage. Knows no training.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.chat_format import Asked as Put
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.prompt import TokenArray

QUESTIONS_AT_ONCE = 16

Report = Callable[[int, int, float], None]
"""Tokens done, tokens in all, tokens a second."""


@dataclass(frozen=True, slots=True)
class Job:
    """A passage and the questions that are put to it, by their wordings, in order."""

    ids: TokenArray
    questions: Mapping[str, Put]

    @property
    def tokens(self) -> int:
        return len(self.ids) + sum(len(put.ids) for put in self.questions.values())


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Values, bf16 [tokens, F]: of the passage, and of each question's own words and what opens the answer after them."""

    passage: Tensor
    questions: Mapping[str, Tensor]


class Reader:
    """The model, whole, and the layers whose values are kept."""

    def __init__(self, decoder: Decoder, prefix: TokenArray, layers: Sequence[int]) -> None:
        self._decoder, self._layers, self._first = decoder, tuple(layers), len(prefix)
        self._prefix = decoder.new_cache(len(prefix))
        decoder.read(torch.from_numpy(prefix), [Segment(self._prefix, len(prefix))])

    @torch.inference_mode()
    def read(self, job: Job) -> State:
        chunk = self._prefix.fork()
        chunk.reserve(len(job.ids))
        self._decoder.read(torch.from_numpy(np.array(job.ids)), [Segment(chunk, len(job.ids))])
        return State(stored(chunk.values(self._layers, self._first)), dict(self._questions(chunk.fork, job)))

    def _questions(self, fork: Callable, job: Job) -> Iterator[tuple[str, Tensor]]:  # type: ignore[type-arg]
        asked = list(job.questions.items())
        for first in range(0, len(asked), QUESTIONS_AT_ONCE):
            batch = asked[first : first + QUESTIONS_AT_ONCE]
            caches = [fork() for _ in batch]
            before = caches[0].length
            for cache, (_, put) in zip(caches, batch, strict=True):
                cache.reserve(len(put.ids))
            segments = [Segment(cache, len(put.ids)) for cache, (_, put) in zip(caches, batch, strict=True)]
            self._decoder.read(torch.from_numpy(np.concatenate([put.ids for _, put in batch])), segments)
            for cache, (wording, put) in zip(caches, batch, strict=True):
                yield wording, stored(cache.values(self._layers, before + put.first))


def stored(values: Tensor) -> Tensor:
    """As the store rounds them."""
    return values.to(torch.bfloat16).clone()


class ReadEncodings:
    """A folder of them; `open_reader` is called at the first passage that is not there."""

    def __init__(self, folder: Path, fingerprint: str, layers: Sequence[int], open_reader: Callable[[], Reader]) -> None:
        self._folder, self._name, self._open, self._layers = folder, f"{fingerprint} {tuple(layers)}", open_reader, tuple(layers)
        self._reader: Reader | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def encode(self, jobs: Sequence[Job], report: Report, deadline: float | None = None) -> int:
        """Encode what is missing, in order, and say how many jobs of the front are there; past `deadline` (time.monotonic) no more."""
        done, tokens, spent_tokens, spent = 0, 0, 0, 0.0
        total = sum(job.tokens for job in jobs)
        for job in jobs:
            path = self._path(job)
            if not path.is_file():
                if deadline is not None and time.monotonic() > deadline:
                    break
                started = time.perf_counter()
                self._write(job, path)
                spent, spent_tokens = spent + time.perf_counter() - started, spent_tokens + job.tokens
            done, tokens = done + 1, tokens + job.tokens
            report(tokens, total, spent_tokens / spent if spent else 0.0)
        return done

    def has(self, job: Job) -> bool:
        return self._path(job).is_file()

    def load(self, job: Job, layers: Sequence[int] | None = None) -> State:
        """With the values of some of the layers alone, if so said."""
        chosen = [self._layers.index(layer) for layer in layers or self._layers]
        with safe_open(self._path(job), "pt") as file:
            whole = (torch.unflatten(file.get_tensor(name), 1, (len(self._layers), -1)) for name in ("passage", "questions"))
            passage, questions = (values[:, chosen].flatten(1) for values in whole)
        sizes = [len(put.ids) - put.first for put in job.questions.values()]
        return State(passage, dict(zip(job.questions, torch.split(questions, sizes), strict=True)))

    def _path(self, job: Job) -> Path:
        digest = hashlib.sha256(f"{self._name} {len(job.ids)}".encode())
        for ids in (job.ids, *(put.ids for put in job.questions.values())):
            digest.update(np.asarray(ids, dtype=np.int32).tobytes())
        return self._folder / f"{digest.hexdigest()[:32]}.safetensors"

    def _write(self, job: Job, path: Path) -> None:
        self._reader = self._reader or self._open()
        state = self._reader.read(job)
        temporary = path.with_suffix(".part")
        save_file({"passage": state.passage, "questions": torch.cat(list(state.questions.values()))}, temporary)
        temporary.replace(path)
