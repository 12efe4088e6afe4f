"""A question over composed chunks of a tiny random Scout: its memory and its first token at 100 K and at 1 M stored tokens, and the bytes
that a stored token takes, beside all layers in bf16.

The model fills the store itself, in a process of its own; each question is asked in a fresh one, over chunks from all over the prompt.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence

from bench.engines.composed import WIDE
from bench.process import Figures, measured
from bench.row import Measured, Row

SIZES = {"100K": 100_000, "1M": 1_000_000}
MODULE = "bench.engines.composed"


def run(sizes: Sequence[str] = tuple(SIZES)) -> Measured:
    """All measurements, in about two minutes, nearly all of it reading the million tokens."""
    found = {size: asked(size) for size in sizes}
    first, last = found[sizes[0]], found[sizes[-1]]
    naive = 2.0 * 2 * WIDE.layers * WIDE.kv_heads * WIDE.head_dim
    rows = [
        *(Row(f"question over {size} composed, peak", figures["peak_mb"], "MB") for size, figures in found.items()),
        *(Row(f"question over {size} composed, grown", figures["grown_mb"], "MB") for size, figures in found.items()),
        *(Row(f"question over {size} composed, first token", 1e3 * figures["first_token_s"], "ms") for size, figures in found.items()),
        Row("composed prefill", last["tokens_per_second"], "tokens/s"),
        Row("bytes a stored token", last["bytes_per_token"], "bytes", "all layers in bf16", naive),
    ]
    figures = {f"{size}.{name}": one[name] for size, one in found.items() for name in ("peak_mb", "grown_mb", "first_token_s")}
    more = {"peak_ratio": last["peak_mb"] / first["peak_mb"], "bytes_per_token": last["bytes_per_token"], "naive_bytes_per_token": naive}
    return Measured(rows, figures | more)


def asked(size: str) -> Figures:
    """What filling a store with so many tokens, and a question over it, say."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"composed: {size}", file=sys.stderr)
        filled = measured(MODULE, {"folder": folder, "fill": SIZES[size]})
        question = measured(MODULE, {"folder": folder, "fill": 0})
    return {name: filled[name] for name in ("tokens_per_second", "bytes_per_token")} | question
