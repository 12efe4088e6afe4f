"""Turns experts' weights into the codec that was chosen, tensor by tensor and expert by expert while a loader reads them, so that a
checkpoint is never held twice. Router, shared expert, attention and embeddings stay as they are.

Knows our names, no checkpoint's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.config import ModelConfig
from engine.errors import EngineError
from engine.model.channel_stack import encode_channels
from engine.model.int4_stack import encode_int4
from engine.model.weight_codec import CODECS, Codec, int4_group

EXPERT_WEIGHTS = ("experts.gate_up", "experts.down")
PARTS = ("values", "scales")


def check_codec(config: ModelConfig, codec: str) -> Codec:
    """The codec, if it is one and this model's experts can be held in it; raises EngineError with what to choose instead."""
    known = next((name for name in CODECS if name == codec), None)
    if known is None:
        raise EngineError(f"There is no weight codec {codec!r}. There are: {', '.join(CODECS)}.")
    if known in ("fp8", "int4") and config.experts is None:
        raise EngineError(f"Only experts' weights can be held in {codec}, and {config.name} has no experts. Choose bf16 or int8.")
    if known == "int4" and config.experts:
        for inputs in (config.hidden, config.experts.ffn):
            int4_group(inputs)
    return known


def quantise(name: str, tensor: Tensor, codec: Codec, device: torch.device | None = None) -> dict[str, Tensor]:
    """What the decoder is to be given for this one of its tensors: {name: tensor} itself, or for experts' weights [E, in, out] in a codec
    other than bf16 `name.values` and `name.scales`, made on `device` (the tensor's own by default) with one expert there at a time."""
    if codec == "bf16" or not name.endswith(EXPERT_WEIGHTS):
        return {name: tensor}
    target = device or tensor.device
    made: dict[str, Tensor] = {}
    for number, weight in enumerate(tensor):
        for part, encoded in zip(PARTS, encode(weight.to(target).t(), codec), strict=True):
            stack = made.setdefault(f"{name}.{part}", encoded.new_empty(len(tensor), *encoded.shape))
            stack[number] = encoded
    return made


def encode(rows: Tensor, codec: Codec) -> tuple[Tensor, Tensor]:
    """Values and scales of one expert's weight [out, in]."""
    if codec == "int4":
        return encode_int4(rows, int4_group(rows.shape[1]))
    return encode_channels(rows, torch.int8 if codec == "int8" else torch.float8_e4m3fn)
