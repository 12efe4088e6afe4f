"""How the memory of a process grows that reads up to a million tokens with a tiny random Scout: in isolated mode not at all, in exact mode
by the global layer's keys and values and nothing else; beside transformers where that can be read.

Every figure is a process's peak over what it held just before it began to read. fp32, and isolated mode in bf16 too: there torch keeps a
compiled product for each number of tokens that a matrix ever met, which is memory as well.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from bench.engines.scout import KV_BYTES_PER_TOKEN
from bench.process import Figures, Request, measured
from bench.row import Measured, Row

FULL_TOKENS = 1 << 20
START_TOKENS = 1 << 16  # from here on growth counts: before, a process still takes what it needs at any length
PEER_TOKENS = (1 << 14, 1 << 15)  # transformers makes masks of piece by prompt, so that longer ones take minutes and gigabytes
KEPT = "the global layer's own"
MARKS = (*PEER_TOKENS, START_TOKENS, 1 << 18, 1 << 19)


def run(tokens: int = FULL_TOKENS) -> Measured:
    """All measurements, in about a quarter of an hour, most of it attention over a million tokens; much less with fewer `tokens`."""
    marks = [*(mark for mark in MARKS if mark < tokens), tokens]
    ours, theirs = "bench.engines.scout", "bench.engines.scout_transformers"
    asked: dict[str, tuple[str, Request]] = {
        "isolated": (ours, {"exact": False, "bf16": False, "marks": marks}),
        "isolated, bf16": (ours, {"exact": False, "bf16": True, "marks": marks}),
        "transformers": (theirs, {"marks": PEER_TOKENS}),
        "exact": (ours, {"exact": True, "bf16": False, "marks": marks}),
    }
    found = {}
    for name, (module, request) in asked.items():
        print(f"memory: {name}", file=sys.stderr)
        found[name] = measured(module, request)
    return told(found, [mark for mark in marks if mark >= START_TOKENS])


def told(found: Mapping[str, Figures], marks: Sequence[int]) -> Measured:
    """Rows and figures from what each process found; growth is that from the first mark to the last."""
    first, last = marks[0], marks[-1]
    isolated, bf16, exact = (growth(found[name], first, last) for name in ("isolated", "isolated, bf16", "exact"))
    span, kept = f"from {size(first)} to {size(last)}", kv_mb(last - first)
    rows = [
        *(Row(f"isolated, {size(mark)} tokens", found["isolated"][f"grown_{mark}"], "MB") for mark in marks),
        *(Row(f"exact, {size(mark)} tokens", found["exact"][f"grown_{mark}"], "MB") for mark in marks),
        *(peer_row(mark, found) for mark in PEER_TOKENS),
        Row(f"isolated, {span}", isolated, "MB", KEPT, kept),
        Row(f"isolated, {span}, bf16", bf16, "MB", KEPT, kept),
        Row(f"exact, {span}", exact, "MB", KEPT, kept),
    ]
    ours, theirs = (found[name][f"grown_{PEER_TOKENS[-1]}"] for name in ("exact", "transformers"))
    figures = {
        "isolated_growth_mb": isolated,
        "isolated_bf16_growth_mb": bf16,
        "exact_growth_mb": exact,
        "global_kv_growth_mb": kept,
        "exact_growth_over_kv": exact / kept,
        "vs_transformers": theirs / ours,
    }
    return Measured(rows, figures)


def growth(figures: Figures, first: int, last: int) -> float:
    return figures[f"grown_{last}"] - figures[f"grown_{first}"]


def peer_row(mark: int, found: Mapping[str, Figures]) -> Row:
    ours, theirs = (found[name][f"grown_{mark}"] for name in ("exact", "transformers"))
    return Row(f"exact, {size(mark)} tokens", ours, "MB", "transformers, same pieces", theirs)


def kv_mb(tokens: int) -> float:
    """What the global layers keep of so many tokens."""
    return tokens * KV_BYTES_PER_TOKEN / (1 << 20)


def size(tokens: int) -> str:
    """65536 as 64 K, 1048576 as 1 M."""
    return f"{tokens >> 20} M" if tokens >= 1 << 20 else f"{tokens >> 10} K"
