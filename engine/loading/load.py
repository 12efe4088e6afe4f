"""A model folder -> everything that a decoder and an image side are built from, on their device and in their types.

One tensor at a time: read, an adapter added to it, put into the codec that was chosen. Knows no family and no file's names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.config import ModelConfig
from engine.errors import ModelMissing
from engine.loading import gguf
from engine.loading.adapter import Adapter, read_adapter
from engine.loading.assemble import assemble
from engine.loading.checkpoint import Checkpoint, open_checkpoint
from engine.loading.files import file_sum
from engine.loading.hf_names import hf_pieces
from engine.loading.quantise import check_codec, quantise
from engine.loading.scout_layout import named_layout
from engine.loading.shards import Shards
from engine.model.weight_codec import Codec

VISION = "vision."


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """`decoder` for Decoder.from_weights, `vision` for Vision.from_weights (empty for a model that does not see). `fingerprint` changes
    with any byte of checkpoint and adapter and with the codec."""

    config: ModelConfig
    decoder: dict[str, Tensor]
    vision: dict[str, Tensor]
    fingerprint: str


def load_model(
    place: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    adapter: Path | None = None,
    codec: Codec = "bf16",
) -> LoadedModel:
    """The model in folder `place` (or of a single GGUF file), with an adapter's folder on top of it, its experts held in `codec`.

    An adapter may also give a llama the Scout layout. Raises ModelMissing, ModelDamaged or another EngineError that says what to do.
    """
    checkpoint = open_checkpoint(place)
    decoder: dict[str, Tensor] = {}
    vision: dict[str, Tensor] = {}
    with ExitStack() as open_files:
        config, tensors = opened(checkpoint, open_files)
        chosen, added = check_codec(config, codec), read_adapter(adapter, config) if adapter else None
        if adapter and (layout := named_layout(adapter)):
            config = layout.of(config)
        for name, read in tensors:
            tensor = added.merged(name, read) if added else read
            held = quantise(name, tensor.to(dtype), chosen, torch.device(device))
            placed = {part: value.to(device) for part, value in held.items()}
            (vision if name.startswith(VISION) else decoder).update(placed)
    return LoadedModel(config, decoder, vision, fingerprint(checkpoint, added, chosen))


def opened(checkpoint: Checkpoint, open_files: ExitStack) -> tuple[ModelConfig, Iterable[tuple[str, Tensor]]]:
    """The config, and our tensors by name as the checkpoint holds them; `open_files` stays open until the last one is read."""
    if checkpoint.is_gguf:
        config, weights = gguf.load(checkpoint.described_by)
        return config, weights.items()
    config, folder = checkpoint.config(), checkpoint.described_by.parent
    if not checkpoint.weights:
        raise ModelMissing(f"{folder} has a config.json and no safetensors files. Fetch the weights (*.safetensors) too.")
    shards = open_files.enter_context(Shards(checkpoint.weights, tied=config.tied))
    return config, assemble(config, shards, hf_pieces(config, shards.names), folder)


def fingerprint(checkpoint: Checkpoint, adapter: Adapter | None, codec: Codec) -> str:
    own = checkpoint.fingerprint()
    if adapter is None and codec == "bf16":
        return own
    parts = [own, codec, *(file_sum(path) for path in (adapter.files if adapter else ()))]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
