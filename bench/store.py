"""How fast the state of chunks comes back from the store, checked, beside one file a chunk, and beside reading the chunk again."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from bench.row import Row
from bench.timing import THREADS
from engine.cache.store import ChunkStore
from engine.loading import gguf
from engine.loading.bundled import fetch
from engine.model.attention import Segment
from engine.model.decoder import Decoder

CHUNKS = 40
TOKENS = 384


def run() -> list[Row]:
    """All measurements, in about ten seconds. The files are in the page cache for both."""
    torch.set_num_threads(THREADS)
    config, weights = gguf.load(fetch() / "model.gguf")
    value = torch.randn(TOKENS * config.kv_bytes_per_token // 2, dtype=torch.bfloat16)
    raw = value.view(torch.int16).numpy().tobytes()
    with tempfile.TemporaryDirectory() as folder:
        store, files = ChunkStore(Path(folder) / "store"), Path(folder) / "files"
        files.mkdir()
        keys = [bytes([number]) * 32 for number in range(CHUNKS)]
        before = time.perf_counter()
        for key in keys:
            store.put("state", key, raw)
        written = time.perf_counter() - before
        for number in range(CHUNKS):
            torch.save(value, files / f"{number}.pt")
        ours = seconds_each(lambda number: store.get("state", keys[number]))
        peer = seconds_each(lambda number: torch.load(files / f"{number}.pt"))
        store.close()
    decoder = Decoder.from_weights(config, weights)
    ids = torch.randint(17, config.vocab, (TOKENS,))
    again = seconds_each(lambda _: decoder(ids, [Segment(decoder.new_cache(TOKENS), TOKENS)]), 5)
    return [
        Row("a chunk's state from the store", ours * 1e3, "ms", "torch.load of a file each", peer * 1e3),
        Row("a chunk's state from the store", ours * 1e3, "ms", "reading the chunk again", again * 1e3),
        Row("storing", CHUNKS * len(raw) / written / 1e6, "MB/s"),
    ]


def seconds_each(work: Callable[[int], object], count: int = CHUNKS) -> float:
    before = time.perf_counter()
    for number in range(count):
        work(number)
    return (time.perf_counter() - before) / count
