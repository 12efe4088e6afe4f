"""Tokens a second while writing after a prompt of one chunk, beside transformers and llama.cpp on the same weights and ids: one stream,
and eight in step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bench.peers import TRANSFORMERS, contest, figures, peak_rows, rate_rows, type_of
from bench.process import Figures
from bench.row import Measured, Row
from bench.trial import trial_of
from bench.turns import in_turns

STREAMS = 8
ONE, TOGETHER = "write_1", f"write_{STREAMS}"


def run() -> Measured:
    """All measurements, in some minutes."""
    with trial_of(write=(1, STREAMS)) as trial:
        return told(in_turns(contest(trial, replace(trial, write=(1,)))))


def told(found: Mapping[str, Figures]) -> Measured:
    """Rows and figures from what each run found. Our peak is that of eight streams, the peers' that of one."""
    ours, bf16, theirs = (found[name] for name in ("ours", "ours in bf16", "transformers"))
    kind = type_of(ours)
    rows = [
        *rate_rows(f"decode, one stream, {kind}", ONE, found),
        Row("decode, one stream, our bf16", bf16[ONE], "tokens/s", TRANSFORMERS, theirs[ONE]),
        Row(f"decode, eight streams, {kind}", ours[TOGETHER], "tokens/s", "one stream", ours[ONE]),
        Row("decode, eight streams, our bf16", bf16[TOGETHER], "tokens/s", "one stream", bf16[ONE]),
        *peak_rows("decode, peak memory", found),
    ]
    return Measured(rows, figures(ONE, found) | {"batch8_gain": ours[TOGETHER] / ours[ONE]})
