"""The forms in which experts' weights can be held, and what each costs in bytes. Chosen explicitly: no form is ever guessed.

    bf16   as loaded
    int8   signed bytes, one fp32 scale for each output channel
    fp8    e4m3, one fp32 scale for each output channel
    int4   two values a byte, one bf16 scale and one bf16 offset for each group of inputs of an output channel

Knows no tensor and no layout (`engine.model.channel_stack` and `engine.model.int4_stack` do). Imports no torch.
"""

from __future__ import annotations

from typing import Literal, get_args

from engine.errors import EngineError

Codec = Literal["bf16", "int8", "fp8", "int4"]
CODECS: tuple[Codec, ...] = get_args(Codec)
INT4_GROUPS = (64, 32)


def bytes_per_parameter(codec: Codec, inputs: int) -> float:
    """Bytes that one weight costs in a matrix with so many inputs, its share of scales included."""
    if codec == "bf16":
        return 2.0
    return 0.5 + 4 / int4_group(inputs) if codec == "int4" else 1 + 4 / inputs


def int4_group(inputs: int) -> int:
    """How many inputs share a scale: the first of INT4_GROUPS that divides them. Raises EngineError where none does."""
    group = next((group for group in INT4_GROUPS if inputs % group == 0), None)
    if group is None:
        raise EngineError(
            f"int4 needs widths that are multiples of {INT4_GROUPS[-1]}, and this model has one of {inputs}. Choose fp8 or bf16."
        )
    return group
