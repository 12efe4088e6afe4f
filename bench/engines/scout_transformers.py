"""transformers' model of the same tiny Scout, reading in the same pieces with its own cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from transformers import Llama4ForCausalLM, Llama4TextConfig

from bench.engines.scout import CONFIG, marks_passed, pieces
from bench.process import Figures, Request, answer
from bench.timing import THREADS


def random_model() -> Any:
    """In fp32, with torch's own attention. Memory does not depend on the weights' values, so they are not ours."""
    scaling, temperature, experts = CONFIG.rope_scaling, CONFIG.temperature, CONFIG.experts
    assert scaling is not None
    assert temperature is not None
    assert experts is not None
    sizes = Llama4TextConfig(
        vocab_size=CONFIG.vocab,
        hidden_size=CONFIG.hidden,
        intermediate_size=experts.ffn,
        intermediate_size_mlp=CONFIG.ffn,
        num_hidden_layers=CONFIG.layers,
        num_attention_heads=CONFIG.heads,
        num_key_value_heads=CONFIG.kv_heads,
        head_dim=CONFIG.head_dim,
        max_position_embeddings=CONFIG.context,
        num_local_experts=experts.count,
        num_experts_per_tok=1,
        interleave_moe_layer_step=1,
        no_rope_layers=[int(rope) for rope in CONFIG.rope],
        attention_chunk_size=CONFIG.attention_chunk,
        use_qk_norm=CONFIG.qk_norm,
        attn_temperature_tuning=True,
        floor_scale=temperature.floor_scale,
        attn_scale=temperature.scale,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": CONFIG.rope_theta,
            "factor": scaling.factor,
            "low_freq_factor": scaling.low,
            "high_freq_factor": scaling.high,
            "original_max_position_embeddings": scaling.original_context,
        },
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    sizes._attn_implementation = "sdpa"
    model: Any = Llama4ForCausalLM(sizes)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return model.eval()


@torch.inference_mode()
def reading(model: Any, tokens: int) -> Iterator[None]:
    cache = None
    for piece in pieces(tokens):
        cache = model(piece[None], past_key_values=cache, use_cache=True, logits_to_keep=1).past_key_values
        yield


def measure(request: Request) -> Figures:
    torch.set_num_threads(THREADS)
    return marks_passed(reading(random_model(), max(request["marks"])), request["marks"])


if __name__ == "__main__":
    answer(measure)
