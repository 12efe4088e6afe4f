"""What `python -m engine inspect` says: the true Scout's figures, small models beside transformers' own counts, and no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from engine.inspection import Inspection, inspect_model, lines, size
from engine.loading.bundled import fetch
from tests.architecture.source import ROOT
from tests.engine.checkpoints import save_random
from tests.engine.scout import write_scout

GIB = 1 << 30


@pytest.fixture
def scout(tmp_path: Path) -> Inspection:
    return inspect_model(write_scout(tmp_path / "Scout").parent)


def test_it_counts_scouts_parameters(scout: Inspection) -> None:
    counted = scout.parameters
    assert (counted.text, counted.vision, counted.total) == (107_769_861_120, 871_932_416, 108_641_793_536)
    assert counted.active == 17_172_894_720


def test_it_counts_scouts_keys_and_values(scout: Inspection) -> None:
    kept = {codec: kv.kept_per_token for codec, kv in scout.kv.items()}
    everything = {codec: kv.everything_per_token / 1024 for codec, kv in scout.kv.items()}
    assert kept == {"bf16": 49_152, "int8 or fp8": 24_576, "int4": 12_288, "int4 by 64": 13_824}
    assert everything == {"bf16": 192, "int8 or fp8": 96, "int4": 48, "int4 by 64": 54}
    assert [scout.kv["bf16"].kept(tokens) / GIB for tokens in (131_072, 1_048_576, 10_485_760)] == [6, 48, 480]
    assert scout.kv["bf16"].everything(10_485_760) / GIB == 1920
    assert scout.kv["bf16"].chunk / GIB == 1.125


def test_it_says_it_for_people_and_for_programs(scout: Inspection) -> None:
    text = "\n".join(lines(scout))
    assert "48 layers: 36 chunked (8,192, RoPE), 12 global (no positions); experts 16 + 1 shared in all" in text
    assert "text 107,769,861,120 + vision 871,932,416 = 108,641,793,536; active per token 17,172,894,720" in text
    assert "global layers               bf16               49,152 B       6 GiB      48 GiB     480 GiB" in text
    assert "weights: 202 GiB in bf16; none on disk here" in text
    told = json.loads(json.dumps(scout.as_json()))
    assert told["parameters"]["total"] == 108_641_793_536
    assert told["kv_bytes"]["bf16"]["global_layers"] == {"per_token": 49_152, "128 K": 6 * GIB, "1 M": 48 * GIB, "10 M": 480 * GIB}
    assert told["experts"] == {"count": 16, "ffn": 8192, "shared": 1, "active": 1}


@pytest.mark.parametrize(
    ("family", "overrides"),
    [
        ("llama4", {}),
        ("llama4", {"vision_config": {"num_hidden_layers": 3, "hidden_size": 16, "intermediate_size": 64}, "interleave_moe_layer_step": 1}),
        ("llama4_text", {"moe_layers": [0, 1, 3, 6], "tie_word_embeddings": True}),
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True}),
        ("smollm3", {}),
    ],
)
def test_it_counts_what_transformers_builds(tmp_path: Path, family: str, overrides: dict[str, object]) -> None:
    model = save_random(family, tmp_path, **overrides)
    found = inspect_model(tmp_path)
    with torch.device("meta"):
        built = (AutoModelForImageTextToText if family == "llama4" else AutoModelForCausalLM).from_config(
            AutoConfig.from_pretrained(tmp_path)
        )
    assert found.parameters.total == built.num_parameters()
    experts = [values for name, values in model.named_parameters() if ".experts." in name]
    assert found.parameters.active == found.parameters.text - sum(values.numel() * 3 // 4 for values in experts)
    assert found.on_disk == (tmp_path / "model.safetensors").stat().st_size


def test_it_tells_dense_layers_from_those_with_experts(tmp_path: Path) -> None:
    save_random("llama4_text", tmp_path)
    text = "\n".join(lines(inspect_model(tmp_path)))
    assert "8 layers: 4 chunked (16, RoPE, dense), 2 chunked (16, RoPE), 2 global (no positions); experts 4 + 1 shared in 4 of 8" in text


def test_it_writes_sizes_with_three_digits() -> None:
    assert [size(count) for count in (0, 1023, 1536, 5 << 20, 48 * GIB, 1920 * GIB)] == [
        "0 B",
        "0.999 KiB",
        "1.5 KiB",
        "5 MiB",
        "48 GiB",
        "1.88 TiB",
    ]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


def test_it_inspects_in_the_terminal(tmp_path: Path) -> None:
    write_scout(tmp_path)
    done = run("-m", "engine", "inspect", str(tmp_path / "config.json"), "--json")
    assert json.loads(done.stdout)["parameters"]["active"] == 17_172_894_720
    done = run("-m", "engine", "inspect", str(fetch()))
    assert "30 layers: 30 global (RoPE)" in done.stdout
    assert "text 134,515,008; active per token 134,515,008" in done.stdout
    assert "all layers (all are global) bf16               23,040 B" in done.stdout
    done = run("-m", "engine", "inspect", str(tmp_path / "nothing"))
    assert (done.returncode, "There is no model in" in done.stderr) == (1, True)


def test_it_loads_no_torch() -> None:
    done = run("-c", "import sys, engine.inspection; print('torch' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr
