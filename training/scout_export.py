"""A trained Scout Mini to files: `python -m training.scout_export --run FOLDER --out FOLDER [--rank 64] [--merged FOLDER]`.

`out` gets an adapter in PEFT's format, which the engine adds to the base while it loads: of each matrix's change the best sum of that rank,
and in its settings the Scout layout and the way to read. How much of the change that keeps is said. `merged` gets base and adapter as one
Llama 4 text checkpoint, which transformers loads. Knows no data.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tokenizers
import torch
from safetensors.torch import save_file
from tokenizers import decoders
from torch import Tensor

from engine.chat_format import ChatFormat
from engine.config import ModelConfig
from engine.loading.adapter import WEIGHTS
from engine.loading.assemble import as_it_lies, laid_out, source_shape
from engine.loading.bundled import default_folder, fetch
from engine.loading.hf_names import hf_pieces
from engine.loading.load import load_model
from engine.loading.named_reading import OURS, READING, SETTINGS, Reading
from engine.loading.scout_layout import LAYOUT, ScoutLayout
from engine.tokenizer import Tokenizer
from training.scout_convert import Base, convert
from training.scout_run import run_settings, trained_weights

RANK = 64  # 39 MB of Scout Mini in fp16


def export_adapter(folder: Path, base: Base, trained: Mapping[str, Tensor], layout: ScoutLayout, reading: Reading, rank: int) -> float:
    """Writes the adapter; returns what share of the whole change's norm it keeps. Only matrices may have changed."""
    tensors: dict[str, Tensor] = {}
    kept = whole = 0.0
    for ours, parts in hf_pieces(base.plain).items():
        change = trained[ours] - base.weights[ours]
        if change.dim() != 2 or not change.any():
            continue
        for part in parts:
            a, b = best_sum(change[part.where], rank)
            module = "base_model.model." + part.source.removesuffix(".weight")
            tensors |= {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}
            whole += float(change[part.where].square().sum())
            kept += float((b.float() @ a.float()).square().sum())
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / WEIGHTS)
    settings = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": rank,
        "bias": "none",
        "target_modules": sorted({name.split(".")[-3] for name in tensors}),
        OURS: {READING: reading, LAYOUT: layout.as_json()},
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    return (kept / whole) ** 0.5 if whole else 1.0


def best_sum(change: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """fp16 A [rank, in] and B [out, rank] whose product is the nearest of that rank to the change [out, in] (Eckart and Young)."""
    left, sizes, right = torch.linalg.svd(change.double(), full_matrices=False)
    left, sizes, right = left[:, :rank], sizes[:rank].sqrt(), right[:rank]
    a, b = torch.zeros(rank, change.shape[1]), torch.zeros(change.shape[0], rank)
    a[: len(sizes)], b[:, : len(sizes)] = sizes[:, None] * right, left * sizes
    return a.half(), b.half()


def export_merged(folder: Path, place: Path, adapter: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """Base and adapter as a Llama 4 text checkpoint with its vocabulary. In bf16, as the base is kept, nothing is lost."""
    loaded = load_model(place, dtype=torch.float32, adapter=adapter)
    config = replace(loaded.config, family="llama4")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(theirs(config, loaded.decoder, dtype), folder / "model.safetensors", {"format": "pt"})
    reading = json.loads((adapter / SETTINGS).read_text(encoding="utf-8"))[OURS][READING]
    (folder / "config.json").write_text(
        json.dumps(hf_config(config, dtype) | {OURS: {READING: reading}}, indent=1) + "\n", encoding="utf-8"
    )
    tokenizer = Tokenizer.open(place)  # makes tokenizer.json of a GGUF file
    vocabulary = tokenizers.Tokenizer.from_file(str(place / "tokenizer.json"))
    vocabulary.decoder = decoders.ByteLevel()
    vocabulary.save(str(folder / "tokenizer.json"))
    end = next(name for name, id in tokenizer.specials.items() if id == ChatFormat(tokenizer).end)
    marks = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": end}
    (folder / "tokenizer_config.json").write_text(json.dumps(marks, indent=1) + "\n", encoding="utf-8")


def theirs(config: ModelConfig, weights: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Our tensors under their names and in their layout: what engine.loading.assemble does, the other way round."""
    made: dict[str, Tensor] = {}
    for ours, parts in hf_pieces(config).items():
        for part in parts:
            made[part.source] = torch.empty(source_shape(part, tuple(weights[ours].shape)), dtype=dtype)
            as_it_lies(made[part.source], part).copy_(laid_out(weights[ours], part))
    return made


def hf_config(config: ModelConfig, dtype: torch.dtype) -> dict[str, Any]:
    """Llama 4's config.json for dense layers without norms of queries and keys and without attention temperature."""
    return {
        "architectures": ["Llama4ForCausalLM"],
        "model_type": "llama4_text",
        "attention_bias": False,
        "attention_chunk_size": config.attention_chunk,
        "attn_temperature_tuning": False,
        "bos_token_id": None,
        "dtype": str(dtype).removeprefix("torch."),
        "eos_token_id": list(config.end_tokens),
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "hidden_size": config.hidden,
        "intermediate_size": config.ffn,
        "intermediate_size_mlp": config.ffn,
        "layer_types": ["chunked_attention" if chunked else "full_attention" for chunked in config.chunked],
        "max_position_embeddings": config.context,
        "moe_layers": [],
        "no_rope_layers": [int(rope) for rope in config.rope],
        "num_attention_heads": config.heads,
        "num_experts_per_tok": 1,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.kv_heads,
        "num_local_experts": 1,
        "pad_token_id": None,
        "rms_norm_eps": config.norm_eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "tie_word_embeddings": config.tied,
        "use_qk_norm": False,
        "vocab_size": config.vocab,
    }


def main(arguments: list[str] | None = None) -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--run", type=Path, required=True, help="folder that training.scout_train made")
    made.add_argument("--out", type=Path, required=True, help="folder of the adapter")
    made.add_argument("--base", type=Path, default=default_folder(), help="folder of the base model")
    made.add_argument("--rank", type=int, default=RANK)
    made.add_argument("--reading", choices=["composed", "free"], default="composed", help="free: passages and question in one window")
    made.add_argument("--merged", type=Path, help="folder of a whole checkpoint")
    asked = made.parse_args(arguments)
    place = fetch() if asked.base == default_folder() else asked.base
    layout = run_settings(asked.run).layout
    base = convert(place, layout)
    kept = export_adapter(asked.out, base, trained_weights(asked.run, base), layout, asked.reading, asked.rank)
    weights = asked.out / WEIGHTS
    with weights.open("rb") as file:
        print(f"{weights}: {weights.stat().st_size:,} bytes, sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}")
    print(f"rank {asked.rank} keeps {kept:.1%} of the change's norm")
    if asked.merged:
        export_merged(asked.merged, place, asked.out)


if __name__ == "__main__":
    main()
