"""Low-rank changes of a base model: a folder in PEFT's format (adapter_config.json, adapter_model.safetensors) -> sums for our tensors.

W + scale * B A, added at load, so that an adapted model costs nothing more than its base. An adapter names the checkpoint's tensors, so
its rows go through the same tables of names and layouts as the checkpoint's. Knows no device.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.config import ModelConfig
from engine.errors import ModelDamaged, ModelMissing
from engine.loading.assemble import as_it_lies, laid_out, listed, source_shape
from engine.loading.config_fields import Fields, read_json
from engine.loading.hf_names import hf_pieces, plain_name
from engine.loading.named_reading import SETTINGS
from engine.loading.pieces import Piece
from engine.loading.shapes import model_shapes
from engine.loading.shards import Shards

WEIGHTS = "adapter_model.safetensors"
# What else a LoRA can ask for and we do not compute; a field that is absent has the first value.
ONLY: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "use_dora": (False, None),
    "lora_bias": (False, None),
    "fan_in_fan_out": (False, None),
    "modules_to_save": (None, []),
    "target_parameters": (None, []),
    "trainable_token_indices": (None, [], {}),
    "alpha_pattern": ({}, None),
}
KEY = re.compile(r"^(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight$")


@dataclass(frozen=True, slots=True)
class LowRank:
    """scale * b a: a [r, in], b [out, r]."""

    a: Tensor
    b: Tensor
    scale: float

    def change(self) -> Tensor:
        """fp32 [out, in]."""
        return self.b.float() @ self.a.float() * self.scale


@dataclass(frozen=True, slots=True)
class Adapter:
    """What is added to which parts of our tensors, by our name."""

    changes: Mapping[str, tuple[tuple[Piece, LowRank], ...]]
    files: tuple[Path, ...] = ()

    def merged(self, name: str, tensor: Tensor) -> Tensor:
        """Our tensor `name` with this adapter's changes, in its own type; itself where there are none. The sum is taken in fp32."""
        if name not in self.changes:
            return tensor
        made = tensor.float().clone()
        for piece, low_rank in self.changes[name]:
            laid_out(made, piece).add_(as_it_lies(low_rank.change().to(made.device), piece))
        return made.to(tensor.dtype)


def merge(weights: Mapping[str, Tensor], adapter: Adapter) -> dict[str, Tensor]:
    """All of a model's tensors with an adapter's changes; those without any are the same tensors."""
    return {name: adapter.merged(name, tensor) for name, tensor in weights.items()}


def read_adapter(folder: Path, config: ModelConfig) -> Adapter:
    """The LoRA in `folder` for a base of this config.

    Raises ModelMissing or ModelDamaged for a folder without an adapter, one that asks for more than sums, or one made for another base.
    """
    for name in (SETTINGS, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelMissing(f"There is no {name} in {folder}. Give the folder of a LoRA adapter as PEFT saves it.")
    settings = Fields(read_json(folder / SETTINGS), str(folder / SETTINGS))
    settings.only(ONLY)
    sides = read_sides(folder)
    low_ranks = {f"{module}.weight": low_rank(folder, settings, module, pair) for module, pair in sides.items()}
    return Adapter(placed(folder, config, low_ranks), (folder / SETTINGS, folder / WEIGHTS))


def read_sides(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Module -> its A and B. Raises ModelDamaged for names of another kind."""
    sides: dict[str, dict[str, Tensor]] = {}
    with Shards((folder / WEIGHTS,)) as shards:
        unknown = [name for name in shards.names if not KEY.match(name)]
        if unknown or not shards.names:
            raise ModelDamaged(f"{folder / WEIGHTS} holds {listed(unknown)} beside LoRA's A and B. Use an adapter of LoRA alone.")
        for name in sorted(shards.names):
            if match := KEY.match(name):
                sides.setdefault(plain_name(match["module"]), {})[match["side"]] = shards.read(name)
    return sides


def low_rank(folder: Path, settings: Fields, module: str, pair: Mapping[str, Tensor]) -> LowRank:
    if set(pair) != {"A", "B"} or pair["A"].shape[0] != pair["B"].shape[-1]:
        raise ModelDamaged(f"{folder / WEIGHTS} holds no matching pair of A and B for {module}. Fetch it again.")
    rank = len(pair["A"])
    if not settings.get("rank_pattern") and rank != settings.integer("r"):
        raise ModelDamaged(
            f"{folder / WEIGHTS} holds rank {rank} for {module}, and {SETTINGS} says {settings.integer('r')}. Fetch both again."
        )
    divisor = math.sqrt(rank) if settings.get("use_rslora", False) else rank
    return LowRank(pair["A"], pair["B"], settings.number("lora_alpha") / divisor)


def placed(folder: Path, config: ModelConfig, low_ranks: Mapping[str, LowRank]) -> dict[str, tuple[tuple[Piece, LowRank], ...]]:
    """Each change beside the part of our tensor that it belongs to. Raises ModelDamaged for a base that has no such part."""
    made_of, shapes = hf_pieces(config), model_shapes(config)
    homes = {piece.source: (ours, piece) for ours, parts in made_of.items() for piece in parts}
    if unknown := set(low_ranks) - set(homes):
        raise ModelDamaged(f"{folder} changes {listed(unknown)}, which {config.name} does not have. Use an adapter made for this model.")
    changes: dict[str, tuple[tuple[Piece, LowRank], ...]] = {}
    for source, change in low_ranks.items():
        ours, piece = homes[source]
        expected, found = source_shape(piece, shapes[ours]), (len(change.b), change.a.shape[-1])
        if found != expected:
            raise ModelDamaged(
                f"{folder} changes {source} as {list(found)}, and in {config.name} it is {list(expected)}. "
                "Use an adapter made for this model."
            )
        changes[ours] = (*changes.get(ours, ()), (piece, change))
    return changes
