"""Any model folder as the engine: which way it answers, in which form its weights are, and what is refused in which words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine import runtime
from engine.engine import Engine
from engine.errors import EngineError, ModelDamaged
from engine.loading.load import load_model
from engine.model.decoder import Decoder, Segment
from engine.model.linear import Int8Linear, cpu_has_int8
from engine.model.moe import MoE
from engine.model.weight_choice import WeightChoice, chosen
from engine.model.weight_codec import CODECS, Codec
from engine.opening import open_model
from tests.architecture.source import ROOT
from tests.engine.models import save_model
from tests.engine.test_loading_adapter import write_adapter
from tests.engine.test_quantise import MOE_CONFIG
from tests.engine.tiny import CONFIG

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
needs_int8 = pytest.mark.skipif(not cpu_has_int8(), reason="the processor has no VNNI")
# Widths that int4 can hold: multiples of 32, and outputs in sixteens for its product.
WIDE = {"hidden_size": 64, "intermediate_size": 64, "intermediate_size_mlp": 96, "num_attention_heads": 4}
TOKENS = torch.randint(3, 100, (60,), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def has_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.model.weight_choice.cpu_has_int8", lambda: True)


@pytest.fixture
def no_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.model.weight_choice.cpu_has_int8", lambda: False)


@pytest.mark.usefixtures("has_int8")
@pytest.mark.parametrize(
    ("weights", "where", "bundled", "expected"),
    [
        (None, CPU, True, WeightChoice("int8", True)),
        (None, CPU, False, WeightChoice("bf16")),
        (None, CUDA, True, WeightChoice("bf16")),
        ("bf16", CPU, True, WeightChoice("bf16")),
        ("int8", CPU, False, WeightChoice("int8", True)),
        ("int8", CUDA, False, WeightChoice("int8", False)),
        ("fp8", CPU, False, WeightChoice("fp8")),
        ("int4", CUDA, False, WeightChoice("int4")),
    ],
)
def test_it_takes_the_form_that_was_chosen_or_the_models_own(
    weights: str | None, where: torch.device, bundled: bool, expected: WeightChoice
) -> None:
    assert chosen(weights, MOE_CONFIG, where, bundled=bundled) == expected


@pytest.mark.usefixtures("no_int8")
def test_it_says_what_to_set_where_the_processor_has_no_int8() -> None:
    assert chosen(None, CONFIG, CPU, bundled=True) == WeightChoice("bf16")
    with pytest.raises(EngineError, match=r"no int8 products.*Set LONGREAD_WEIGHTS to bf16"):
        chosen("int8", CONFIG, CPU, bundled=True)


@pytest.mark.usefixtures("has_int8")
@pytest.mark.parametrize(
    ("weights", "where", "said"),
    [
        ("int8", CUDA, "On cuda int8 is for experts"),
        ("fp8", CPU, r"tiny has no experts\. Choose bf16 or int8"),
        ("int4", CUDA, r"tiny has no experts\. Choose bf16 or int8"),
        ("int3", CPU, r"no weight codec 'int3'\. There are: bf16, int8, fp8, int4"),
    ],
)
def test_it_refuses_what_a_model_without_experts_cannot_have(weights: str, where: torch.device, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        chosen(weights, CONFIG, where, bundled=False)


def relative(wrong: torch.Tensor, right: torch.Tensor) -> float:
    return float((wrong - right).norm() / right.norm())


def logits(decoder: Decoder) -> torch.Tensor:
    """Of a prompt in two pieces, the last one token alone."""
    cache = decoder.new_cache()
    pieces = [decoder(ids, [Segment(cache, len(ids))]) for ids in (TOKENS[:-1], TOKENS[-1:])]
    return decoder.logits(torch.cat(pieces))


FORMS = [pytest.param(codec, marks=needs_int8) if codec == "int8" else codec for codec in CODECS]
# Measured on these weights, whose routers are unsure: int8, dense products too, 14.5 %; fp8 4.5 %; int4 14.5 %.
BOUNDS = {"bf16": (0.0, 0.0), "int8": (0.05, 0.2), "fp8": (0.02, 0.07), "int4": (0.07, 0.2)}


@pytest.mark.parametrize("codec", FORMS)
def test_a_whole_llama4_stays_near_fp32_in_each_form(codec: Codec, tmp_path: Path) -> None:
    save_model("llama4_text", tmp_path, **WIDE)
    plain, held = load_model(tmp_path), load_model(tmp_path, codec=codec)
    exact = logits(Decoder.from_weights(plain.config, plain.decoder))
    decoder = Decoder.from_weights(held.config, held.decoder, int8=codec == "int8", codec=codec)
    least, most = BOUNDS[codec]
    assert least <= relative(logits(decoder), exact) <= most
    experts = next(part.experts for part in decoder.modules() if isinstance(part, MoE))
    assert isinstance(experts.gate_up, torch.nn.Parameter) == (codec == "bf16")
    assert any(isinstance(part, Int8Linear) for part in decoder.modules()) == (codec == "int8")


@pytest.mark.parametrize("weights", [None, *FORMS])
def test_a_folder_opens_and_answers_in_each_form(weights: str | None, tmp_path: Path) -> None:
    save_model("llama4_text", tmp_path, **WIDE)
    engine = Engine.open(tmp_path, tmp_path / "store", weights=weights)
    assert "".join(token.text for token in engine.reply("Hello", max_tokens=8)), "how much a random model says is the processor's choice"
    engine.close()


def test_each_form_has_state_of_its_own(tmp_path: Path) -> None:
    save_model("llama4_text", tmp_path, **WIDE)
    forms = ["bf16", "fp8", "int4"] + ["int8"] * cpu_has_int8()
    assert len({open_model(tmp_path, weights=weights).fingerprint for weights in forms}) == len(forms)


def test_a_model_that_sees_brings_its_image_side(tmp_path: Path) -> None:
    save_model("llama4", tmp_path)
    model = open_model(tmp_path)
    assert model.vision is not None
    assert model.vision.dtype == model.decoder.dtype
    assert open_model(tmp_path).chat.images is not None


@pytest.mark.weights
@needs_int8
def test_the_base_model_is_known_by_its_sum_and_runs_in_int8(weights_folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "model"
    elsewhere.mkdir()
    (elsewhere / "model.gguf").symlink_to(weights_folder / "model.gguf")
    model, plain = open_model(elsewhere), open_model(weights_folder, weights="bf16")
    assert (model.bundled, plain.bundled) == (True, True)
    assert any(isinstance(part, Int8Linear) for part in model.decoder.modules())
    assert not any(isinstance(part, Int8Linear) for part in plain.decoder.modules())
    assert model.fingerprint != plain.fingerprint
    assert model.fingerprint == open_model(weights_folder, weights="int8").fingerprint


def test_it_refuses_a_model_without_a_chat_format_and_names_those_that_it_knows(tmp_path: Path) -> None:
    save_model("llama", tmp_path)
    json = (tmp_path / "tokenizer.json").read_text(encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text(json.replace("<|eot_id|>", "<|other|>"), encoding="utf-8")
    with pytest.raises(ModelDamaged, match=r"no chat format that we know: ChatML .*; Llama 4 .*; Llama 3 "):
        Engine.open(tmp_path, tmp_path / "store")


def test_it_refuses_a_vocabulary_that_the_model_has_no_rows_for(tmp_path: Path) -> None:
    save_model("llama", tmp_path, vocab_size=500)
    with pytest.raises(ModelDamaged, match=r"a model for 500\. Fetch both from the same place"):
        Engine.open(tmp_path, tmp_path / "store")


def test_rows_beyond_the_vocabulary_are_never_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model("llama", tmp_path, vocab_size=4096)
    engine, offered = Engine.open(tmp_path, tmp_path / "store"), list[int]()
    monkeypatch.setattr("engine.generate.pick", lambda row, *_: offered.append(len(row)) or int(row.argmax()))
    list(engine.reply("Hello", max_tokens=3))
    assert set(offered) == {len(engine.tokenizer)}
    assert len(engine.tokenizer) < 4096
    engine.close()


@pytest.mark.weights
def test_a_gguf_file_may_have_any_name(weights_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").symlink_to(weights_folder / "model.gguf")
    model = open_model(tmp_path)
    assert model.bundled
    assert len(model.tokenizer) == model.decoder.config.vocab


def test_the_environment_chooses_form_adapter_and_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(Engine, "open", lambda *_, **named: given.update(named))
    monkeypatch.setattr("engine.runtime._engines", {})
    monkeypatch.setattr(torch, "set_num_threads", lambda count: given.update(threads=count))
    for name, value in {"WEIGHTS": "int8", "ADAPTER": str(tmp_path / "lora"), "THREADS": "3"}.items():
        monkeypatch.setenv(f"LONGREAD_{name}", value)
    runtime.get_engine(tmp_path, tmp_path / "store")
    assert given.items() >= {"weights": "int8", "adapter": tmp_path / "lora", "threads": 3}.items()
    monkeypatch.setattr("engine.runtime._engines", {})
    for name in ("WEIGHTS", "ADAPTER"):
        monkeypatch.setenv(f"LONGREAD_{name}", " ")
    runtime.get_engine(tmp_path, tmp_path / "store")
    assert (given["weights"], given["adapter"]) == (None, None)


def test_an_adapter_changes_what_is_said_and_the_state(tmp_path: Path) -> None:
    model = save_model("llama", tmp_path / "base")
    write_adapter(tmp_path / "lora", model)
    plain, adapted = open_model(tmp_path / "base"), open_model(tmp_path / "base", adapter=tmp_path / "lora")
    assert plain.fingerprint != adapted.fingerprint
    assert relative(logits(adapted.decoder), logits(plain.decoder)) > 0.05


def test_heads_that_lie_beside_an_adapter_are_its_own(tmp_path: Path) -> None:
    model = save_model("llama", tmp_path / "base")
    write_adapter(tmp_path / "lora", model)
    adapted = open_model(tmp_path / "base", adapter=tmp_path / "lora")
    assert adapted.scan is None
    tensors = {name: torch.randn(8, adapted.decoder.config.hidden) for name in ("query.weight", "key.weight")}
    for name in (adapted.fingerprint.split()[0], "another model"):
        save_file(tensors, tmp_path / "lora" / "scan_head.safetensors", {"layers": "1", "model": name})
        found = open_model(tmp_path / "base", adapter=tmp_path / "lora").scan
        assert (found is not None) == (name != "another model")
    assert open_model(tmp_path / "base").scan is None


def run_engine(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=dict(os.environ) | more, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_the_command_line_takes_any_folder(tmp_path: Path) -> None:
    save_model("smollm3", tmp_path / "model")
    status = run_engine("--model", tmp_path / "model", "status", "--store", tmp_path / "store")
    assert (status.returncode, "mode: joined" in status.stdout) == (0, True), status.stderr
    said = run_engine("--model", tmp_path / "model", "generate", "Hello", "--max-tokens", "5")
    assert (said.returncode, bool(said.stdout.strip())) == (0, True), said.stderr
    refused = run_engine("--model", tmp_path / "model", "generate", "Hello", LONGREAD_WEIGHTS="fp8")
    assert (refused.returncode, "has no experts. Choose bf16 or int8." in refused.stderr) == (1, True)


def test_inspect_imports_no_torch(tmp_path: Path) -> None:
    save_model("llama", tmp_path)
    code = "import sys; sys.argv = ['engine', 'inspect', sys.argv[1]]; import engine.__main__ as m; m.main(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip().endswith("False")


COUNTED = """
import os, sys
from pathlib import Path
from engine.engine import Engine
from engine.model.compiled import OPENMP
threads = lambda: len(os.listdir("/proc/self/task"))
before = threads()
engine = Engine.open(Path(sys.argv[1]), Path(sys.argv[2]))
opened = threads()
"".join(token.text for token in engine.reply("What is in the contract? " * 40, max_tokens=2))
print(opened - before, threads() - before, OPENMP is not None)
engine.close()
"""


@pytest.mark.weights
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells a process's threads")
def test_no_thread_but_the_engines_keeps_helpers(weights_folder: Path, tmp_path: Path) -> None:
    """With those of a second one there are more than processors, and every pass waits for sleepers: a quarter slower."""

    def counted(threads: int) -> tuple[int, int, bool]:
        command = [sys.executable, "-c", COUNTED, str(weights_folder), str(tmp_path / "store")]
        environment = dict(os.environ) | {"OMP_NUM_THREADS": str(threads)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True)
        opened, answered, ours = done.stdout.split()
        return int(opened), int(answered), ours == "True"

    (opened, answered, _), (opened_by_two, answered_by_two, ours) = counted(1), counted(2)
    assert opened_by_two == opened
    if ours:
        assert answered_by_two == answered + 1, "the engine's thread has one beside it"


@pytest.mark.parametrize("said", ["abc", "0", "-1", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("LONGREAD_THREADS", said)
    with pytest.raises(EngineError, match="LONGREAD_THREADS is"):
        runtime.get_engine(tmp_path / "model", tmp_path / "store")
