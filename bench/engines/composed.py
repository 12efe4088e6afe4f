"""A tiny random Scout that reads a long prompt chunk by chunk into a store, and in a process of its own a question over some of it.

Four layers in Scout's order, one of them global, with 256 bytes a token of it in bf16.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bench.engines.scout import CONFIG, random_weights
from bench.process import Figures, Request, answer, peak_mb
from bench.timing import THREADS
from engine.cache.store import ChunkStore
from engine.composed import READ_TOKENS
from engine.composition import ComposedReader
from engine.model.decoder import Decoder
from engine.prompt import CHUNK_ROW, Prompt, PromptDocument
from engine.runs import RunReader, Spent
from engine.sampling import Sampling, pick
from engine.steps import forward, run, stream

WIDE = replace(CONFIG, hidden=64, heads=2, kv_heads=2, head_dim=32, ffn=64)
CHUNK_TOKENS, QUESTION_TOKENS, ANSWER_TOKENS = 448, 24, 32
PREFIX = np.arange(64, dtype=np.int32)


def written(folder: Path, tokens: int) -> None:
    """Random ids of so many tokens, the same each time."""
    np.save(folder / "ids.npy", np.random.default_rng(1).integers(WIDE.vocab, size=tokens, dtype=np.int32))


def prompt(folder: Path) -> Prompt:
    """The ids as a document, out of a memory map as in the application."""
    ids = np.load(folder / "ids.npy", mmap_mode="r")
    rows = np.zeros(-(-len(ids) // CHUNK_TOKENS), dtype=CHUNK_ROW)
    rows["first_token"] = np.arange(len(rows)) * CHUNK_TOKENS
    rows["end_token"] = np.minimum(rows["first_token"] + CHUNK_TOKENS, len(ids))
    return Prompt((PromptDocument("d", "d", ids, rows, Path("no-text")),), Path("no-index"), "bench")


def fill(decoder: Decoder, reader: ComposedReader, store: ChunkStore, folder: Path, tokens: int) -> Figures:
    written(folder, tokens)
    started = time.perf_counter()
    for _ in stream(reader.prefill(prompt(folder)), decoder):
        pass
    seconds = time.perf_counter() - started
    return {"tokens_per_second": tokens / seconds, "bytes_per_token": store.stats().bytes / tokens}


def ask(decoder: Decoder, reader: ComposedReader, folder: Path) -> Figures:
    """A question over chunks from all over the prompt, as many as are read for one."""
    asked = prompt(folder)
    document = asked.documents[0]
    numbers = np.linspace(0, len(document) - 1, min(len(document), READ_TOKENS // CHUNK_TOKENS)).astype(int)
    question = torch.randint(WIDE.vocab, (QUESTION_TOKENS,), generator=torch.Generator().manual_seed(2), dtype=torch.int32)
    before, spent, started = peak_mb(), Spent(), time.perf_counter()
    cache = run(reader.open([document.chunk(int(number)) for number in numbers], asked.salt, 64, spent), decoder)
    first, feed, generator = 0.0, question, torch.Generator()
    for _ in range(ANSWER_TOKENS):
        logits = run(forward(feed, cache, range(len(feed) - 1, len(feed))), decoder)
        first = first or time.perf_counter() - started
        feed = torch.tensor([pick(logits[0], Sampling(), generator)])
    return {"first_token_s": first, "read": spent.tokens, "chunks": len(numbers), "grown_mb": peak_mb() - before}


def measure(request: Request) -> Figures:
    torch.set_num_threads(THREADS)
    folder = Path(request["folder"])
    decoder = Decoder.from_weights(WIDE, random_weights(torch.bfloat16, config=WIDE))
    store = ChunkStore(folder / "store", budget_bytes=4 << 30)
    reader = ComposedReader(RunReader(decoder, store, WIDE.name), PREFIX)
    try:
        return fill(decoder, reader, store, folder, request["fill"]) if request["fill"] else ask(decoder, reader, folder)
    finally:
        store.close()


if __name__ == "__main__":
    answer(measure)
