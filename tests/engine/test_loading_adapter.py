"""LoRA folders on top of a base, beside transformers' model with the same changes written into its matrices."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.errors import ModelDamaged, ModelMissing
from engine.loading.adapter import merge, read_adapter
from engine.loading.load import load_model
from tests.engine.checkpoints import save_random
from tests.engine.test_gguf import write_gguf
from tests.engine.test_loading import assert_same_logits, ids, logits

RANK, ALPHA = 4, 6
TARGETS = tuple(f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down"))


def write_adapter(folder: Path, model: nn.Module, *, prefix: str = "base_model.model.", **settings: Any) -> dict[str, Tensor]:
    """A random LoRA of every linear layer with a target's name, as PEFT writes it; returns each one's B A."""
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(3)
    tensors, products = {}, {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name.endswith(TARGETS):
            rows, columns = module.weight.shape
            a, b = (torch.randn(shape, generator=generator) * 0.2 for shape in ((RANK, columns), (rows, RANK)))
            tensors |= {f"{prefix}{name}.lora_A.weight": a, f"{prefix}{name}.lora_B.weight": b}
            products[name] = b @ a
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none", "target_modules": list(TARGETS)} | settings
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return products


def change(model: nn.Module, products: dict[str, Tensor], scale: float) -> None:
    for name, product in products.items():
        model.get_submodule(name).weight.data += scale * product


@pytest.mark.parametrize("family", ["llama4", "llama4_text", "llama", "smollm3"])
@pytest.mark.parametrize("rslora", [False, True])
def test_it_gives_the_logits_of_the_changed_matrices(tmp_path: Path, family: str, rslora: bool) -> None:
    model = save_random(family, tmp_path)
    products = write_adapter(tmp_path / "adapter", model, use_rslora=rslora)
    base, adapted = load_model(tmp_path), load_model(tmp_path, adapter=tmp_path / "adapter")
    assert any("vision_model" in name for name in products) == (family == "llama4")
    change(model, products, ALPHA / (math.sqrt(RANK) if rslora else RANK))
    assert (logits(base, ids()) - logits(adapted, ids())).abs().max() > 0.5
    assert_same_logits(model, adapted)
    assert base.fingerprint != adapted.fingerprint


def test_it_leaves_the_files_and_all_other_tensors_alone(tmp_path: Path) -> None:
    model = save_random("llama", tmp_path)
    write_adapter(tmp_path / "adapter", model)
    before, base = (tmp_path / "model.safetensors").read_bytes(), load_model(tmp_path)
    kept = {name: tensor.clone() for name, tensor in base.decoder.items()}
    merged = merge(base.decoder, read_adapter(tmp_path / "adapter", base.config))
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert all(torch.equal(kept[name], base.decoder[name]) for name in kept)
    assert merged["norm.weight"] is base.decoder["norm.weight"]
    assert {name for name in kept if not torch.equal(merged[name], kept[name])} == {
        name for name in kept if "attention." in name or "feed_forward." in name
    }


LAYOUT = {"global_every": 2, "attention_chunk": 16, "context": 64}


def test_it_may_put_a_llama_into_the_scout_layout(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapter", save_random("llama", tmp_path), longread={"layout": LAYOUT})
    config = load_model(tmp_path, adapter=tmp_path / "adapter").config
    assert config.rope == config.chunked == (True, False, True)
    assert (config.attention_chunk, config.context) == (16, 64)


@pytest.mark.parametrize(
    ("family", "layout", "message"),
    [
        ("smollm3", LAYOUT, "is no llama whose layers are all alike"),
        ("llama", LAYOUT | {"global_every": 1}, "one layer in two at most is global"),
        ("llama", {"global_every": 4}, "has no attention_chunk"),
    ],
)
def test_it_refuses_a_layout_that_there_cannot_be(tmp_path: Path, family: str, layout: dict[str, int], message: str) -> None:
    write_adapter(tmp_path / "adapter", save_random(family, tmp_path), longread={"layout": layout})
    with pytest.raises(ModelDamaged, match=message):
        load_model(tmp_path, adapter=tmp_path / "adapter")


def test_it_goes_on_top_of_a_gguf_file(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "model.gguf")
    products = write_adapter(tmp_path / "adapter", model)
    name = "model.layers.1.self_attn.k_proj"
    base, adapted = (load_model(tmp_path, dtype=torch.float32, adapter=folder) for folder in (None, tmp_path / "adapter"))
    rows = slice(48, 64)
    found = (adapted.decoder["layers.1.attention.qkv.weight"] - base.decoder["layers.1.attention.qkv.weight"])[rows]
    torch.testing.assert_close(found, products[name] * ALPHA / RANK, rtol=0, atol=0.02)  # the base is rounded to bf16, and so is the sum


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"peft_type": "LOHA"}, 'peft_type = "LOHA"; the engine computes only LORA'),
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "bias"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"alpha_pattern": {"q_proj": 8}}, "alpha_pattern"),
        ({"r": 8}, r"holds rank 4 for .*adapter_config\.json says 8"),
        ({"lora_alpha": None}, "has no lora_alpha"),
    ],
)
def test_it_refuses_what_it_cannot_compute(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    write_adapter(tmp_path / "adapter", save_random("llama", tmp_path), **settings)
    with pytest.raises(ModelDamaged, match=message):
        load_model(tmp_path, adapter=tmp_path / "adapter")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            {"base_model.model.lm_head.weight": torch.zeros(2)},
            r"holds 1 tensor \(base_model\.model\.lm_head\.weight\) beside LoRA's A and B",
        ),
        ({"base_model.model.model.layers.0.other.lora_A.weight": torch.zeros(4, 48)}, "no matching pair"),
        (
            {f"base_model.model.model.layers.9.self_attn.q_proj.lora_{side}.weight": torch.zeros(4, 4) for side in "AB"},
            r"changes 1 tensor \(model\.layers\.9\.self_attn\.q_proj\.weight\), which .* does not have",
        ),
        (
            {f"base_model.model.model.layers.0.self_attn.q_proj.lora_{side}.weight": torch.zeros(4, 4) for side in "AB"},
            r"q_proj\.weight as \[4, 4\], and in .* it is \[96, 48\]",
        ),
    ],
)
def test_it_refuses_names_and_sizes_of_another_base(tmp_path: Path, extra: dict[str, Tensor], message: str) -> None:
    write_adapter(tmp_path / "adapter", save_random("llama", tmp_path))
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file(load_file(path) | extra, path)
    with pytest.raises(ModelDamaged, match=message):
        load_model(tmp_path, adapter=tmp_path / "adapter")


def test_it_says_what_a_folder_without_an_adapter_lacks(tmp_path: Path) -> None:
    save_random("llama", tmp_path)
    with pytest.raises(ModelMissing, match=r"no adapter_config\.json.*Give the folder of a LoRA adapter"):
        load_model(tmp_path, adapter=tmp_path)
