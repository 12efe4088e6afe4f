"""The whole of Scout Mini's training with a tiny model: library, steps, stopped and gone on with, export, and who loads the result."""

from __future__ import annotations

import gzip
import json
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.config import ModelConfig, dense
from engine.engine import Engine
from engine.events import AnswerOptions, Done
from engine.loading.assemble import source_shape
from engine.loading.hf_names import hf_pieces
from engine.loading.load import load_model
from engine.loading.shapes import model_shapes
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.opening import open_model
from engine.prompt import TokenArray
from engine.tokenizer import Tokenizer
from tests.engine.composed_reference import composed_logits
from tests.engine.fed import tokens
from tests.engine.prompts import make_prompt
from tests.training.scout import save_base
from training import scout_export, scout_measure, scout_train
from training.scout_convert import convert
from training.scout_data import library_from
from training.scout_export import RANK, export_adapter, export_merged
from training.scout_library import Library
from training.scout_mixture import Mixture
from training.scout_model import ScoutModel
from training.scout_pack import Example, pack
from training.scout_run import ScoutRun, read_checkpoint, trained_weights
from training.scout_settings import CONFIGS

SETTINGS = CONFIGS["tiny"]
NAMES = "Mara", "Olin", "Petra", "Quentin", "Rosa", "Silas"
TOLD = "{name} keeps bees in {town}. The honey is sold on market days. Everybody knows the road to {town} by heart.\n\n"
LONG = 1100  # tokens, more than the attention chunk


