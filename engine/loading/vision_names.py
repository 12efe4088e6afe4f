"""The image side's weights: our names, and those of Llama 4's safetensors files. Plain data; imports no torch.

Where several of theirs stand for one of ours, their rows are put one after another. `{}` is the layer's number.
"""

from __future__ import annotations

NAMES: dict[str, tuple[str, ...]] = {
    "vision.tower.patches.weight": ("vision_model.patch_embedding.linear.weight",),
    "vision.tower.class_token": ("vision_model.class_embedding",),
    "vision.tower.positions": ("vision_model.positional_embedding_vlm",),
    "vision.adapter.up.weight": ("vision_model.vision_adapter.mlp.fc1.weight",),
    "vision.adapter.out.weight": ("vision_model.vision_adapter.mlp.fc2.weight",),
    "vision.projector.weight": ("multi_modal_projector.linear_1.weight",),
}

_WITH_BIAS = {
    "norm_before": ("layernorm_pre",),
    "norm_after": ("layernorm_post",),
    "layers.{}.attention_norm": ("model.layers.{}.input_layernorm",),
    "layers.{}.attention.qkv": tuple(f"model.layers.{{}}.self_attn.{part}_proj" for part in "qkv"),
    "layers.{}.attention.out": ("model.layers.{}.self_attn.o_proj",),
    "layers.{}.feed_forward_norm": ("model.layers.{}.post_attention_layernorm",),
    "layers.{}.feed_forward.up": ("model.layers.{}.mlp.fc1",),
    "layers.{}.feed_forward.down": ("model.layers.{}.mlp.fc2",),
}
NAMES |= {
    f"vision.tower.{ours}.{kind}": tuple(f"vision_model.{name}.{kind}" for name in theirs)
    for ours, theirs in _WITH_BIAS.items()
    for kind in ("weight", "bias")
}
