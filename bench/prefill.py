"""Tokens a second while reading, beside transformers and llama.cpp on the same weights and ids: one chunk, as Longread reads, and a
longer prompt at once, as others do; and the share that this is of the machine's bare matrix products on the model's own shapes.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.peers import TRANSFORMERS, contest, figures, peak_rows, rate_rows, type_of
from bench.process import Figures
from bench.row import Measured, Row
from bench.trial import CHUNK_TOKENS, LONG_TOKENS, trial_of
from bench.turns import Run, in_turns

CHUNK, LONG = f"read_{CHUNK_TOKENS}", f"read_{LONG_TOKENS}"


def run() -> Measured:
    """All measurements, in some minutes, most of them llama.cpp's."""
    with trial_of(read=(CHUNK_TOKENS, LONG_TOKENS)) as trial:
        products = Run("bench.engines.products", {"model": trial.model, "tokens": CHUNK_TOKENS})
        return told(in_turns({**contest(trial, trial), "bare products": products}))


def told(found: Mapping[str, Figures]) -> Measured:
    """Rows and figures from what each run found. The headline is one chunk; peaks are those of reading the longer prompt."""
    ours, bf16, theirs, bare = (found[name] for name in ("ours", "ours in bf16", "transformers", "bare products"))
    kind, chunk, whole = type_of(ours), f"prefill, a chunk of {CHUNK_TOKENS}", f"prefill, {LONG_TOKENS:,} at once"
    # int8's products and sums count as bf16's do.
    reached, reached_bf16 = (each[CHUNK] * bare["flops_per_token"] / 1e9 for each in (ours, bf16))
    rows = [
        *rate_rows(f"{chunk}, {kind}", CHUNK, found),
        *rate_rows(f"{whole}, {kind}", LONG, found),
        Row(f"{chunk}, our bf16", bf16[CHUNK], "tokens/s", TRANSFORMERS, theirs[CHUNK]),
        Row(f"{whole}, our bf16", bf16[LONG], "tokens/s", TRANSFORMERS, theirs[LONG]),
        Row(f"products in prefill, {kind}", reached, "GFLOP/s", "bare bf16 products", bare["bf16_gflops"]),
        Row(f"products in prefill, {kind}", reached, "GFLOP/s", "bare int8 products", bare["int8_gflops"]),
        Row("products in prefill, our bf16", reached_bf16, "GFLOP/s", "bare bf16 products", bare["bf16_gflops"]),
        *peak_rows("prefill, peak memory", found),
    ]
    shares = {"gemm_share": reached / bare["bf16_gflops"], "gemm_share_int8": reached / bare["int8_gflops"]}
    return Measured(rows, figures(CHUNK, found) | shares)
