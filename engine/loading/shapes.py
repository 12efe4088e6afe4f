"""The shape of every tensor that a model of a config has, under our names: what a checkpoint is checked against and counted by.

Knows no file and no checkpoint's names. Imports no torch. Weights are [out, in], routed experts [E, in, out].
"""

from __future__ import annotations

from math import prod

from engine.config import Experts, ModelConfig, VisionConfig

Shapes = dict[str, tuple[int, ...]]


def text_shapes(config: ModelConfig) -> Shapes:
    """The decoder's tensors, embeddings and head included (one of them where they are tied)."""
    hidden = config.hidden
    shapes: Shapes = {"embed.weight": (config.vocab, hidden), "norm.weight": (hidden,)}
    if not config.tied:
        shapes["head.weight"] = (config.vocab, hidden)
    for layer in range(config.layers):
        shapes |= {f"layers.{layer}.{name}": shape for name, shape in layer_shapes(config, layer).items()}
    return shapes


def layer_shapes(config: ModelConfig, layer: int) -> Shapes:
    hidden, width = config.hidden, config.heads * config.head_dim
    attention: Shapes = {
        "attention_norm.weight": (hidden,),
        "attention.qkv.weight": (width + 2 * config.kv_heads * config.head_dim, hidden),
        "attention.out.weight": (hidden, width),
        "feed_forward_norm.weight": (hidden,),
    }
    if config.moe[layer] and config.experts is not None:
        return attention | moe_shapes(hidden, config.experts)
    return attention | swiglu_shapes("feed_forward", hidden, config.ffn)


def swiglu_shapes(name: str, hidden: int, ffn: int) -> Shapes:
    return {f"{name}.gate_up.weight": (2 * ffn, hidden), f"{name}.down.weight": (hidden, ffn)}


def moe_shapes(hidden: int, experts: Experts) -> Shapes:
    return {
        "feed_forward.router.weight": (experts.count, hidden),
        "feed_forward.experts.gate_up": (experts.count, hidden, 2 * experts.ffn),
        "feed_forward.experts.down": (experts.count, experts.ffn, hidden),
    } | swiglu_shapes("feed_forward.shared", hidden, experts.ffn)


def vision_shapes(vision: VisionConfig, hidden: int) -> Shapes:
    """The image side's tensors; `hidden` is the decoder's."""
    own = vision.hidden
    shapes: Shapes = {
        "vision.tower.patches.weight": (own, vision.channels * vision.patch_size**2),
        "vision.tower.class_token": (own,),
        "vision.tower.positions": (vision.patches_per_side**2 + 1, own),
        "vision.adapter.up.weight": (vision.adapter_hidden, vision.shuffled),
        "vision.adapter.out.weight": (vision.adapter_out, vision.adapter_hidden),
        "vision.projector.weight": (hidden, vision.adapter_out),
    }
    for norm in ("norm_before", "norm_after"):
        shapes |= with_bias(f"vision.tower.{norm}", (own,))
    for layer in range(vision.layers):
        for name, shape in tower_layer_shapes(vision).items():
            shapes |= with_bias(f"vision.tower.layers.{layer}.{name}", shape)
    return shapes


def tower_layer_shapes(vision: VisionConfig) -> Shapes:
    own = vision.hidden
    return {
        "attention_norm": (own,),
        "attention.qkv": (3 * own, own),
        "attention.out": (own, own),
        "feed_forward_norm": (own,),
        "feed_forward.up": (vision.ffn, own),
        "feed_forward.down": (own, vision.ffn),
    }


def with_bias(name: str, shape: tuple[int, ...]) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def model_shapes(config: ModelConfig) -> Shapes:
    """All of a model's tensors."""
    return text_shapes(config) | (vision_shapes(config.vision, config.hidden) if config.vision else {})


def values(shapes: Shapes) -> int:
    """How many parameters these tensors have."""
    return sum(prod(shape) for shape in shapes.values())
