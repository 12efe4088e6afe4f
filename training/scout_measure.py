"""Nats a token of each kind of example: `python -m training.scout_measure --data FILE.npz [--run FOLDER] [--adapter FOLDER]`.

Of the base as it was (positions in every layer), of the base in the Scout layout, of a run, and of the adapter made of
it, which shows what its rank costs. FILE is a library of documents held back
(`scout_data --held-back`), else what a run has learnt by heart shows too. Plain text alone is the share `keep`. Answers are scored by
`./run evaluate`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from engine.config import ModelConfig
from engine.loading.bundled import default_folder, fetch
from engine.loading.load import load_model
from engine.tokenizer import Tokenizer
from training.scout_convert import convert
from training.scout_library import Library
from training.scout_mixture import KEEP, Mixture, Shares
from training.scout_model import ScoutModel
from training.scout_pack import Pack
from training.scout_run import default_device, run_settings, trained_weights
from training.scout_settings import CONFIGS

SEED = 1_000_003


@torch.inference_mode()
def nats(
    config: ModelConfig, weights: dict[str, Tensor], packs: Sequence[Pack], kinds: Sequence[str], device: torch.device
) -> dict[str, float]:
    """A token's mean of each kind that the packs hold."""
    model = ScoutModel(config, weights).to(device).eval()
    totals = torch.zeros(2, len(kinds), device=device)
    for pack in packs:
        loss = model.loss(model.batch(pack), len(kinds))
        totals += torch.stack((loss.sums, loss.counts))
    return {kind: round(total / count, 3) for kind, total, count in zip(kinds, *totals.tolist(), strict=True) if count}


def main(arguments: list[str] | None = None) -> None:
    asked = parser().parse_args(arguments)
    place = fetch() if asked.base == default_folder() else asked.base
    settings = run_settings(asked.run) if asked.run else CONFIGS["mini"]
    base, shares = convert(place, settings.layout), Shares(kinds={KEEP: 1.0}) if asked.plain else settings.shares
    mixture = Mixture(Library.load(asked.data), Tokenizer.open(place), SEED, asked.tokens, settings.layout.attention_chunk, shares)
    packs = [mixture.pack(number, 1.0) for number in range(asked.packs)]
    as_it_was = replace(base.plain, attention_chunk=settings.layout.attention_chunk)
    models = {"base": (as_it_was, base.weights), "Scout layout": (base.config, base.weights)}
    if asked.run:
        models["run"] = base.config, trained_weights(asked.run, base)
    if asked.adapter:
        adapted = load_model(place, dtype=torch.float32, adapter=asked.adapter)
        models["adapter"] = adapted.config, adapted.decoder
    for name, model in models.items():
        print(name, nats(*model, packs, mixture.kinds, default_device()), flush=True)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="file that training.scout_data made")
    made.add_argument("--run", type=Path, help="folder that training.scout_train made")
    made.add_argument("--adapter", type=Path, help="folder that training.scout_export made")
    made.add_argument("--base", type=Path, default=default_folder(), help="folder of the base model")
    made.add_argument("--packs", type=int, default=8)
    made.add_argument("--tokens", type=int, default=4096, help="of a pack")
    made.add_argument("--plain", action="store_true", help="plain text alone")
    return made


if __name__ == "__main__":
    main()
