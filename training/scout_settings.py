"""What a training run is: everything that its result depends on, beside the base model and the library."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from engine.loading.scout_layout import ScoutLayout
from training.scout_mixture import Shares
from training.scout_model import MATRICES

LEAST = 0.05  # of the rate, at the end


@dataclass(frozen=True, slots=True)
class Settings:
    """`tokens` a step; `rate` after `warm_up` steps, from where it falls by a cosine. `low_rank` 0 trains the matrices themselves."""

    steps: int = 4000
    tokens: int = 32_768
    rate: float = 3e-4
    warm_up: int = 100
    decay: float = 0.0  # it would change every matrix in all directions, and no sum of low rank could carry that
    clip: float = 1.0
    low_rank: int = 0
    matrices: tuple[str, ...] = MATRICES
    bf16: bool = True
    seed: int = 1
    growing: float = 0.5  # share of the steps after which there may be as many wrong chunks as ever
    layout: ScoutLayout = field(default_factory=ScoutLayout)
    shares: Shares = field(default_factory=Shares)

    def rate_at(self, step: int) -> float:
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        along = min(1.0, (step - self.warm_up) / max(1, self.steps - self.warm_up))
        return self.rate * (LEAST + (1 - LEAST) * (1 + math.cos(math.pi * along)) / 2)

    def progress(self, step: int) -> float:
        return min(1.0, step / max(1.0, self.growing * self.steps))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        """Raises TypeError for those of another version."""
        parts = {"layout": ScoutLayout(**values["layout"]), "shares": Shares(**values["shares"]), "matrices": tuple(values["matrices"])}
        return cls(**(dict(values) | parts))

    def changed(self, other: Settings) -> list[str]:
        """Names of what differs."""
        return [each.name for each in fields(self) if getattr(self, each.name) != getattr(other, each.name)]


CONFIGS = {
    "mini": Settings(),
    "tiny": Settings(steps=20, tokens=600, rate=3e-3, warm_up=4, bf16=False, layout=ScoutLayout(4, 1024, 4096)),
}
