"""A tiny random image side as transformers has it, and the same weights under our names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import Llama4Config, Llama4VisionConfig, Llama4VisionModel
from transformers.models.llama4.modeling_llama4 import Llama4MultiModalProjector

from engine.config import VisionConfig
from engine.loading.vision_names import NAMES
from engine.model.vision import Vision

HIDDEN = 48  # of the decoder
PATCH_TOKEN = 92

# Twelve patches a side, so that a tile has 36 tokens; two pairs of values turn with the column and two with the row.
CONFIG = VisionConfig(
    layers=3,
    hidden=32,
    heads=4,
    ffn=128,
    image_size=48,
    patch_size=4,
    channels=3,
    rope_theta=100.0,
    norm_eps=1e-5,
    shuffle_ratio=0.5,
    adapter_hidden=40,
    adapter_out=40,
    patch_token=PATCH_TOKEN,
)


def their_config(config: VisionConfig = CONFIG) -> Llama4VisionConfig:
    return Llama4VisionConfig(
        hidden_size=config.hidden,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_channels=config.channels,
        intermediate_size=config.ffn,
        vision_output_dim=config.adapter_out,
        image_size=config.image_size,
        patch_size=config.patch_size,
        norm_eps=config.norm_eps,
        pixel_shuffle_ratio=config.shuffle_ratio,
        projector_input_dim=config.adapter_hidden,
        projector_output_dim=config.adapter_out,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
    )


class Reference(nn.Module):
    """transformers' tower, adapter and projector, named as in a checkpoint."""

    def __init__(self, config: VisionConfig, hidden: int) -> None:
        super().__init__()
        theirs = their_config(config)
        self.vision_model = Llama4VisionModel(theirs)
        self.multi_modal_projector = Llama4MultiModalProjector(
            Llama4Config(vision_config=theirs, text_config={"hidden_size": hidden, "num_hidden_layers": 1})
        )

    @torch.inference_mode()
    def forward(self, tiles: Tensor) -> Tensor:
        features: Tensor = self.multi_modal_projector(self.vision_model(tiles).last_hidden_state)
        return features


def randomise(model: nn.Module, seed: int = 0) -> None:
    """Random weights, biases too; larger than transformers' defaults, so that attention is not uniform and features differ."""
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        norm = "layernorm" in name and name.endswith("weight")
        nn.init.normal_(parameter, mean=float(norm), std=0.2)


def reference_vision(config: VisionConfig = CONFIG, hidden: int = HIDDEN, seed: int = 0) -> Reference:
    model = Reference(config, hidden).float().eval()
    randomise(model, seed)
    return model


def our_vision_weights(model: nn.Module, config: VisionConfig = CONFIG) -> dict[str, Tensor]:
    """The weights under our names, of any model with transformers' `vision_model` and `multi_modal_projector`."""
    theirs = model.state_dict()
    ours = {}
    for name, sources in NAMES.items():
        for layer in range(config.layers if "{}" in name else 1):
            ours[name.format(layer)] = torch.cat([theirs[source.format(layer)] for source in sources])
    return ours


def tiny_vision(config: VisionConfig = CONFIG, hidden: int = HIDDEN, seed: int = 0) -> Vision:
    return Vision.from_weights(config, hidden, our_vision_weights(reference_vision(config, hidden, seed), config))
