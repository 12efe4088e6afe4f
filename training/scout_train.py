"""Trains Scout Mini: `python -m training.scout_train --data FILE.npz --minutes N --out FOLDER`; run it again to go on.

FILE.npz is what training/scout_data.py made. `--low-rank 16` trains sums of that rank instead of the matrices themselves, which a CPU
may prefer. FOLDER gets the checkpoint, and run.json with settings and curve; training/scout_export.py makes a model of it.
docs/training.md says how long that takes.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from engine.loading.bundled import default_folder, fetch
from engine.tokenizer import Tokenizer
from training.scout_convert import convert
from training.scout_library import Library
from training.scout_mixture import Mixture
from training.scout_model import MATRICES
from training.scout_run import Point, ScoutRun, default_device
from training.scout_settings import CONFIGS, Settings


class Console:
    """Progress, a line a point on stderr: losses, rate, and the time left of this call and of the whole run."""

    def __init__(self, settings: Settings, deadline: float) -> None:
        self._settings, self._deadline = settings, deadline

    def point(self, point: Point) -> None:
        kinds = " ".join(f"{kind} {nats:.3f}" for kind, nats in point.nats.items())
        whole = (self._settings.steps - point.step) * self._settings.tokens / point.tokens_per_second / 60
        call = min(whole, max(0.0, (self._deadline - time.monotonic()) / 60))
        print(
            f"step {point.step:,} of {self._settings.steps:,}, loss {point.loss:.4f} ({kinds}), {point.tokens_per_second:,.0f} tokens/s, "
            f"{call:.1f} min left now, {whole:.1f} min of the run",
            file=sys.stderr,
            flush=True,
        )


def main(arguments: list[str] | None = None) -> None:
    asked = parser().parse_args(arguments)
    deadline = time.monotonic() + asked.minutes * 60
    settings = chosen(asked)
    device = torch.device(asked.device) if asked.device else default_device()
    torch.set_float32_matmul_precision("high")
    place = fetch() if asked.base == default_folder() else asked.base
    base, tokenizer = convert(place, settings.layout), Tokenizer.open(place)
    library = Library.load(asked.data)
    mixture = Mixture(library, tokenizer, settings.seed, settings.tokens, settings.layout.attention_chunk, settings.shares)
    run = ScoutRun(asked.out, base, mixture, settings, device, recompute=asked.recompute, compiled=asked.compile)
    print(f"from step {run.step:,} on {device}, {len(library.ids):,} tokens in the library", file=sys.stderr, flush=True)
    run.train(deadline, Console(settings, deadline).point, asked.every)


def chosen(asked: argparse.Namespace) -> Settings:
    """The named config with what is given otherwise."""
    given = {name: value for name in ("steps", "tokens", "rate", "low_rank", "seed") if (value := getattr(asked, name)) is not None}
    if asked.matrices:
        given["matrices"] = tuple(asked.matrices)
    if asked.fp32:
        given["bf16"] = False
    named = CONFIGS[asked.config]
    if asked.joined is not None:
        given["shares"] = replace(named.shares, joined=asked.joined)
    return replace(named, **given)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="file that training.scout_data made")
    made.add_argument("--minutes", type=float, required=True, help="after which this call stops, with a checkpoint")
    made.add_argument("--out", type=Path, required=True, help="folder of the run")
    made.add_argument("--base", type=Path, default=default_folder(), help="folder of the base model")
    made.add_argument("--config", choices=CONFIGS, default="mini")
    made.add_argument("--device")
    made.add_argument("--steps", type=int, help="of the whole run; the rate falls to its end")
    made.add_argument("--tokens", type=int, help="of a step")
    made.add_argument("--rate", type=float)
    made.add_argument("--low-rank", type=int, help="rank of what is trained instead of the matrices themselves")
    made.add_argument("--matrices", nargs="+", choices=MATRICES)
    made.add_argument("--seed", type=int)
    made.add_argument("--joined", type=float, help="share of the asked examples that are read in one window")
    made.add_argument("--fp32", action="store_true", help="no bf16")
    made.add_argument("--recompute", action="store_true", help="less memory, a third more time")
    made.add_argument("--compile", action="store_true", help="compile the layers: a minute first, then more tokens a second")
    made.add_argument("--every", type=int, default=10, help="steps between two lines of progress")
    return made


if __name__ == "__main__":
    main()