def write_data(folder: Path) -> Path:
    """Paragraphs with a question each, and a plain text."""
    folder.mkdir()
    rows = []
    for number, name in enumerate(NAMES * 4):
        town = f"Town{number}"
        text = TOLD.format(name=name, town=town)
        rows.append({"title": f"Bees {number % 5}", "context": text, "qas": [asked(f"Who keeps bees in {town}?", text, name)]})
    with gzip.open(folder / "wikipedia.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    with zipfile.ZipFile(folder / "novels.zip", "w") as archive:
        archive.writestr("Walk.txt", "They walked along the river. Nobody spoke. The water was high that year.\n\n" * 60)
    return folder


def asked(question: str, text: str, answer: str) -> dict[str, object]:
    return {"question": question, "answers": [answer], "starts": [text.index(answer)]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"), layers=4)


@pytest.fixture(scope="module")
def library(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Library:
    data = write_data(tmp_path_factory.mktemp("data") / "train")
    made = library_from(data, Tokenizer.open(place), 1, lambda *_: True, code=3, told=lambda _: None)
    made.save(path := tmp_path_factory.mktemp("library") / "library.npz")
    kept = Library.load(path)
    assert kept.tasks == made.tasks
    assert np.array_equal(kept.ids, made.ids)
    return kept


def mixture_of(place: Path, library: Library) -> Mixture:
    return Mixture(library, Tokenizer.open(place), SETTINGS.seed, SETTINGS.tokens, SETTINGS.layout.attention_chunk, SETTINGS.shares)


def begun(folder: Path, place: Path, library: Library, **changes: object) -> ScoutRun:
    base = convert(place, SETTINGS.layout)
    return ScoutRun(folder, base, mixture_of(place, library), replace(SETTINGS, **changes), torch.device("cpu"))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(place: Path, library: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty steps without a stop."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    begun(folder, place, library).train(time.monotonic() + 600, lambda _: None, 1)
    return folder


@pytest.fixture(scope="module")
def adapter(place: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    base = convert(place, SETTINGS.layout)
    assert export_adapter(folder, base, trained_weights(run, base), SETTINGS.layout, "composed", 48) == pytest.approx(1, abs=1e-3)
    return folder


def losses(folder: Path) -> list[float]:
    return [loss for _, loss, *_ in json.loads((folder / "run.json").read_text(encoding="utf-8"))["curve"]]


def test_it_learns(run: Path) -> None:
    found = losses(run)
    assert len(found) == SETTINGS.steps
    assert np.mean(found[-4:]) < np.mean(found[:4]) - 0.5


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(place: Path, library: Library, run: Path, tmp_path: Path) -> None:
    for deadline in (0.0, 0.0, 1e18):  # a step is made before the first look at the clock
        begun(tmp_path, place, library).train(deadline, lambda _: None, 1)
    assert losses(tmp_path) == losses(run)
    one, other = (read_checkpoint(folder, torch.device("cpu"))["trained"] for folder in (run, tmp_path))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_it_does_not_go_on_with_another_run(place: Path, library: Library, run: Path) -> None:
    with pytest.raises(ValueError, match="holds a run with another rate, low_rank"):
        begun(run, place, library, rate=1.0, low_rank=2)
    assert begun(run, place, library, steps=30).step == 20


def test_the_adapter_gives_the_engine_what_was_trained(place: Path, run: Path, adapter: Path) -> None:
    base = convert(place, SETTINGS.layout)
    loaded = load_model(place, adapter=adapter)
    assert loaded.config == base.config
    trained = trained_weights(run, base)
    changed = {name for name, tensor in trained.items() if not torch.equal(tensor, base.weights[name])}
    assert changed == {name for name in trained if "attention." in name or "feed_forward." in name}
    for name, tensor in trained.items():
        torch.testing.assert_close(loaded.decoder[name], tensor, rtol=0, atol=2e-4)  # fp16


def test_a_lower_rank_keeps_less(place: Path, run: Path, tmp_path: Path) -> None:
    base = convert(place, SETTINGS.layout)
    trained = trained_weights(run, base)
    kept = [export_adapter(tmp_path / str(rank), base, trained, SETTINGS.layout, "composed", rank) for rank in (2, 8)]
    assert 0.1 < kept[0] < kept[1] < 1
    assert load_model(place, adapter=tmp_path / "2").decoder.keys() == trained.keys()


def test_the_real_adapter_is_smaller_than_40_mb() -> None:
    """Of SmolLM2-135M's shape, at the default rank: two bytes a value, and what names and shapes take."""
    real = ModelConfig("llama", "real", 576, 9, 3, 64, 1536, 49_152, 8192, 1e5, 1e-5, True, **dense(30))
    shapes = model_shapes(real)
    matrices = [source_shape(part, shapes[ours]) for ours, parts in hf_pieces(real).items() for part in parts if "layers" in ours]
    values = sum(RANK * sum(shape) for shape in matrices if len(shape) == 2)
    assert len(matrices) == 30 * 9
    assert 2 * values + 300 * 2 * len(matrices) < 40_000_000


def logits(decoder: Decoder, ids: TokenArray) -> Tensor:
    with torch.inference_mode():
        found: Tensor = decoder.head(decoder(torch.from_numpy(ids), [Segment(decoder.new_cache(), len(ids))]))
    return found


def test_transformers_loads_the_merged_model_and_gives_the_same_logits(place: Path, adapter: Path, tmp_path: Path) -> None:
    """Over more than one attention chunk, and over chunks that were read alone."""
    export_merged(tmp_path, place, adapter, torch.float32)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert type(theirs).__name__ == "Llama4ForCausalLM"
    loaded = load_model(place, adapter=adapter)
    ours, again = Decoder.from_weights(loaded.config, loaded.decoder), load_model(tmp_path)
    ids = tokens(LONG, 1)
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(ids)[None].long()).logits[0]
    torch.testing.assert_close(logits(ours, ids), expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(logits(Decoder.from_weights(again.config, again.decoder), ids), expected, rtol=0, atol=1e-3)
    runs = [tokens(20, 2), tokens(30, 3), tokens(9, 4)]
    example = Example("read", tuple(runs), np.ones(9, dtype=np.float32), asks=True)
    model = ScoutModel(loaded.config, loaded.decoder)
    with torch.inference_mode():
        found = model.logits(model.hidden(model.batch(pack([example], ["read"], SETTINGS.layout.attention_chunk))))[-9:]
    torch.testing.assert_close(found, composed_logits(theirs, runs[:-1], runs[-1]), rtol=0, atol=1e-3)
    plain = AutoTokenizer.from_pretrained(tmp_path)
    assert plain.encode(NAMES[0], add_special_tokens=False) == Tokenizer.open(place).encode(NAMES[0]).tolist()
    assert plain.decode(plain.encode("Bees in Town3.", add_special_tokens=False)) == "Bees in Town3."


def test_the_engine_opens_the_adapter_and_answers_over_composed_chunks(place: Path, adapter: Path, tmp_path: Path) -> None:
    engine = Engine.open(place, tmp_path / "store", adapter=adapter)
    try:
        prompt = make_prompt(tmp_path / "prompt", engine.tokenizer, {"bees": [TOLD.format(name="Mara", town="Town3")]})
        done = list(engine.answer(prompt, "Who keeps bees in Town3?", options=AnswerOptions(max_tokens=8)))[-1]
    finally:
        engine.close()
    assert isinstance(done, Done), done
    assert (done.mode, done.usage.read_chunks) == ("composed bf16", 1)


def test_the_commands_train_and_export(place: Path, library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library.save(tmp_path / "library.npz")
    common = ["--base", str(place), "--config", "tiny", "--steps", "2", "--every", "1", "--low-rank", "4", "--device", "cpu"]
    scout_train.main(["--data", str(tmp_path / "library.npz"), "--minutes", "1", "--out", str(tmp_path / "run"), *common])
    told = capsys.readouterr().err
    assert "from step 0 on cpu" in told
    assert "step 2 of 2, loss " in told
    assert "tokens/s, 0.0 min left now" in told
    exporting = [
        "--run",
        str(tmp_path / "run"),
        "--base",
        str(place),
        "--out",
        str(tmp_path / "adapter"),
        "--merged",
        str(tmp_path / "merged"),
    ]
    scout_export.main([*exporting, "--rank", "4"])
    assert "rank 4 keeps 100.0% of the change's norm" in capsys.readouterr().out
    runs = "--run", str(tmp_path / "run"), "--adapter", str(tmp_path / "adapter")
    scout_measure.main(["--data", str(tmp_path / "library.npz"), *runs, "--base", str(place), "--packs", "2", "--tokens", "2000"])
    lines = dict(line.split(" {") for line in capsys.readouterr().out.splitlines())
    assert list(lines) == ["base", "Scout layout", "run", "adapter"]
    assert len(set(lines.values())) == 3, "the adapter is the run to three digits"
    assert open_model(tmp_path / "merged").decoder.config.global_layers == (3,)
