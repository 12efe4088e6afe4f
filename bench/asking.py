"""A process that asks a prompt questions, as an engine worker does, and says how long they took, what was read from disk for each, and (as
any of bench.process) what memory the process held at most: what is mapped from files counts while it is mapped.

The peers of the scan are measured in a process of the same kind that does not ask: words alone, and the same records as fp32 in memory,
multiplied by numpy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from bench.library import Library
from bench.process import Figures, Request, answer
from bench.tiers import BUDGET_BYTES, Tiers
from bench.timing import seconds_of
from engine.chat_format import Asked
from engine.engine import Engine
from engine.events import AnswerOptions, Done, Failed
from engine.index import Scanned
from engine.loading.bundled import fetch
from engine.places import candidates
from engine.prompt import Prompt
from engine.steps import run

IO = Path("/proc/self/io")
LIMIT = 16
# fp32 records of ten million tokens take 5 GB; where there is less memory, that peer is left out.
SPARE_BYTES = 4 << 30
BLOCK_TOKENS = 1 << 14


def measure(request: Request) -> Figures:
    """`library`, `store` and `tokens` say which prompt; `questions` are asked one after the other, or given to the `peers`.

    `forget`: states are dropped first. `evict`: the store's file is dropped from the system's page cache first.
    """
    prompt = Library(Path(request["library"])).prompt(request["tokens"])
    store, questions = Path(request["store"]), request["questions"]
    if request.get("peers"):
        return peers(Tiers.open(store), prompt, questions)
    if request.get("forget"):
        tiers = Tiers.open(store)
        tiers.forget_states(prompt)
        tiers.store.close()
    if request.get("evict"):
        evict(store)
    with closing(Engine.open(fetch(), store, budget_bytes=BUDGET_BYTES)) as engine:
        return {name: value for number, question in enumerate(questions) for name, value in asked(engine, prompt, question, number)}


def asked(engine: Engine, prompt: Prompt, question: str, number: int) -> Iterator[tuple[str, float]]:
    """One question's figures, named with its number."""
    before = disk_bytes()
    end = list(engine.answer(prompt, question, options=AnswerOptions()))[-1]
    if isinstance(end, Failed):
        raise RuntimeError(end.message)
    assert isinstance(end, Done), "an answer ends with Done or Failed"
    timings = end.timings
    yield f"locate_s_{number}", timings.locate_s
    yield f"first_token_s_{number}", timings.first_token_s
    yield f"total_s_{number}", timings.total_s
    yield f"disk_mb_{number}", (disk_bytes() - before) / 1e6


def disk_bytes() -> int:
    """What this process had fetched from disk so far; 0 where the system does not tell."""
    if not IO.is_file():
        return 0
    return int(next(line for line in IO.read_text(encoding="ascii").splitlines() if line.startswith("read_bytes")).split()[1])


def evict(folder: Path) -> None:
    """The system forgets what it holds of these files; they are on disk already."""
    if not hasattr(os, "posix_fadvise"):
        return
    for file in folder.iterdir():
        opened = os.open(file, os.O_RDONLY)
        try:
            os.fsync(opened)
            os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(opened)


def peers(tiers: Tiers, prompt: Prompt, questions: Sequence[str]) -> Figures:
    """Seconds a question, the mean of all but the first: `words_s` for BM25 alone, `scan_s` for our scan, `numpy_s` for fp32 in memory."""
    words = [seconds_of(partial(candidates, prompt, question, LIMIT)) for question in questions]
    asks = [tiers.model.chat.ask(question) for question in questions]
    ours = [seconds_of(partial(scan, tiers, prompt, ask)) for ask in asks]
    found = {"words_s": mean(words[1:]), "scan_s": mean(ours[1:])}
    if 4 * tiers.width * prompt.tokens + SPARE_BYTES > available_bytes():
        return found
    vectors, starts = floats(tiers, prompt)
    queries = [run(tiers.indexer.question(ask), tiers.model.decoder).vectors.numpy().astype(np.float32) for ask in asks]
    theirs = [seconds_of(partial(brute_force, vectors, starts, query)) for query in queries]
    return found | {"numpy_s": mean(theirs[1:])}


def scan(tiers: Tiers, prompt: Prompt, ask: Asked) -> Scanned | None:
    return run(tiers.indexer.scan(prompt, ask), tiers.model.decoder)


def floats(tiers: Tiers, prompt: Prompt) -> tuple[np.ndarray, np.ndarray]:
    """Every record of the prompt as fp32 [tokens, W], and where each chunk's begin."""
    lengths = np.concatenate([document.rows["end_token"] - document.rows["first_token"] for document in prompt.documents])
    vectors, end = np.empty((int(lengths.sum()), tiers.width), dtype=np.float32), 0
    with tiers.store.reading() as reading:
        for document in prompt.documents:
            for key in tiers.indexer.keys(document, prompt.salt):
                view = reading.view("scan", key)
                assert view is not None, "every chunk has a record"
                record = np.frombuffer(view, dtype=np.int8).reshape(-1, tiers.width)
                vectors[end : end + len(record)] = record
                end += len(record)
    return vectors, np.concatenate([[0], np.cumsum(lengths)[:-1]])


def brute_force(vectors: np.ndarray, starts: np.ndarray, query: np.ndarray) -> np.ndarray:
    """MaxSim of each chunk, as one would write it with numpy: a product by blocks, the best of each chunk, the mean over the question."""
    products = np.empty((len(query), len(vectors)), dtype=np.float32)
    for first in range(0, len(vectors), BLOCK_TOKENS):
        products[:, first : first + BLOCK_TOKENS] = query @ vectors[first : first + BLOCK_TOKENS].T
    return np.asarray(np.maximum.reduceat(products, starts, axis=1).mean(axis=0))


def available_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    except (OSError, StopIteration):
        return 0


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    answer(measure)
