"""In which form a model's weights are held and multiplied: as somebody chose, or by the model's own default.

    bf16   as loaded: bf16, or fp32 where the processor has no bf16 (engine.model.placement)
    int8   on a CPU all matrix products in its integers, experts held in bytes; on a GPU the experts alone
    fp8    experts alone
    int4   experts alone

Knows no file and no environment.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from engine.config import ModelConfig
from engine.errors import EngineError
from engine.loading.quantise import check_codec
from engine.model.linear import cpu_has_int8
from engine.model.weight_codec import Codec


@dataclass(frozen=True, slots=True)
class WeightChoice:
    """`codec` is the experts'; `int8_products`: the dense products are in int8 too."""

    codec: Codec
    int8_products: bool = False


def chosen(weights: str | None, config: ModelConfig, where: torch.device, *, bundled: bool) -> WeightChoice:
    """What `weights` asks for; None asks for int8 of the bundled model where the processor has it, of any other for bf16.

    Raises EngineError, with what to choose instead, for a form that does not exist or that this model or machine cannot have.
    """
    on_cpu = where.type == "cpu"
    if weights is None:
        return WeightChoice("int8", True) if bundled and on_cpu and cpu_has_int8() else WeightChoice("bf16")
    codec = check_codec(config, weights)
    if codec != "int8":
        return WeightChoice(codec)
    if on_cpu and not cpu_has_int8():
        raise EngineError("This processor has no int8 products (no VNNI instructions). Set LONGREAD_WEIGHTS to bf16, or unset it.")
    if not on_cpu and config.experts is None:
        raise EngineError(f"On {where.type} int8 is for experts, and {config.name} has none. Set LONGREAD_WEIGHTS to bf16, or unset it.")
    return WeightChoice("int8", on_cpu)
