"""Checkpoints that transformers wrote -> our decoder: the same logits, and errors that say what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import ModelDamaged, ModelMissing
from engine.loading.checkpoint import open_checkpoint
from engine.loading.load import LoadedModel, load_model
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.model.vision import Vision
from tests.engine.checkpoints import VOCAB, random_model, save_random
from tests.engine.test_gguf import write_gguf

TOKENS = 50


def ids(count: int = TOKENS) -> Tensor:
    return torch.randint(3, 100, (count,), generator=torch.Generator().manual_seed(1))


def logits(loaded: LoadedModel, tokens: Tensor) -> Tensor:
    decoder = Decoder.from_weights(loaded.config, loaded.decoder)
    return decoder.logits(decoder(tokens, [Segment(decoder.new_cache(), len(tokens))]))


def assert_same_logits(model: Any, loaded: LoadedModel) -> None:
    """To 1e-4 over a prompt of three chunks and a bit."""
    with torch.inference_mode():
        expected = model(ids()[None]).logits[0]
    assert (logits(loaded, ids()) - expected).abs().max() <= 1e-4


CASES = {
    "llama4": ("llama4", {}),
    "llama4, dense and experts by list": ("llama4_text", {"moe_layers": [0, 1, 3, 6]}),
    "llama4, tied": ("llama4_text", {"tie_word_embeddings": True}),
    "llama4, without extras": ("llama4_text", {"use_qk_norm": False, "attn_temperature_tuning": False}),
    "llama4, all dense": ("llama4_text", {"moe_layers": []}),
    "llama": ("llama", {}),
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "smollm3": ("smollm3", {}),
    "smollm3, untied": ("smollm3", {"tie_word_embeddings": False, "no_rope_layers": None}),
}


@pytest.mark.parametrize("case", CASES)
def test_it_gives_the_logits_of_the_model_that_was_saved(tmp_path: Path, case: str) -> None:
    family, overrides = CASES[case]
    assert_same_logits(save_random(family, tmp_path, **overrides), load_model(tmp_path))


@pytest.mark.parametrize("family", ["llama4", "llama"])
def test_it_reads_sharded_files(tmp_path: Path, family: str) -> None:
    model = save_random(family, tmp_path, shard="50KB")
    assert len(open_checkpoint(tmp_path).weights) > 3
    assert_same_logits(model, load_model(tmp_path))


def rewrite(folder: Path, change: Any) -> None:
    """Give every tensor of the one file another name or another form."""
    path = folder / "model.safetensors"
    save_file(dict(item for name, tensor in load_file(path).items() for item in change(name, tensor)), path)


def test_it_reads_unfused_experts(tmp_path: Path) -> None:
    def unfused(name: str, tensor: Tensor) -> list[tuple[str, Tensor]]:
        parts = {"gate_up_proj": ("gate_proj", "up_proj"), "down_proj": ("down_proj",)}
        kind = name.rsplit(".", 1)[1]
        if "experts" not in name or kind not in parts:
            return [(name, tensor)]
        split = tensor.chunk(len(parts[kind]), dim=2)
        return [
            (f"{name.removesuffix(kind)}{expert}.{part}.weight", values[expert].T.contiguous())
            for part, values in zip(parts[kind], split, strict=True)
            for expert in range(len(tensor))
        ]

    model = save_random("llama4", tmp_path)
    fused = load_model(tmp_path)
    rewrite(tmp_path, unfused)
    loaded = load_model(tmp_path)
    assert all(torch.equal(loaded.decoder[name], fused.decoder[name]) for name in fused.decoder)
    assert_same_logits(model, loaded)


@pytest.mark.parametrize(
    ("family", "before", "after"),
    [
        ("llama4", "language_model.model.", "model.language_model."),
        ("llama4", "vision_model.", "model.vision_model."),
        ("llama4_text", "model.", "language_model.model."),
    ],
)
def test_it_knows_the_prefixes_of_other_classes(tmp_path: Path, family: str, before: str, after: str) -> None:
    model = save_random(family, tmp_path)
    rewrite(tmp_path, lambda name, tensor: [(after + name.removeprefix(before) if name.startswith(before) else name, tensor)])
    assert_same_logits(model, load_model(tmp_path))


def test_it_reads_the_image_side(tmp_path: Path) -> None:
    model = save_random("llama4", tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.config.vision is not None
    vision = Vision.from_weights(loaded.config.vision, loaded.config.hidden, loaded.vision)
    tiles = torch.randn(3, 3, 56, 56, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        expected = model.multi_modal_projector(model.vision_model(tiles).last_hidden_state)
    assert (vision(tiles) - expected).abs().max() <= 1e-4


def test_it_ignores_what_follows_from_the_config(tmp_path: Path) -> None:
    """A tied head that was saved all the same, and the frequencies that older files carry along."""
    model = save_random("smollm3", tmp_path)
    extra = {"lm_head.weight": torch.zeros(VOCAB, 48), "model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4)}
    save_file(load_file(tmp_path / "model.safetensors") | extra, tmp_path / "model.safetensors")
    assert_same_logits(model, load_model(tmp_path))


def in_file(tensor: Tensor, path: Path) -> bool:
    """Whether the tensor's memory is a mapping of the file."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        start, end = (int(number, 16) for number in line.split()[0].split("-"))
        if start <= tensor.data_ptr() < end:
            return line.endswith(str(path))
    return False


