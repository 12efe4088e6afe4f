"""A tiny random llama model, and the same weights as transformers has them."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from engine.config import ModelConfig, dense
from engine.model.decoder import Decoder

CONFIG = ModelConfig(
    family="llama",
    name="tiny",
    hidden=48,
    heads=6,
    kv_heads=2,
    head_dim=8,
    ffn=64,
    vocab=97,
    context=512,
    rope_theta=1000.0,
    norm_eps=1e-5,
    tied=True,
    **dense(3),
)


def reference_model(config: ModelConfig = CONFIG, seed: int = 0) -> LlamaForCausalLM:
    """transformers' model with random weights; larger than its defaults, so that attention is not uniform."""
    torch.manual_seed(seed)
    theirs = LlamaConfig(
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
    model = LlamaForCausalLM(theirs).float().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def our_weights(model: LlamaForCausalLM, config: ModelConfig) -> dict[str, Tensor]:
    """transformers' weights under our names."""
    theirs = {name.removeprefix("model."): tensor.detach() for name, tensor in model.state_dict().items()}
    ours = {"embed.weight": theirs["embed_tokens.weight"], "norm.weight": theirs["norm.weight"]}
    if not config.tied:
        ours["head.weight"] = theirs["lm_head.weight"]
    for layer in range(config.layers):
        attention, feed_forward = f"layers.{layer}.self_attn", f"layers.{layer}.mlp"
        ours |= {
            f"layers.{layer}.attention_norm.weight": theirs[f"layers.{layer}.input_layernorm.weight"],
            f"layers.{layer}.attention.qkv.weight": torch.cat([theirs[f"{attention}.{part}_proj.weight"] for part in "qkv"]),
            f"layers.{layer}.attention.out.weight": theirs[f"{attention}.o_proj.weight"],
            f"layers.{layer}.feed_forward_norm.weight": theirs[f"layers.{layer}.post_attention_layernorm.weight"],
            f"layers.{layer}.feed_forward.gate_up.weight": torch.cat(
                [theirs[f"{feed_forward}.{part}_proj.weight"] for part in ("gate", "up")]
            ),
            f"layers.{layer}.feed_forward.down.weight": theirs[f"{feed_forward}.down_proj.weight"],
        }
    return ours


def reference_with(weights: dict[str, Tensor], config: ModelConfig) -> LlamaForCausalLM:
    """transformers' model with our weights."""
    model = reference_model(config)
    theirs = dict(model.named_parameters())
    for name, tensor in weights.items():
        parts = THEIRS[name.split(".", 2)[-1]] if name.startswith("layers.") else THEIRS[name]
        prefix = ".".join(name.split(".")[:2]) + "." if name.startswith("layers.") else ""
        targets = [theirs[(f"model.{prefix}" if part != "lm_head.weight" else "") + part] for part in parts]
        for target, rows in zip(targets, tensor.split([len(target) for target in targets]), strict=True):
            target.data.copy_(rows)
    return model


THEIRS = {
    "embed.weight": ["embed_tokens.weight"],
    "norm.weight": ["norm.weight"],
    "head.weight": ["lm_head.weight"],
    "attention_norm.weight": ["input_layernorm.weight"],
    "attention.qkv.weight": [f"self_attn.{part}_proj.weight" for part in "qkv"],
    "attention.out.weight": ["self_attn.o_proj.weight"],
    "feed_forward_norm.weight": ["post_attention_layernorm.weight"],
    "feed_forward.gate_up.weight": ["mlp.gate_proj.weight", "mlp.up_proj.weight"],
    "feed_forward.down.weight": ["mlp.down_proj.weight"],
}


def tiny_decoder(config: ModelConfig = CONFIG, seed: int = 0) -> Decoder:
    return Decoder.from_weights(config, our_weights(reference_model(config, seed), config))
