"""Scan keys out of a model's own heads: the one that was planted to find needles is found, among random ones, and kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.loading.load import load_model
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.model.scan_head import ONE
from engine.needles import needles
from engine.scan import scan
from engine.scan_heads import MOST_HEADS, Chosen, attention, calibrate, calibrated, candidates, inputs, scan_head
from engine.tokenizer import Tokenizer
from tests.engine.models import save_model

# Layers 3 and 7 are global.
LAYER, HEAD, SIZE, HIDDEN, HEADS, GROUPS = 7, 4, 32, 64, 6, 3


def random_scout(folder: Path, planted: int | None = LAYER) -> Decoder:
    """Random heads; one in layer `planted` searches for the very tokens that stand in the question: its queries and keys are one random
    turn of what comes in, which is nearly the embedding, for other layers add little."""
    sizes = {"hidden_size": HIDDEN, "head_dim": SIZE, "num_attention_heads": HEADS, "num_key_value_heads": GROUPS}
    save_model("llama4_text", folder, attention_chunk_size=64, use_qk_norm=False, **sizes)
    loaded = load_model(folder)
    decoder = Decoder.from_weights(loaded.config, loaded.decoder)
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            if name.endswith(("attention.out.weight", "down.weight")):
                weight.mul_(0.01)
            if name.endswith("attention_norm.weight"):
                weight.fill_(1.0)
        if planted is not None:
            rows = attention(decoder, planted).qkv.weight.view(HEADS + 2 * GROUPS, SIZE, HIDDEN)
            turn = torch.linalg.qr(torch.randn(HIDDEN, HIDDEN, generator=torch.Generator().manual_seed(5)))[0][:SIZE]
            rows[HEAD] = rows[HEADS + HEAD // (HEADS // GROUPS)] = turn
    return decoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scout")


@pytest.fixture(scope="module")
def planted(folder: Path) -> Decoder:
    return random_scout(folder)


@pytest.fixture(scope="module")
def tokenizer(planted: Decoder, folder: Path) -> Tokenizer:
    return Tokenizer.open(folder)


def test_every_needle_is_about_something_of_its_own() -> None:
    made = needles()
    assert len({needle.question for needle in made}) == len({needle.passage for needle in made}) == len(made) == 32
    for needle in made:
        asked = needle.question.removeprefix("Where is ").removesuffix(" kept?")
        holding = [other for other in made if asked in other.passage.replace("The ", "the ")]
        assert holding == [needle]


def test_it_picks_the_head_that_was_planted(planted: Decoder, tokenizer: Tokenizer) -> None:
    chosen = calibrate(planted, tokenizer)
    assert (chosen.layer, chosen.heads[0]) == (LAYER, HEAD)
    assert chosen.found >= 0.5, "a random head finds less than 0.3 (below)"
    assert len(chosen.heads) <= MOST_HEADS
    assert candidates(planted) == [3, 7]


def test_without_it_little_is_found(tokenizer: Tokenizer, tmp_path: Path) -> None:
    assert calibrate(random_scout(tmp_path, planted=None), tokenizer).found <= 0.3


def test_it_picks_the_layer_too(tokenizer: Tokenizer, tmp_path: Path) -> None:
    assert calibrate(random_scout(tmp_path, planted=3), tokenizer).layer == 3


def test_its_keys_and_queries_are_the_heads_own(planted: Decoder, tokenizer: Tokenizer) -> None:
    """The keys of the layer's state of the same text, and the queries that the layer itself makes, brought to length 1."""
    ids = tokenizer.encode("The ledger of the baker is kept under the oak bridge.")
    head = scan_head(planted, LAYER, (HEAD, 1))
    assert (head.layers, head.width) == ((LAYER,), 2 * SIZE)
    (hidden,) = inputs(planted, LAYER, [ids])
    cache = planted.new_cache()
    seen: list[torch.Tensor] = []
    hook = attention(planted, LAYER).register_forward_pre_hook(lambda module, given: seen.append(module.project(*given[:2])[0]))
    planted(torch.from_numpy(ids), [Segment(cache, len(ids))])
    hook.remove()
    keys = cache.save().whole[1, 0]  # of the second global layer: [G, T, D]
    expected = torch.nn.functional.normalize(torch.cat((keys[2], keys[0]), 1), dim=-1)
    assert float((head.keys(hidden).float() / ONE - expected).abs().max()) <= 0.5 / ONE + 1e-3
    queries = torch.cat((seen[0][:, HEAD], seen[0][:, 1]), 1)
    asked = head.queries(hidden)
    assert float((asked.vectors.float() / ONE - torch.nn.functional.normalize(queries, dim=-1)).abs().max()) <= 0.5 / ONE + 1e-3


def test_its_records_find_a_needle_that_was_not_calibrated_on(planted: Decoder, tokenizer: Tokenizer, tmp_path: Path) -> None:
    head = calibrated(planted, tokenizer, "model", tmp_path)
    assert head is not None
    assert head.nothing is None or len(head.nothing.vectors)
    texts = [f"The lighthouse keeper of {name} writes with a {pen}." for name, pen in zip(NAMES, PENS, strict=True)]
    records = {
        number.to_bytes(2): head.keys(hidden).numpy().tobytes()
        for number, hidden in enumerate(passages(planted, tokenizer, head.layers[0], texts))
    }
    (question,) = passages(planted, tokenizer, head.layers[0], [f"What does the keeper of {NAMES[5]} write with?"])
    scores = scan([head.queries(question)], list(records), lambda key: memoryview(records[key]))
    assert int(np.argmax(scores[0])) == 5


NAMES = ["Aldergrove", "Brackenford", "Coppermouth", "Dunmarsh", "Elmswick", "Fernholt", "Gravelby", "Harrowdale"]
PENS = ["quill", "pencil", "brush", "marker", "stylus", "chalk", "crayon", "needle"]


def passages(decoder: Decoder, tokenizer: Tokenizer, layer: int, texts: list[str]) -> list[torch.Tensor]:
    return inputs(decoder, layer, [tokenizer.encode(text) for text in texts])


def test_it_measures_once_a_model_and_keeps_what_it_found(
    planted: Decoder, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = calibrated(planted, tokenizer, "model", tmp_path)
    (path,) = tmp_path.iterdir()
    counted: list[int] = []

    def counting(decoder: Decoder, tokenizer: Tokenizer) -> Chosen:
        counted.append(1)
        return calibrate(decoder, tokenizer)

    monkeypatch.setattr("engine.scan_heads.calibrate", counting)
    again = calibrated(planted, tokenizer, "model", tmp_path)
    assert not counted
    assert first
    assert again
    assert (first.layers, first.fingerprint) == (again.layers, again.fingerprint)
    assert torch.equal(first.key, again.key)
    calibrated(planted, tokenizer, "another model", tmp_path)
    assert len(counted) == 1, "another model has its own"
    for wrong in ("", "{}", json.dumps(json.loads(path.read_text(encoding="ascii")) | {"layer": 2}), json.dumps({"format": 1, "heads": 3})):
        path.write_text(wrong, encoding="ascii")
        assert calibrated(planted, tokenizer, "model", tmp_path)
    assert len(counted) == 5, "what cannot be used is measured anew"


def test_a_model_whose_layers_all_have_positions_has_none(tmp_path: Path) -> None:
    save_model("llama", tmp_path)
    loaded = load_model(tmp_path)
    decoder = Decoder.from_weights(loaded.config, loaded.decoder)
    assert calibrated(decoder, Tokenizer.open(tmp_path), "model", tmp_path) is None