def test_it_copies_only_what_changes(tmp_path: Path) -> None:
    """Tensors that lie in the file as they do in our decoder stay in the file; a conversion gives them memory of their own."""
    save_random("llama4_text", tmp_path)
    path, loaded = tmp_path / "model.safetensors", load_model(tmp_path).decoder
    fused = {name for name in loaded if "qkv" in name or name.endswith("gate_up.weight")}
    assert {name for name, tensor in loaded.items() if in_file(tensor, path)} == set(loaded) - fused
    halved = load_model(tmp_path, dtype=torch.bfloat16).decoder
    assert not any(in_file(tensor, path) for tensor in halved.values())
    assert all(torch.equal(halved[name], loaded[name].bfloat16()) for name in loaded)


def test_it_holds_the_experts_in_the_codec_that_was_chosen(tmp_path: Path) -> None:
    save_random("llama4_text", tmp_path)
    plain, held = load_model(tmp_path), load_model(tmp_path, codec="int8")
    experts = [name for name in plain.decoder if ".experts." in name]
    assert len(experts) == 8
    assert set(plain.decoder) - set(held.decoder) == set(experts)
    for name in experts:
        values, scales = held.decoder[f"{name}.values"], held.decoder[f"{name}.scales"]
        restored = (values.float() * scales[..., None]).mT
        assert (restored - plain.decoder[name]).abs().max() <= scales.max() / 2 + 1e-6
    assert plain.fingerprint != held.fingerprint


def test_it_decides_by_what_is_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "gguf").mkdir()
    write_gguf(tmp_path / "gguf" / "anything.gguf")
    assert open_checkpoint(tmp_path / "gguf").is_gguf
    assert load_model(tmp_path / "gguf").config.layers == 3
    assert (tmp_path / "gguf" / "weights.safetensors").is_file()
    save_random("llama", tmp_path / "hf")
    assert not open_checkpoint(tmp_path / "hf").is_gguf
    shutil.copy(tmp_path / "gguf" / "anything.gguf", tmp_path / "gguf" / "other.gguf")
    with pytest.raises(ModelMissing, match=r"holds 2 GGUF files.*Name the right one model\.gguf"):
        open_checkpoint(tmp_path / "gguf")
    with pytest.raises(ModelMissing, match=r"neither config\.json nor model\.gguf.*LONGREAD_MODEL"):
        open_checkpoint(tmp_path / "nothing")


def test_it_has_a_fingerprint_of_every_byte(tmp_path: Path) -> None:
    save_random("llama", tmp_path, shard="50KB")
    first = open_checkpoint(tmp_path).fingerprint()
    assert open_checkpoint(tmp_path).fingerprint() == first
    last = open_checkpoint(tmp_path).weights[-1]
    last.write_bytes(last.read_bytes()[:-1] + b"\1")
    assert open_checkpoint(tmp_path).fingerprint() != first


