"""Small random checkpoints as transformers writes them, with every feature of their family in use.

They are the parity tests' other side: the model that `save_random` returns is the reference, the folder is what our loader reads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    Llama4Config,
    Llama4ForCausalLM,
    Llama4ForConditionalGeneration,
    Llama4TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

VOCAB = 128
PATCH_TOKEN = 120
# Of eight pairs one is kept, two are blended and five are divided.
SCALED = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
COMMON = {
    "vocab_size": VOCAB,
    "hidden_size": 48,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
LLAMA4 = COMMON | {
    "head_dim": 16,
    "num_hidden_layers": 8,
    "intermediate_size": 40,
    "intermediate_size_mlp": 72,
    "num_local_experts": 4,
    "interleave_moe_layer_step": 2,
    "attention_chunk_size": 16,
    "floor_scale": 8,
    "attn_scale": 0.2,
    "rope_parameters": SCALED,
}
LLAMA = COMMON | {"head_dim": 16, "num_hidden_layers": 3, "intermediate_size": 64, "rope_parameters": SCALED}
SMOLLM3 = COMMON | {
    "num_hidden_layers": 6,
    "intermediate_size": 64,
    "no_rope_layers": [1, 1, 0, 1, 0, 1],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
}
VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "image_size": 56,
    "patch_size": 14,
    "projector_input_dim": 40,
    "projector_output_dim": 40,
    "vision_output_dim": 40,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
}


def llama4(overrides: dict[str, Any]) -> PreTrainedModel:
    """Text and vision; the override `vision_config` is of the image side, all others are of the text side."""
    vision = VISION | overrides.pop("vision_config", {})
    config = Llama4Config(
        text_config=LLAMA4 | overrides,
        vision_config=vision,
        image_token_index=PATCH_TOKEN,
        boi_token_index=PATCH_TOKEN + 1,
        eoi_token_index=PATCH_TOKEN + 2,
    )
    return Llama4ForConditionalGeneration(config)


FAMILIES: dict[str, Callable[[dict[str, Any]], PreTrainedModel]] = {
    "llama4": llama4,
    "llama4_text": lambda overrides: Llama4ForCausalLM(Llama4TextConfig(**(LLAMA4 | overrides))),
    "llama": lambda overrides: LlamaForCausalLM(LlamaConfig(**(LLAMA | overrides))),
    "smollm3": lambda overrides: SmolLM3ForCausalLM(SmolLM3Config(**(SMOLLM3 | overrides))),
}


def random_model(family: str, *, seed: int = 0, **overrides: Any) -> PreTrainedModel:
    """transformers' fp32 model of `family`, with parameters large enough that attention is not uniform and routers decide clearly."""
    torch.manual_seed(seed)
    model = FAMILIES[family](dict(overrides)).float().eval()
    for name, parameter in model.named_parameters():
        around = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        torch.nn.init.normal_(parameter, mean=around, std=0.2)
    return model.requires_grad_(False)


def save_random(family: str, folder: Path, *, seed: int = 0, shard: str = "5GB", **overrides: Any) -> PreTrainedModel:
    """Write a random model into `folder` as `save_pretrained` does, in files of at most `shard`, and return it."""
    model = random_model(family, seed=seed, **overrides)
    model.save_pretrained(folder, max_shard_size=shard)
    return model
