"""A GGUF file of the llama family -> config and weights under our names.

Reading a GGUF takes seconds; what comes of it is kept beside it as `weights.safetensors` (bf16, memory-mapped by the next start) with
the file's sum and our converter's version, and made again when either differs.

GGUF files of this family hold the rows of the q and k matrices in another order: each head's two halves interleaved, for engines that
rotate neighbours. `INTERLEAVED` names those tensors; here they are put back into halves, which is what engine.model.rope rotates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.config import ModelConfig, dense
from engine.errors import ModelDamaged, ModelMissing
from engine.loading.files import file_sum, keep_beside

CONVERTER = "2"

# Our tensor <- the GGUF tensors that it is made of, one below the other; {} is the layer.
TABLE = {
    "layers.{}.attention_norm.weight": ["blk.{}.attn_norm.weight"],
    "layers.{}.attention.qkv.weight": ["blk.{}.attn_q.weight", "blk.{}.attn_k.weight", "blk.{}.attn_v.weight"],
    "layers.{}.attention.out.weight": ["blk.{}.attn_output.weight"],
    "layers.{}.feed_forward_norm.weight": ["blk.{}.ffn_norm.weight"],
    "layers.{}.feed_forward.gate_up.weight": ["blk.{}.ffn_gate.weight", "blk.{}.ffn_up.weight"],
    "layers.{}.feed_forward.down.weight": ["blk.{}.ffn_down.weight"],
}
OUTSIDE = {"embed.weight": ["token_embd.weight"], "norm.weight": ["output_norm.weight"]}
HEAD = {"head.weight": ["output.weight"]}
INTERLEAVED = {"attn_q": "heads", "attn_k": "kv_heads"}


def load(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Config and bf16 weights of a GGUF file, from the cache beside it where that holds. Raises ModelMissing or ModelDamaged."""
    if not path.is_file():
        raise ModelMissing(f"There is no model at {path}. Run `python -m engine.loading.bundled`, or set LONGREAD_MODEL.")
    cached, key = path.with_name("weights.safetensors"), f"{CONVERTER} {file_sum(path)}"
    if (kept := read_cached(cached, key)) is not None:
        return kept
    config, weights = convert(path)
    rounded = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
    metadata = {"key": key, "config": json.dumps(config.as_json())}
    keep_beside(cached, lambda temporary: save_file(rounded, temporary, metadata))
    return config, rounded


def read_cached(path: Path, key: str) -> tuple[ModelConfig, dict[str, Tensor]] | None:
    """What an earlier start kept, or None if it is not there, not whole, or of another file or converter."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            return ModelConfig.from_json(json.loads(metadata["config"])), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None


def convert(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Config and fp32 weights straight from the file. Raises ModelDamaged naming a tensor that is missing or not known."""
    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError, OSError) as error:
        raise ModelDamaged(f"{path} is no whole GGUF file ({error}). Fetch it again.") from error
    found = {tensor.name: tensor for tensor in reader.tensors}
    fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer.ggml.")}
    config = config_of(fields | {"llama.vocab_size": int(found["token_embd.weight"].shape[1])}, tied="output.weight" not in found)
    table = name_table(config)
    check_names(path, set(found), {source for sources in table.values() for source in sources})
    return config, {ours: torch.cat([read(found[source], config) for source in sources]) for ours, sources in table.items()}


def config_of(fields: Mapping[str, Any], *, tied: bool) -> ModelConfig:
    """From a GGUF file's metadata as plain values. Raises ModelDamaged for another family or a missing field."""
    family = fields.get("general.architecture")
    if family != "llama":
        raise ModelDamaged(f"This GGUF file holds a {family} model; the engine reads the llama family. Use another file.")
    try:
        heads, hidden = int(fields["llama.attention.head_count"]), int(fields["llama.embedding_length"])
        return ModelConfig(
            family="llama",
            name=str(fields.get("general.name", "llama")),
            hidden=hidden,
            heads=heads,
            kv_heads=int(fields.get("llama.attention.head_count_kv", heads)),
            head_dim=int(fields.get("llama.attention.key_length", hidden // heads)),
            ffn=int(fields["llama.feed_forward_length"]),
            vocab=int(fields.get("llama.vocab_size") or len(fields["tokenizer.ggml.tokens"])),
            context=int(fields["llama.context_length"]),
            rope_theta=float(fields.get("llama.rope.freq_base", 10_000.0)),
            norm_eps=float(fields["llama.attention.layer_norm_rms_epsilon"]),
            tied=tied,
            **dense(int(fields["llama.block_count"])),
        )
    except KeyError as error:
        raise ModelDamaged(f"The GGUF file lacks the field {error}. Fetch it again.") from error


def name_table(config: ModelConfig) -> dict[str, list[str]]:
    """TABLE written out for every layer, with the tensors outside the layers."""
    layers = {
        ours.format(layer): [source.format(layer) for source in sources]
        for layer in range(config.layers)
        for ours, sources in TABLE.items()
    }
    return OUTSIDE | layers | ({} if config.tied else HEAD)


def check_names(path: Path, found: set[str], expected: set[str]) -> None:
    for what, names in (("lacks", expected - found), ("holds, beside what we know,", found - expected)):
        if names:
            raise ModelDamaged(f"{path} {what} {', '.join(sorted(names)[:3])}. It is cut short or of another family: use another file.")


def read(tensor: Any, config: ModelConfig) -> Tensor:
    """One GGUF tensor as fp32, q and k rows put back into halves."""
    values = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32))
    values = values.reshape(*reversed(tensor.shape.tolist()))
    heads = next((getattr(config, field) for part, field in INTERLEAVED.items() if f".{part}." in tensor.name), None)
    return values if heads is None else values.view(heads, -1, 2, config.hidden).transpose(1, 2).reshape(values.shape)
