"""A GGUF file's metadata -> ModelConfig, for the architectures llama, smollm3 and llama4.

Such files leave out what llama.cpp has in its code: which layers have positions, Llama 4's chunks, its temperature and its q and k norm.
Those values stand here as constants. Reads no weights but the table of positions' factors. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader

from engine.config import Experts, ModelConfig, RopeScaling, Temperature, dense
from engine.errors import ModelDamaged

FAMILIES = ("llama", "smollm3", "llama4")
NO_ROPE_EVERY = 4
LLAMA4_CHUNK = 8192
LLAMA4_TEMPERATURE = Temperature(floor_scale=8192, scale=0.1)
LLAMA4_WITHOUT_QK_NORM = 128  # experts; the one published model that has none is told by their number
FACTORS = "rope_freqs.weight"
# low and high factors of the published models whose files hold a table of factors; the factor itself is the table's largest value.
SCALINGS = ((1.0, 4.0), (1.0, 1.0))
SCALED_CONTEXT = 8192


class QuickReader(GGUFReader):
    """Reads the mapped file as a plain array: numpy's own kind for mapped files takes most of the time of reading a vocabulary."""

    @property
    def data(self) -> Any:
        return self._data

    @data.setter
    def data(self, mapped: Any) -> None:
        self._data = mapped.view(np.ndarray)


def open_gguf(path: Path) -> GGUFReader:
    """Raises ModelDamaged for a file that is cut short or no GGUF file."""
    try:
        return QuickReader(path)
    except (ValueError, IndexError, OSError) as error:
        raise ModelDamaged(f"{path} is no whole GGUF file ({error}). Fetch it again.") from error


def read_gguf_config(path: Path) -> ModelConfig:
    return config_of(open_gguf(path), path)


def config_of(reader: GGUFReader, path: Path) -> ModelConfig:
    """Raises ModelDamaged for another family, a missing field or what the engine cannot compute."""
    fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer.ggml.")}
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    family = fields.get("general.architecture")
    if family not in FAMILIES:
        raise ModelDamaged(f"This GGUF file holds a {family} model; the engine reads the llama family. Use another file.")
    try:
        own = {name.removeprefix(f"{family}."): value for name, value in fields.items()}
        made = sizes(own) | FAMILY_FACTS[family](own)
        made |= {
            "vocab": int(tensors["token_embd.weight"].shape[1]),
            "tied": "output.weight" not in tensors,
            "rope_scaling": rope_scaling(tensors[FACTORS].data, made) if FACTORS in tensors else None,
            "end_tokens": end_tokens(reader),
        }
    except KeyError as error:
        raise ModelDamaged(f"{path} lacks the field {error}. Fetch it again.") from error
    return ModelConfig(family=family, name=str(fields.get("general.name", family)), **made)


def sizes(fields: Mapping[str, Any]) -> dict[str, Any]:
    heads, hidden = int(fields["attention.head_count"]), int(fields["embedding_length"])
    return {
        "hidden": hidden,
        "heads": heads,
        "kv_heads": int(fields.get("attention.head_count_kv", heads)),
        "head_dim": int(fields.get("attention.key_length", hidden // heads)),
        "ffn": int(fields["feed_forward_length"]),
        "context": int(fields["context_length"]),
        "rope_theta": float(fields.get("rope.freq_base", 10_000.0)),
        "norm_eps": float(fields["attention.layer_norm_rms_epsilon"]),
    }


def llama(fields: Mapping[str, Any]) -> dict[str, Any]:
    if fields.get("expert_count", 0):
        raise ModelDamaged("This GGUF file holds a llama model with experts; the engine computes those of Llama 4 only. Use another file.")
    return dense(int(fields["block_count"]))


def smollm3(fields: Mapping[str, Any]) -> dict[str, Any]:
    return dense(int(fields["block_count"])) | {"rope": all_but_every_fourth(int(fields["block_count"]))}


def llama4(fields: Mapping[str, Any]) -> dict[str, Any]:
    layers, step = int(fields["block_count"]), int(fields["interleave_moe_layer_step"])
    if int(fields.get("expert_used_count", 1)) != 1:
        raise ModelDamaged("This GGUF file uses several experts a token; the engine computes one. Use another file.")
    if fields.get("attention.sliding_window") == 0:
        raise ModelDamaged("This GGUF file says that no layer is chunked; the engine reads such models as safetensors only. Use those.")
    rope = all_but_every_fourth(layers)
    experts = Experts(int(fields["expert_count"]), int(fields["expert_feed_forward_length"]))
    return {
        "rope": rope,
        "chunked": rope,
        "moe": tuple((layer + 1) % step == 0 for layer in range(layers)),
        "attention_chunk": LLAMA4_CHUNK,
        "qk_norm": experts.count != LLAMA4_WITHOUT_QK_NORM,
        "temperature": LLAMA4_TEMPERATURE,
        "experts": experts,
    }


FAMILY_FACTS = {"llama": llama, "smollm3": smollm3, "llama4": llama4}


def all_but_every_fourth(layers: int) -> tuple[bool, ...]:
    return tuple((layer + 1) % NO_ROPE_EVERY != 0 for layer in range(layers))


def rope_scaling(table: Any, sizes: Mapping[str, Any]) -> RopeScaling:
    """The scaling that makes these factors [D/2], by which each pair's frequency is divided. Raises ModelDamaged if we know none."""
    found = np.asarray(table, dtype=np.float64).reshape(-1)
    for low, high in SCALINGS:
        scaling = RopeScaling(round(float(found.max()), 3), low, high, SCALED_CONTEXT)
        expected = factors(scaling, sizes["head_dim"], sizes["rope_theta"])
        if found.shape == expected.shape and np.allclose(found, expected, rtol=1e-3):
            return scaling
    raise ModelDamaged(f"This GGUF file holds {FACTORS} of a kind of positions that the engine does not compute. Use another file.")


def factors(scaling: RopeScaling, head_dim: int, theta: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What llama3's scaling divides the frequency of each pair by, [D/2]."""
    wavelengths = 2 * np.pi * theta ** (np.arange(0, head_dim, 2) / head_dim)
    turns = scaling.original_context / wavelengths
    zone = scaling.high - scaling.low
    kept = np.clip((turns - scaling.low) / zone, 0.0, 1.0) if zone else (turns >= scaling.low).astype(np.float64)
    return np.asarray(1 / ((1 - kept) / scaling.factor + kept))


def end_tokens(reader: GGUFReader) -> tuple[int, ...]:
    names = (f"tokenizer.ggml.{kind}_token_id" for kind in ("eos", "eot", "eom"))
    ids = (reader.fields[name].contents() for name in names if name in reader.fields)
    return tuple(dict.fromkeys(int(id) for id in ids))
