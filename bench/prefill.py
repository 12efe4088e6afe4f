"""Tokens a second while reading: one chunk at a time, and two packed, beside transformers and llama.cpp; and the share of the machine's
bf16 matrix products that is reached on the model's own shapes."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from bench.peers import THREADS, llama_server, llama_timings, transformers_model
from bench.row import Row
from engine.loading import gguf
from engine.loading.bundled import fetch
from engine.model.attention import Segment
from engine.model.decoder import Decoder

CHUNK_TOKENS = 448
ROUNDS = 5


def run() -> list[Row]:
    """All measurements, in about half a minute."""
    torch.set_num_threads(THREADS)
    path = fetch() / "model.gguf"
    config, weights = gguf.load(path)
    decoder, theirs = Decoder.from_weights(config, weights), transformers_model(config)
    ids = torch.randint(17, config.vocab, (CHUNK_TOKENS,), generator=torch.Generator().manual_seed(0))
    ours = CHUNK_TOKENS / best_seconds(lambda: decoder(ids, [Segment(decoder.new_cache(CHUNK_TOKENS), CHUNK_TOKENS)]))
    with torch.inference_mode():
        peer = CHUNK_TOKENS / best_seconds(lambda: theirs(ids[None], logits_to_keep=1))
    server = llama_server(path, 1024)
    llama = max(llama_timings(server, ids, 1)["prompt_per_second"] for _ in range(ROUNDS))
    reached = ours * matrix_flops_per_token(decoder) / 1e9
    return [
        Row("prefill of one chunk", ours, "tokens/s", "transformers, bf16", peer),
        Row("prefill of one chunk", ours, "tokens/s", "llama.cpp's wheel, Q4_1", llama),
        Row("matrix products in prefill", reached, "GFLOP/s", "bare products of these shapes", bare_gflops(decoder)),
    ]


def best_seconds(work: Callable[[], object]) -> float:
    """The quickest of ROUNDS, after one to warm up."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        before = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - before)
    return min(seconds)


def matrices(decoder: Decoder) -> list[torch.Tensor]:
    """The layers' weight matrices."""
    return [tensor for name, tensor in decoder.layers.named_parameters() if tensor.dim() == 2 and name]


def matrix_flops_per_token(decoder: Decoder) -> int:
    return sum(2 * matrix.numel() for matrix in matrices(decoder))


def bare_gflops(decoder: Decoder) -> float:
    """What the machine reaches when it does nothing but these products."""
    inputs = {matrix.shape[1]: torch.randn(CHUNK_TOKENS, matrix.shape[1], dtype=decoder.dtype) for matrix in matrices(decoder)}

    @torch.inference_mode()
    def products() -> None:
        for matrix in matrices(decoder):
            torch.nn.functional.linear(inputs[matrix.shape[1]], matrix)

    return matrix_flops_per_token(decoder) * CHUNK_TOKENS / best_seconds(products) / 1e9
