"""config.json -> ModelConfig, beside what transformers makes of the same file."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from engine.config import Experts, RopeScaling, Temperature
from engine.errors import ModelDamaged, ModelMissing, ModelWarning
from engine.loading.hf_config import read_config
from tests.engine.checkpoints import LLAMA, LLAMA4, PATCH_TOKEN, SMOLLM3, save_random
from tests.engine.scout import write_scout


def write(folder: Path, family: str, base: dict[str, Any], **changes: Any) -> Path:
    """A config.json of `base`; a change to `...` leaves the field out."""
    fields = {name: value for name, value in (base | changes).items() if value is not ...}
    (folder / "config.json").write_text(json.dumps({"model_type": family} | fields), encoding="utf-8")
    return folder / "config.json"


def test_it_reads_scout(tmp_path: Path) -> None:
    config = read_config(write_scout(tmp_path / "Scout"))
    assert (config.family, config.name, config.layers, config.context) == ("llama4", "Scout", 48, 10_485_760)
    assert (config.hidden, config.heads, config.kv_heads, config.head_dim, config.vocab, config.tied) == (5120, 40, 8, 128, 202_048, False)
    assert config.global_layers == tuple(range(3, 48, 4))
    assert config.rope == config.chunked
    assert config.attention_chunk == 8192
    assert all(config.moe)
    assert config.experts == Experts(count=16, ffn=8192)
    assert config.rope_scaling == RopeScaling(factor=16, low=1, high=1, original_context=8192)
    assert (config.rope_theta, config.norm_eps, config.qk_norm) == (500_000, 1e-5, True)
    assert config.temperature == Temperature(floor_scale=8192, scale=0.1)
    assert config.end_tokens == (200_001, 200_007, 200_008)
    assert config.vision is not None
    assert (config.vision.tokens_per_tile, config.vision.shuffled, config.vision.patch_token) == (144, 5632, 200_092)
    assert type(config).from_json(json.loads(json.dumps(config.as_json()))) == config


@pytest.mark.parametrize("family", ["llama4", "llama4_text", "llama", "smollm3"])
def test_it_reads_what_transformers_writes(tmp_path: Path, family: str) -> None:
    model = save_random(family, tmp_path)
    ours, theirs = read_config(tmp_path / "config.json"), model.config.get_text_config()
    assert (ours.layers, ours.heads, ours.kv_heads, ours.vocab) == (theirs.num_hidden_layers, 6, 2, 128)
    assert ours.rope == tuple(bool(value) for value in getattr(theirs, "no_rope_layers", [1] * ours.layers))
    assert (ours.rope_theta, ours.tied, ours.end_tokens) == (10_000, theirs.tie_word_embeddings, (2,))
    if family.startswith("llama4"):
        assert ours.chunked == tuple(kind == "chunked_attention" for kind in theirs.layer_types)
        assert [layer for layer, moe in enumerate(ours.moe) if moe] == theirs.moe_layers
        assert (ours.ffn, ours.experts, ours.attention_chunk) == (72, Experts(4, 40), 16)
        assert ours.temperature == Temperature(8, 0.2)
    assert (ours.vision is not None) == (family == "llama4")
    if ours.vision:
        assert (ours.vision.patch_token, ours.vision.tokens_per_tile) == (PATCH_TOKEN, 4)


OLD_SCALING = {"type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}


@pytest.mark.parametrize(
    ("family", "base", "changes"),
    [
        ("llama", LLAMA, {"rope_parameters": ..., "rope_theta": 5000.0, "rope_scaling": OLD_SCALING}),
        ("llama", LLAMA, {"rope_parameters": ..., "rope_scaling": None, "head_dim": None, "num_key_value_heads": None}),
        ("smollm3", SMOLLM3, {"no_rope_layers": ..., "rope_parameters": ...}),
        ("smollm3", SMOLLM3, {"no_rope_layers": None, "no_rope_layer_interval": 2}),
        ("llama4_text", LLAMA4, {"no_rope_layers": [], "rope_parameters": ...}),
        ("llama4_text", LLAMA4, {"no_rope_layers": [0, 1] * 4, "interleave_moe_layer_step": 1}),
        ("llama4_text", LLAMA4, {"no_rope_layer_interval": 3, "interleave_moe_layer_step": 3}),
        ("llama4_text", LLAMA4, {"moe_layers": [0, 5], "layer_types": ["full_attention", "chunked_attention"] * 4}),
        ("llama4_text", LLAMA4, dict.fromkeys(("head_dim", "attention_chunk_size", "floor_scale", "attn_scale"), ...)),
    ],
)
def test_it_reads_both_spellings_and_fields_left_out_as_transformers_does(
    tmp_path: Path, family: str, base: dict[str, Any], changes: dict[str, Any]
) -> None:
    path = write(tmp_path, family, base, **changes)
    ours, theirs = read_config(path), AutoConfig.from_pretrained(tmp_path)
    rotation = theirs.rope_parameters
    assert ours.rope_theta == rotation["rope_theta"]
    scaling = ours.rope_scaling and [
        ours.rope_scaling.factor,
        ours.rope_scaling.low,
        ours.rope_scaling.high,
        ours.rope_scaling.original_context,
    ]
    names = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
    assert scaling == ([rotation[name] for name in names] if rotation["rope_type"] == "llama3" else None)
    assert ours.rope == tuple(bool(value) for value in getattr(theirs, "no_rope_layers", [1] * ours.layers))
    assert ours.kv_heads == theirs.num_key_value_heads
    assert ours.head_dim == (getattr(theirs, "head_dim", None) or theirs.hidden_size // theirs.num_attention_heads)
    assert ours.chunked == tuple(kind == "chunked_attention" for kind in getattr(theirs, "layer_types", None) or [""] * ours.layers)
    assert [layer for layer, moe in enumerate(ours.moe) if moe] == list(getattr(theirs, "moe_layers", []))
    if ours.temperature:
        assert (ours.temperature.floor_scale, ours.temperature.scale) == (theirs.floor_scale, theirs.attn_scale)
        assert ours.attention_chunk == theirs.attention_chunk_size


@pytest.mark.parametrize(
    ("family", "base", "changes", "message"),
    [
        ("mamba", LLAMA, {}, r'model_type = "mamba"; the engine reads llama4, llama and smollm3'),
        ("llama", LLAMA, {"hidden_size": ...}, "has no hidden_size"),
        ("llama", LLAMA, {"hidden_size": "48"}, "hidden_size.*a number is expected"),
        ("llama", LLAMA, {"hidden_act": "gelu"}, 'hidden_act = "gelu"; the engine computes only silu'),
        ("llama", LLAMA, {"attention_bias": True}, "attention_bias = true"),
        ("llama", LLAMA, {"mlp_bias": True}, "mlp_bias = true"),
        ("llama", LLAMA, {"num_key_value_heads": 4}, r"num_key_value_heads = 4; it has to divide num_attention_heads \(6\)"),
        ("llama", LLAMA, {"head_dim": 15}, "head_dim = 15; an even number"),
        ("llama", LLAMA, {"quantization_config": {"quant_method": "fp8"}}, "quantization_config"),
        ("llama", LLAMA, {"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5"),
        ("llama", LLAMA, {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, 'rope_type = "yarn"; .*default or llama3'),
        ("llama", LLAMA, {"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "one rotation for all layers"),
        ("llama", LLAMA, {"rope_parameters": {"rope_type": "llama3"}}, "rope_parameters, has no factor"),
        ("smollm3", SMOLLM3, {"use_sliding_window": True, "sliding_window": 8}, "sliding_window = 8"),
        ("smollm3", SMOLLM3, {"layer_types": ["sliding_attention"] * 6}, "full attention"),
        ("smollm3", SMOLLM3, {"no_rope_layers": [1, 0]}, "one value for each of the 6 layers"),
        ("llama4_text", LLAMA4, {"num_experts_per_tok": 2}, "num_experts_per_tok = 2; the engine computes only 1"),
        ("llama4_text", LLAMA4, {"moe_layers": [99]}, "moe_layers"),
        ("llama4_text", LLAMA4, {"layer_types": ["sliding_attention"] * 8}, "chunked_attention and full_attention"),
        ("llama4", {"text_config": []}, {}, "text_config = .*an object is expected"),
        ("llama4", {"text_config": LLAMA4, "vision_config": {"hidden_act": "relu"}}, {}, "vision_config, says hidden_act"),
    ],
)
def test_it_refuses_what_it_cannot_compute(
    tmp_path: Path, family: str, base: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelDamaged, match=message):
        read_config(write(tmp_path, family, base, **changes))


def test_it_says_what_to_do_about_a_config_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="Give the folder of a model"):
        read_config(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelDamaged, match=r"cannot be read as JSON.*Fetch it again"):
        read_config(tmp_path / "config.json")


def test_it_adds_the_end_tokens_of_the_generation_config(tmp_path: Path) -> None:
    path = write(tmp_path, "llama", LLAMA)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [7, 2, 9]}', encoding="utf-8")
    assert read_config(path).end_tokens == (7, 2, 9)


def test_it_names_a_model_of_the_hubs_cache(tmp_path: Path) -> None:
    """Its files are links to others of no name."""
    (tmp_path / "blobs").mkdir()
    snapshot = tmp_path / "models--meta-llama--Llama-4-Scout" / "snapshots" / "92f3b1"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to(write_scout(tmp_path / "blobs"))
    assert read_config(snapshot / "config.json").name == "meta-llama/Llama-4-Scout"


EARLY = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}


def test_it_warns_of_the_wrong_values_of_early_scout_configs_and_uses_them(tmp_path: Path) -> None:
    with pytest.warns(ModelWarning, match=r"factor 8, low_freq_factor 1 and high_freq_factor 4.*right for Scout is 16, 1 and 1"):
        config = read_config(write_scout(tmp_path, rope_scaling=EARLY))
    assert config.rope_scaling == RopeScaling(factor=8, low=1, high=4, original_context=8192)
    with pytest.warns(ModelWarning, match=r"attn_temperature_tuning = 4.*is true"):
        config = read_config(write_scout(tmp_path, attn_temperature_tuning=4))
    assert config.temperature == Temperature(8192, 0.1)


def test_it_does_not_warn_of_the_right_values_or_of_other_families(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_config(write_scout(tmp_path))
        read_config(write(tmp_path, "llama", LLAMA, rope_parameters=EARLY | {"rope_theta": 500_000.0}))
