"""One layer of experts in Scout's proportions, a tenth of its width: tokens a second beside transformers' layer with the same weights,
which computes every expert for every token; and ours in int8 beside ours in bf16."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import Llama4TextConfig
from transformers.models.llama4.modeling_llama4 import Llama4TextMoe

from bench.row import Row
from bench.timing import THREADS, best_seconds
from engine.config import Experts, ModelConfig
from engine.loading.quantise import quantise
from engine.model.moe import MoE
from engine.model.weight_codec import Codec

HIDDEN, FFN, EXPERTS = 512, 1024, 16
PREFILL_TOKENS = 512
CONFIG = ModelConfig(
    family="llama4",
    name="one layer of experts",
    hidden=HIDDEN,
    heads=4,
    kv_heads=1,
    head_dim=128,
    ffn=FFN,
    vocab=1,
    context=1,
    rope_theta=1.0,
    norm_eps=1e-5,
    tied=True,
    rope=(True,),
    chunked=(False,),
    moe=(True,),
    experts=Experts(EXPERTS, FFN),
)


def run() -> list[Row]:
    """All measurements, in some seconds."""
    torch.set_num_threads(THREADS)
    theirs = transformers_layer()
    ours, int8 = our_layer(theirs, "bf16"), our_layer(theirs, "int8")
    rows = []
    for name, tokens in (("experts, reading", PREFILL_TOKENS), ("experts, one new token", 1)):
        x = torch.randn(tokens, HIDDEN, generator=torch.Generator().manual_seed(0)).bfloat16()
        rate, int8_rate, peer = (rate_of(layer, x) for layer in (ours, int8, theirs))
        rows += [Row(name, rate, "tokens/s", "transformers, bf16", peer), Row(f"{name}, int8", int8_rate, "tokens/s", "ours, bf16", rate)]
    return rows


@torch.inference_mode()
def rate_of(layer: Any, x: Tensor) -> float:
    """Tokens a second for x [T, C]."""
    return len(x) / best_seconds(lambda: layer(x))


def transformers_layer() -> Any:
    """Weights are small enough that the router spreads its tokens."""
    sizes = Llama4TextConfig(hidden_size=HIDDEN, intermediate_size=FFN, num_local_experts=EXPERTS, num_experts_per_tok=1)
    layer: Any = Llama4TextMoe(sizes)  # type: ignore[no-untyped-call]
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    return layer.bfloat16().eval()


def our_layer(theirs: Any, codec: Codec) -> MoE:
    """Our layer with transformers' weights, its experts in this codec."""
    shared = theirs.shared_expert
    weights = {
        "router.weight": theirs.router.weight,
        "shared.gate_up.weight": torch.cat((shared.gate_proj.weight, shared.up_proj.weight)),
        "shared.down.weight": shared.down_proj.weight,
        "experts.gate_up": theirs.experts.gate_up_proj,
        "experts.down": theirs.experts.down_proj,
    }
    with torch.device("meta"):
        layer = MoE(CONFIG, codec)
    held = {new: made for name, tensor in weights.items() for new, made in quantise(name, tensor.detach(), codec).items()}
    layer.load_state_dict(held, strict=True, assign=True)
    return layer.eval().requires_grad_(False)