def test_it_names_the_tensors_that_are_missing_or_not_known(tmp_path: Path) -> None:
    save_random("llama4", tmp_path)
    whole = load_file(tmp_path / "model.safetensors")
    save_file({name: tensor for name, tensor in whole.items() if "layers.1." not in name}, tmp_path / "model.safetensors")
    with pytest.raises(
        ModelDamaged, match=r"lacks 28 tensors \(model\.layers\.1\.feed_forward\.experts\.down_proj, \S+, \S+, …\).*fetch what is missing"
    ):
        load_model(tmp_path)
    save_file(whole | {"language_model.model.surprise": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelDamaged, match=r"holds 1 tensor \(model\.surprise\), which no llama4 model"):
        load_model(tmp_path)


def test_it_names_the_file_that_is_missing_or_cut_short(tmp_path: Path) -> None:
    save_random("llama", tmp_path, shard="50KB")
    last = open_checkpoint(tmp_path).weights[-1]
    data = last.read_bytes()
    last.write_bytes(data[:-100])
    with pytest.raises(ModelDamaged, match=rf"{last.name} is no whole safetensors file.*Fetch this file again"):
        load_model(tmp_path)
    last.unlink()
    with pytest.raises(ModelDamaged, match=rf"{last.name} is missing.*Fetch this file again"):
        load_model(tmp_path)
    with pytest.raises(ModelDamaged, match=rf"{last.name} cannot be read"):
        open_checkpoint(tmp_path).fingerprint()
    (tmp_path / "model.safetensors.index.json").unlink()
    with pytest.raises(ModelDamaged, match=r"no model\.safetensors\.index\.json"):
        load_model(tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ModelMissing, match="no safetensors files"):
        load_model(tmp_path)


def test_it_names_a_tensor_of_another_shape_or_type(tmp_path: Path) -> None:
    save_random("llama", tmp_path)
    whole, name = load_file(tmp_path / "model.safetensors"), "model.layers.1.self_attn.k_proj.weight"
    save_file(whole | {name: torch.zeros(16, 48)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelDamaged, match=r"k_proj\.weight as \[16, 48\]; its config asks for \[32, 48\]"):
        load_model(tmp_path)
    save_file(whole | {name: torch.zeros(32, 48, dtype=torch.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelDamaged, match=r"k_proj\.weight as I8.*not quantised"):
        load_model(tmp_path)


def test_it_refuses_an_index_that_is_none(tmp_path: Path) -> None:
    save_random("llama", tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": ["a"]}), encoding="utf-8")
    with pytest.raises(ModelDamaged, match=r"index\.json cannot be read"):
        load_model(tmp_path)


def test_it_gives_what_transformers_has_row_by_row(tmp_path: Path) -> None:
    """The one reordering, written out by hand: layer 0 has positions, layer 3 has none."""
    model = save_random("llama4_text", tmp_path)
    loaded, theirs = load_model(tmp_path).decoder, model.state_dict()
    q = theirs["model.layers.0.self_attn.q_proj.weight"]
    ours = loaded["layers.0.attention.qkv.weight"]
    for head in range(6):
        for pair in range(8):
            assert torch.equal(ours[head * 16 + pair], q[head * 16 + 2 * pair])
            assert torch.equal(ours[head * 16 + 8 + pair], q[head * 16 + 2 * pair + 1])
    for part, rows in (("q", slice(0, 96)), ("k", slice(96, 128)), ("v", slice(128, 160))):
        assert torch.equal(loaded["layers.3.attention.qkv.weight"][rows], theirs[f"model.layers.3.self_attn.{part}_proj.weight"])


def test_the_random_models_use_their_features() -> None:
    """Else the tests above prove less than they say: every feature changes the logits."""
    with torch.inference_mode():
        base = random_model("llama4_text")(ids()[None]).logits
        for change in (
            {"use_qk_norm": False},
            {"attn_temperature_tuning": False},
            {"attention_chunk_size": 64},
            {"no_rope_layers": [1] * 8},
        ):
            assert (random_model("llama4_text", **change)(ids()[None]).logits - base).abs().max() > 0.05
