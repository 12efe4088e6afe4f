"""GGUF files of SmolLM3, scaled llama and Llama 4, written here by the reference writer as llama.cpp's converter lays them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf as reference
import numpy as np
import pytest
import torch
from torch import Tensor

from engine.config import Experts, RopeScaling, Temperature
from engine.errors import ModelDamaged
from engine.loading.gguf import convert
from engine.loading.load import LoadedModel, load_model
from tests.engine.checkpoints import random_model
from tests.engine.test_gguf import interleaved
from tests.engine.test_loading import assert_same_logits

NAMES = {
    "embed_tokens.weight": "token_embd.weight",
    "lm_head.weight": "output.weight",
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "norm.weight": "output_norm.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "feed_forward.router.weight": "ffn_gate_inp.weight",
    **{f"self_attn.{part}_proj.weight": f"attn_{part}.weight" for part in "qkv"},
    **{f"{place}.{part}_proj.weight": f"ffn_{part}.weight" for place in ("mlp", "feed_forward") for part in ("gate", "up", "down")},
    **{f"feed_forward.shared_expert.{part}_proj.weight": f"ffn_{part}_shexp.weight" for part in ("gate", "up", "down")},
}
HEADS = {"self_attn.q_proj.weight": 6, "self_attn.k_proj.weight": 2}
# What llama.cpp has in its code and no file says.
FIXED = {"attention_chunk_size": 8192, "floor_scale": 8192, "attn_scale": 0.1, "max_position_embeddings": 16_384}
SCALING = {"rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "original_max_position_embeddings": 8192}


def tensors(family: str, name: str, values: Tensor) -> list[tuple[str, Tensor]]:
    """Names and rows as the converter writes them."""
    theirs = next((known for known in sorted(NAMES, key=len, reverse=True) if name.endswith(known)), None)
    prefix = name.removeprefix("model.").replace("layers.", "blk.")
    if theirs is None:
        prefix, kind = prefix.split("feed_forward.experts.")
        parts = zip(("gate", "up"), values.mT.chunk(2, dim=1), strict=True) if kind == "gate_up_proj" else [("down", values.mT)]
        return [(f"{prefix}ffn_{part}_exps.weight", value) for part, value in parts]
    if theirs in HEADS and family != "llama4":
        values = interleaved(values, HEADS[theirs])
    return [(prefix.removesuffix(theirs) + NAMES[theirs], values)]


def write(path: Path, family: str, model: Any, **extra: Any) -> None:
    config = model.config
    writer = reference.GGUFWriter(path, family)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(getattr(config, "intermediate_size_mlp", config.intermediate_size))
    writer.add_head_count(6)
    writer.add_head_count_kv(2)
    writer.add_key_length(model.model.layers[0].self_attn.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_eos_token_id(2)
    if family == "llama4":
        writer.add_interleave_moe_layer_step(config.interleave_moe_layer_step)
        writer.add_expert_count(config.num_local_experts)
        writer.add_expert_used_count(extra.get("used", 1))
        writer.add_expert_feed_forward_length(config.intermediate_size)
    factors = extra.get("factors")
    for name, values in [*model.named_parameters(), *([] if factors is None else [("rope_freqs.weight", factors)])]:
        for target, laid in [(name, values)] if "rope_freqs" in name else tensors(family, name, values):
            writer.add_tensor(target, np.ascontiguousarray(laid.detach().float().numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def loaded(path: Path) -> LoadedModel:
    """The fp32 weights: the kept ones are rounded to bf16."""
    config, weights = convert(path)
    return LoadedModel(config, weights, {}, "")


def factors_of(model: Any) -> Tensor:
    """What transformers divides each frequency by, [D/2]."""
    plain = model.config.rope_parameters["rope_theta"] ** (-torch.arange(0, 16, 2) / 16)
    return plain / model.model.rotary_emb.inv_freq


def test_it_reads_smollm3(tmp_path: Path) -> None:
    model = random_model("smollm3", no_rope_layers=None)
    write(tmp_path / "model.gguf", "smollm3", model)
    ours = loaded(tmp_path / "model.gguf")
    assert ours.config.rope == (True, True, True, False, True, True)
    assert ours.config.end_tokens == (2,)
    assert_same_logits(model, ours)


@pytest.mark.parametrize(("low", "high"), [(1.0, 4.0), (1.0, 1.0)])
def test_it_reads_scaled_positions_from_their_factors(tmp_path: Path, low: float, high: float) -> None:
    scaled = SCALING | {"low_freq_factor": low, "high_freq_factor": high}
    model = random_model("llama", rope_parameters=scaled, max_position_embeddings=16_384)
    write(tmp_path / "model.gguf", "llama", model, factors=factors_of(model))
    ours = loaded(tmp_path / "model.gguf")
    assert ours.config.rope_scaling == RopeScaling(8, low, high, 8192)
    assert_same_logits(model, ours)
    write(tmp_path / "other.gguf", "llama", model, factors=torch.arange(1.0, 9.0))
    with pytest.raises(ModelDamaged, match=r"rope_freqs\.weight of a kind"):
        convert(tmp_path / "other.gguf")


def test_it_reads_llama4(tmp_path: Path) -> None:
    scaled = SCALING | {"low_freq_factor": 1.0, "high_freq_factor": 1.0, "factor": 16.0, "rope_theta": 500_000.0}
    model = random_model("llama4_text", rope_parameters=scaled, **FIXED)
    write(tmp_path / "model.gguf", "llama4", model, factors=factors_of(model))
    ours = loaded(tmp_path / "model.gguf")
    config = ours.config
    assert config.chunked == config.rope == (True, True, True, False) * 2
    assert (config.moe, config.experts, config.ffn) == ((False, True) * 4, Experts(4, 40), 72)
    assert (config.attention_chunk, config.temperature, config.qk_norm) == (8192, Temperature(8192, 0.1), True)
    assert config.rope_scaling == RopeScaling(16, 1, 1, 8192)
    assert_same_logits(model, ours)
    assert load_model(tmp_path).decoder["layers.1.feed_forward.experts.gate_up"].shape == (4, 48, 80)


def test_it_refuses_several_experts_a_token(tmp_path: Path) -> None:
    write(tmp_path / "model.gguf", "llama4", random_model("llama4_text"), used=2)
    with pytest.raises(ModelDamaged, match="several experts a token; the engine computes one"):
        convert(tmp_path / "model.gguf")
