"""Tokens a second while writing, one stream and eight in step, beside transformers and llama.cpp, after a prompt of one chunk."""

from __future__ import annotations

import time

import torch

from bench.peers import THREADS, llama_server, llama_timings, transformers_model
from bench.row import Row
from engine.loading import gguf
from engine.loading.bundled import fetch
from engine.model.attention import Segment
from engine.model.decoder import Decoder

PROMPT_TOKENS = 448
NEW_TOKENS = 32


def run() -> list[Row]:
    """All measurements, in about half a minute."""
    torch.set_num_threads(THREADS)
    path = fetch() / "model.gguf"
    config, weights = gguf.load(path)
    decoder = Decoder.from_weights(config, weights)
    ids = torch.randint(17, config.vocab, (PROMPT_TOKENS,), generator=torch.Generator().manual_seed(0))
    one, eight = our_rate(decoder, ids, 1), our_rate(decoder, ids, 8)
    llama = llama_timings(llama_server(path, 1024), ids, NEW_TOKENS)["predicted_per_second"]
    return [
        Row("decode, one stream", one, "tokens/s", "transformers, bf16", transformers_rate(transformers_model(config), ids)),
        Row("decode, one stream", one, "tokens/s", "llama.cpp's wheel, Q4_1", llama),
        Row("decode, eight streams together", eight, "tokens/s", "one stream", one),
    ]


def our_rate(decoder: Decoder, ids: torch.Tensor, streams: int) -> float:
    """Tokens a second over all streams, greedy, each with a cache of its own."""
    caches = [decoder.new_cache(PROMPT_TOKENS + NEW_TOKENS) for _ in range(streams)]
    for cache in caches:
        decoder(ids, [Segment(cache, len(ids))])
    new, started = ids[:streams], time.perf_counter()
    for _ in range(NEW_TOKENS):
        new = decoder.logits(decoder(new, [Segment(cache, 1) for cache in caches])).argmax(-1)
    return streams * NEW_TOKENS / (time.perf_counter() - started)


@torch.inference_mode()
def transformers_rate(model: object, ids: torch.Tensor) -> float:
    first = model(ids[None], use_cache=True, logits_to_keep=1)  # type: ignore[operator]
    cache, new, started = first.past_key_values, ids[None, :1], time.perf_counter()
    for _ in range(NEW_TOKENS):
        new = model(new, past_key_values=cache, use_cache=True).logits[:, -1:].argmax(-1)  # type: ignore[operator]
    return NEW_TOKENS / (time.perf_counter() - started)
