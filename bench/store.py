"""How many bytes a token takes in the store, and how fast the state of chunks comes back from it, checked, beside one file a chunk, and
beside reading the chunk again.

Bytes are those of a model of the bundled one's shape in Scout's layout (every fourth layer global, 3 kv heads of 64; its hidden size, which
no stored byte depends on, is smaller, and its weights are random): the global layers in int8 and a scan record of 128 bytes a token, as
they lie in the store, beside the keys and values of all layers in bf16, which is what other engines write.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.row import Measured, Row
from bench.timing import THREADS
from engine.cache.codec import INT8
from engine.cache.store import ChunkStore
from engine.composition import ComposedReader
from engine.config import ModelConfig
from engine.index import Indexer
from engine.loading import gguf
from engine.loading.bundled import fetch
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.model.scan_head import ScanHead
from engine.prompt import CHUNK_ROW, Prompt, PromptDocument
from engine.runs import RunReader
from engine.steps import stream

CHUNKS = 40
TOKENS = 384


LAYERS = 30
GLOBAL = tuple(layer % 4 == 3 for layer in range(LAYERS))
SCOUT = ModelConfig(
    family="llama4",
    name="the bundled model's shape in Scout's layout",
    hidden=64,
    heads=3,
    kv_heads=3,
    head_dim=64,
    ffn=64,
    vocab=256,
    context=8192,
    rope_theta=100_000.0,
    norm_eps=1e-5,
    tied=True,
    rope=tuple(not everything for everything in GLOBAL),
    chunked=tuple(not everything for everything in GLOBAL),
    moe=(False,) * LAYERS,
    attention_chunk=8192,
)
SCAN_LAYER, SCAN_WIDTH = 19, 128


def run() -> Measured:
    """All measurements, in less than a minute. The files are in the page cache for both."""
    (kept, file), naive = bytes_per_token(), float(SCOUT.layers * 2 * SCOUT.kv_heads * SCOUT.head_dim * 2)
    figures = {"bytes_per_token": kept, "file_bytes_per_token": file, "naive_bytes_per_token": naive, "share_of_naive": kept / naive}
    row = Row("bytes a token, Scout's layout, int8", kept, "bytes", "all layers, bf16", naive)
    return Measured([row, *speeds()], figures)


def bytes_per_token() -> tuple[float, float]:
    """Of a prompt of CHUNKS chunks, both tiers: of all values, and of the file, with keys, books and what pages leave empty."""
    decoder = Decoder.from_weights(SCOUT, random_weights(SCOUT))
    rows = np.zeros(CHUNKS, dtype=CHUNK_ROW)
    rows["end_token"] = TOKENS * np.arange(1, CHUNKS + 1)
    rows["first_token"] = rows["end_token"] - TOKENS
    ids = np.random.default_rng(0).integers(0, SCOUT.vocab, CHUNKS * TOKENS).astype(np.int32)
    prompt = Prompt((PromptDocument("d", "d", ids, rows, Path("no-text")),), Path("no-index"), "bench")
    projections = torch.randn(2, SCAN_WIDTH, SCOUT.hidden)
    head = ScanHead((SCAN_LAYER,), projections[0], projections[1], "random")
    with tempfile.TemporaryDirectory() as folder:
        store = ChunkStore(Path(folder))
        runs = RunReader(decoder, store, "random", None, INT8)
        for prefill in (Indexer(runs, ids[:8], head, "random").prefill, ComposedReader(runs, ids[:8]).prefill):
            for _ in stream(prefill(prompt), decoder):
                pass
        stats = store.stats()
        store.close()
    return stats.bytes / prompt.tokens, (stats.file_bytes - stats.free_bytes) / prompt.tokens


def speeds() -> list[Row]:
    """Of the bundled model's own state, which is of all layers."""
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


def random_weights(config: ModelConfig) -> dict[str, Tensor]:
    """Every weight of the config, under our names."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in Decoder(config).state_dict().items()}
    return {name: torch.randn(shape) * shape[-1] ** -0.5 for name, shape in shapes.items()}
