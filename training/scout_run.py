"""One training run in a folder: steps, a checkpoint every few minutes, going on from it as if nothing had been, and what it told.

A step's pack depends on the settings and its number alone (`Mixture.pack`), so model and optimiser are all that has to be kept. `run.json`
beside the checkpoint has settings and curve. Knows no command line.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.scout_convert import Base
from training.scout_mixture import Mixture
from training.scout_model import ScoutModel
from training.scout_pack import Pack
from training.scout_settings import Settings

CHECKPOINT, RUN = "checkpoint.pt", "run.json"
BETAS = 0.9, 0.95
AHEAD = 4  # packs that are made before they are needed
CHECKPOINT_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Point:
    """A stretch of steps that ends before `step`: the mean of their losses, and nats a token of each kind."""

    step: int
    loss: float
    nats: dict[str, float]
    tokens_per_second: float


class ScoutRun:
    """Begun, or gone on with, in `folder`. Raises ValueError where the folder holds a run of other settings or of another base; the
    number of `steps` may change."""

    def __init__(
        self,
        folder: Path,
        base: Base,
        mixture: Mixture,
        settings: Settings,
        device: torch.device,
        *,
        recompute: bool = False,
        compiled: bool = False,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.step, self.seconds = settings, 0, 0.0
        self.curve: list[Point] = []
        self._folder, self._mixture, self._device, self._base = folder, mixture, device, base.fingerprint
        self.model = ScoutModel(
            base.config, base.weights, low_rank=settings.low_rank, matrices=settings.matrices, recompute=recompute, compiled=compiled
        )
        self.model.to(device).train()
        self._trained = {name: each for name, each in self.model.named_parameters() if each.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._trained.values(), lr=settings.rate, betas=BETAS, weight_decay=settings.decay, fused=device.type == "cuda"
        )
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).is_file():
            self._go_on()

    def train(self, deadline: float, told: Callable[[Point], None], every: int = 10) -> None:
        """Steps until all are done or `deadline` (time.monotonic seconds) is past, then a checkpoint. `told` hears of every so many."""
        saved = time.monotonic()
        losses: list[Tensor] = []
        kinds = torch.zeros(2, len(self._mixture.kinds), device=self._device)
        began, began_at = time.monotonic(), self.step
        for pack in self._packs():
            loss = self._one(pack, kinds)
            losses.append(loss)
            self.step += 1
            late = time.monotonic() >= deadline
            if self.step % every == 0 or late or self.step == self.settings.steps:
                mean = float(torch.stack(losses).mean())  # waits for the device
                now = time.monotonic()
                self.seconds += now - began
                rate = (self.step - began_at) * self.settings.tokens / (now - began)
                sums, counts = kinds.tolist()
                nats = {kind: round(sums[i] / counts[i], 4) for i, kind in enumerate(self._mixture.kinds) if counts[i]}
                self.curve.append(Point(self.step, round(mean, 4), nats, round(rate, 1)))
                told(self.curve[-1])
                losses, began, began_at = [], now, self.step
                kinds.zero_()
                if late:
                    break
                if now - saved > CHECKPOINT_SECONDS:
                    self.save()
                    saved = began = time.monotonic()
        self.save()

    def _one(self, pack: Pack, kinds: Tensor) -> Tensor:
        """A step; its loss, on the device. `kinds` [2, kinds] takes nats and tokens of each."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.settings.rate_at(self.step)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.settings.bf16):
            loss = self.model.loss(self.model.batch(pack), len(self._mixture.kinds))
        loss.mean.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._trained.values(), self.settings.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        kinds[0] += loss.sums
        kinds[1] += loss.counts
        return loss.mean.detach()

    def _packs(self) -> Iterator[Pack]:
        """From this step to the last, each made by another thread while those before are trained on."""
        steps = iter(range(self.step, self.settings.steps))
        waiting: deque[Future[Pack]] = deque()
        with ThreadPoolExecutor(1) as maker:
            try:
                while True:
                    for step in steps:
                        waiting.append(maker.submit(self._mixture.pack, step, self.settings.progress(step)))
                        if len(waiting) > AHEAD:
                            break
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for each in waiting:
                    each.cancel()

    def save(self) -> None:
        """Whole or not at all."""
        state = {
            "base": self._base,
            "settings": json.dumps(self.settings.as_json()),
            "step": self.step,
            "seconds": self.seconds,
            "curve": json.dumps([[each.step, each.loss, each.nats, each.tokens_per_second] for each in self.curve]),
            "trained": {name: each.detach() for name, each in self._trained.items()},
            "optimizer": self._optimizer.state_dict(),
        }
        temporary = self._folder / f"{CHECKPOINT}.new"
        torch.save(state, temporary)
        temporary.replace(self._folder / CHECKPOINT)
        told = {name: state[name] for name in ("base", "step", "seconds")} | {"settings": self.settings.as_json()}
        told["curve"] = json.loads(str(state["curve"]))
        (self._folder / RUN).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")

    def _go_on(self) -> None:
        state = read_checkpoint(self._folder, self._device)
        before = settings_of(state)
        changed = [name for name in self.settings.changed(before) if name != "steps"]
        if changed or state["base"] != self._base:
            what = ", ".join(changed) or "base model"
            raise ValueError(f"{self._folder} holds a run with another {what}. Go on with the same, or give another folder.")
        for name, tensor in state["trained"].items():
            self._trained[name].data.copy_(tensor)
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.curve = [Point(*each) for each in json.loads(state["curve"])]


def default_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def read_checkpoint(folder: Path, device: torch.device) -> dict[str, Any]:
    """Raises FileNotFoundError."""
    state: dict[str, Any] = torch.load(folder / CHECKPOINT, map_location=device, weights_only=True)
    return state


def settings_of(state: dict[str, Any]) -> Settings:
    return Settings.from_json(json.loads(state["settings"]))


def run_settings(folder: Path) -> Settings:
    """Raises FileNotFoundError."""
    return settings_of(read_checkpoint(folder, torch.device("cpu")))


def trained_weights(folder: Path, base: Base) -> dict[str, Tensor]:
    """The engine's tensors after a run, fp32 on the CPU. Raises ValueError for a run of another base."""
    state = read_checkpoint(folder, torch.device("cpu"))
    if state["base"] != base.fingerprint:
        raise ValueError(f"{folder} holds a run of another base model. Give the folder of its base.")
    settings = settings_of(state)
    model = ScoutModel(base.config, base.weights, low_rank=settings.low_rank, matrices=settings.matrices)
    named = dict(model.named_parameters())
    for name, tensor in state["trained"].items():
        named[name].data.copy_(tensor)
    return model.weights()
