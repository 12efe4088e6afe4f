"""The bundled model's weights as transformers reads them: a config.json and a model.safetensors in bf16."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlamaConfig

from bench.process import Figures, Request, answer
from engine.config import ModelConfig
from engine.loading import gguf

WHOLE = {"embed.weight": "model.embed_tokens.weight", "norm.weight": "model.norm.weight", "head.weight": "lm_head.weight"}
IN_LAYER = {
    "attention_norm": ["input_layernorm"],
    "attention.qkv": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "attention.out": ["self_attn.o_proj"],
    "feed_forward_norm": ["post_attention_layernorm"],
    "feed_forward.gate_up": ["mlp.gate_proj", "mlp.up_proj"],
    "feed_forward.down": ["mlp.down_proj"],
}


def write(request: Request) -> Figures:
    config, weights = gguf.load(Path(request["model"]) / "model.gguf")
    write_checkpoint(config, weights, Path(request["checkpoint"]))
    return {}


def write_checkpoint(config: ModelConfig, weights: dict[str, Tensor], folder: Path) -> None:
    """An ordinary llama model (no scaled positions) in the weights' type."""
    theirs = LlamaConfig(
        architectures=["LlamaForCausalLM"],
        dtype=str(weights["embed.weight"].dtype).removeprefix("torch."),
        vocab_size=config.vocab,
        hidden_size=config.hidden,
        intermediate_size=config.ffn,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.head_dim,
        rms_norm_eps=config.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=config.tied,
        max_position_embeddings=config.context,
    )
    theirs.save_pretrained(folder)
    tensors = {theirs: part for name, tensor in weights.items() for theirs, part in renamed(name, tensor, config).items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def renamed(name: str, tensor: Tensor, config: ModelConfig) -> dict[str, Tensor]:
    """Our tensor under transformers' name, or the parts of a fused one under theirs."""
    if name in WHOLE:
        return {WHOLE[name]: tensor}
    _, layer, inside = name.split(".", 2)
    names = IN_LAYER[inside.removesuffix(".weight")]
    kv = config.kv_heads * config.head_dim
    rows = [len(tensor) - 2 * kv, kv, kv] if len(names) == 3 else [len(tensor) // len(names)] * len(names)
    parts = torch.split(tensor, rows)
    return {f"model.layers.{layer}.{part}.weight": value.clone() for part, value in zip(names, parts, strict=True)}


if __name__ == "__main__":
    answer(write)
