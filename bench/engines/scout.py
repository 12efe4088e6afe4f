"""A tiny random Scout that reads a very long prompt in pieces, and what memory its process holds at marks on the way.

Four layers in Scout's order: three that attend within chunks of 8,192 tokens and one that attends to all; two experts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from bench.process import Figures, Request, answer, peak_mb
from bench.timing import THREADS
from engine.config import Experts, ModelConfig, RopeScaling, Temperature
from engine.model.attention import Segment
from engine.model.decoder import Decoder

CONFIG = ModelConfig(
    family="llama4",
    name="tiny Scout",
    hidden=32,
    heads=1,
    kv_heads=1,
    head_dim=16,
    ffn=32,
    vocab=256,
    context=1 << 20,
    rope_theta=500_000.0,
    norm_eps=1e-5,
    tied=False,
    rope=(True, True, True, False),
    chunked=(True, True, True, False),
    moe=(True,) * 4,
    attention_chunk=8192,
    rope_scaling=RopeScaling(16.0, 1.0, 1.0, 8192),
    qk_norm=True,
    temperature=Temperature(8192, 0.1),
    experts=Experts(2, 32),
)
KV_BYTES_PER_TOKEN = 2 * CONFIG.kv_bytes_per_token  # of the global layer in fp32; the config counts bf16
PIECE_TOKENS = 2048


def random_weights(dtype: torch.dtype, seed: int = 0, config: ModelConfig = CONFIG) -> dict[str, Tensor]:
    """Every weight of the config, under our names."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in Decoder(config).state_dict().items()}
    return {name: (torch.randn(shape, generator=generator) * shape[-1] ** -0.5).to(dtype) for name, shape in shapes.items()}


def pieces(tokens: int) -> Iterator[Tensor]:
    """So many random ids, the same each time."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(0, tokens, PIECE_TOKENS):
        yield torch.randint(CONFIG.vocab, (PIECE_TOKENS,), generator=generator)


def marks_passed(reading: Iterator[None], marks: list[int]) -> Figures:
    """`grown_65536`: MB of peak memory over what was held just before reading began, when so many tokens are read; `seconds_65536`."""
    started, before, read = time.perf_counter(), peak_mb(), 0
    figures: Figures = {}
    for _ in reading:
        read += PIECE_TOKENS
        if read in marks:
            figures |= {f"grown_{read}": peak_mb() - before, f"seconds_{read}": time.perf_counter() - started}
    return figures


def isolated(decoder: Decoder, tokens: int) -> Iterator[None]:
    """Each attention chunk begins in a fresh cache."""
    assert CONFIG.attention_chunk, "Scout attends in chunks"
    cache = decoder.new_cache()
    for piece in pieces(tokens):
        if cache.length == CONFIG.attention_chunk:
            cache = decoder.new_cache()
        decoder(piece, [Segment(cache, len(piece))])
        yield


def exact(decoder: Decoder, tokens: int) -> Iterator[None]:
    """One cache over all."""
    cache = decoder.new_cache()
    for piece in pieces(tokens):
        decoder(piece, [Segment(cache, len(piece))])
        yield


def measure(request: Request) -> Figures:
    torch.set_num_threads(THREADS)
    decoder = Decoder.from_weights(CONFIG, random_weights(torch.bfloat16 if request["bf16"] else torch.float32))
    read = exact if request["exact"] else isolated
    return marks_passed(read(decoder, max(request["marks"])), request["marks"])


if __name__ == "__main__":
    answer(measure)
