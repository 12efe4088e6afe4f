"""Reading GGUF files that were written here, by the reference writer."""

from __future__ import annotations

from pathlib import Path

import gguf as reference
import numpy as np
import pytest
import torch

from engine.errors import ModelDamaged, ModelMissing
from engine.loading.gguf import convert, load
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from tests.engine.tiny import CONFIG, our_weights, reference_model

GGUF_NAMES = {
    "embed_tokens.weight": "token_embd.weight",
    "norm.weight": "output_norm.weight",
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    **{f"self_attn.{part}_proj.weight": f"attn_{part}.weight" for part in "qkv"},
    **{f"mlp.{part}_proj.weight": f"ffn_{part}.weight" for part in ("gate", "up", "down")},
}


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The order in which GGUF files of the family hold q and k: row by row, one of each half in turn."""
    halves = weight.view(heads, 2, -1, weight.shape[1])
    return torch.stack((halves[:, 0], halves[:, 1]), dim=2).reshape(weight.shape)


def write_gguf(path: Path, *, leave_out: str = "", add: str = "", architecture: str = "llama") -> torch.nn.Module:
    """A tiny model as GGUF; returns transformers' model of the same weights."""
    model = reference_model()
    writer = reference.GGUFWriter(path, architecture)
    writer.add_block_count(CONFIG.layers)
    writer.add_context_length(CONFIG.context)
    writer.add_embedding_length(CONFIG.hidden)
    writer.add_feed_forward_length(CONFIG.ffn)
    writer.add_head_count(CONFIG.heads)
    writer.add_head_count_kv(CONFIG.kv_heads)
    writer.add_rope_freq_base(CONFIG.rope_theta)
    writer.add_layer_norm_rms_eps(CONFIG.norm_eps)
    for name, parameter in model.named_parameters():
        known = next(theirs for theirs in sorted(GGUF_NAMES, key=len, reverse=True) if name.endswith(theirs))
        heads = {"self_attn.q_proj.weight": CONFIG.heads, "self_attn.k_proj.weight": CONFIG.kv_heads}.get(known)
        values = parameter.detach() if heads is None else interleaved(parameter.detach(), heads)
        target = name.removeprefix("model.").removesuffix(known).replace("layers", "blk") + GGUF_NAMES[known]
        if target != leave_out:
            writer.add_tensor(target, np.ascontiguousarray(values.numpy()))
    if add:
        writer.add_tensor(add, np.zeros((2, 2), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def test_it_reads_what_the_reference_writes(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "model.gguf")
    config, weights = convert(tmp_path / "model.gguf")
    assert (config.layers, config.heads, config.kv_heads, config.head_dim, config.vocab, config.tied) == (3, 6, 2, 8, 97, True)
    expected = our_weights(model, CONFIG)  # type: ignore[arg-type]
    assert set(weights) == set(expected)
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    decoder, ids = Decoder.from_weights(config, weights), torch.arange(50)
    with torch.inference_mode():
        logits = model(ids[None]).logits[0]
    torch.testing.assert_close(decoder.logits(decoder(ids, [Segment(decoder.new_cache(), 50)])), logits, rtol=1e-4, atol=1e-4)


def test_it_keeps_the_weights_beside_the_file_and_notices_another_file(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    _, first = load(tmp_path / "model.gguf")
    kept = (tmp_path / "weights.safetensors").stat().st_mtime_ns
    _, second = load(tmp_path / "model.gguf")
    assert (tmp_path / "weights.safetensors").stat().st_mtime_ns == kept
    assert all(torch.equal(first[name], second[name]) for name in first)
    (tmp_path / "model.gguf").write_bytes((tmp_path / "model.gguf").read_bytes() + b"\0")
    load(tmp_path / "model.gguf")
    assert (tmp_path / "weights.safetensors").stat().st_mtime_ns != kept


def test_it_makes_damaged_kept_weights_again(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    load(tmp_path / "model.gguf")
    (tmp_path / "weights.safetensors").write_bytes(b"cut short")
    assert load(tmp_path / "model.gguf")[0].layers == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"leave_out": "blk.1.ffn_up.weight"}, r"lacks 1 tensor \(blk\.1\.ffn_up\.weight\).*fetch what is missing"),
        ({"add": "blk.0.surprise.weight"}, r"holds 1 tensor \(blk\.0\.surprise\.weight\), which no llama model"),
        ({"architecture": "mamba"}, "a mamba model"),
    ],
)
def test_it_names_what_it_cannot_use(tmp_path: Path, change: dict[str, str], message: str) -> None:
    write_gguf(tmp_path / "model.gguf", **change)
    with pytest.raises(ModelDamaged, match=message):
        convert(tmp_path / "model.gguf")


def test_it_says_what_to_do_about_a_file_cut_short_or_missing(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    data = (tmp_path / "model.gguf").read_bytes()
    (tmp_path / "model.gguf").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelDamaged, match="Fetch it again"):
        convert(tmp_path / "model.gguf")
    with pytest.raises(ModelMissing, match=r"engine\.loading\.bundled"):
        load(tmp_path / "none.gguf")
