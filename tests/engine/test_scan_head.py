"""The scan head: its vectors, the pass that its layer's input comes from, and the file that it is read from. fp32, beside transformers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.errors import ModelDamaged
from engine.loading.load import load_model
from engine.loading.scan_head import read_scan_head
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.model.scan_head import ScanHead
from engine.scheduler import Scheduler
from engine.steps import Forward, Steps, forward, inputs_of, run
from tests.engine.checkpoints import save_random
from tests.engine.fed import same, tokens
from tests.engine.tiny import CONFIG, tiny_decoder

WIDTH = 16


def head(hidden: int, *layers: int, seed: int = 0) -> ScanHead:
    random = torch.Generator().manual_seed(seed)
    query, key = torch.randn(2, WIDTH, hidden * len(layers), generator=random)
    return ScanHead(layers, query, key, "random")


def test_its_vectors_have_length_one_in_bytes() -> None:
    scan, hidden = head(48, 2), torch.randn(100, 48)
    for made, weight in ((scan.keys(hidden), scan.key), (scan.queries(hidden).vectors, scan.query)):
        exact = hidden.numpy() @ weight.numpy().T
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
        assert made.dtype == torch.int8
        assert np.abs(made.numpy() / 127 - exact).max() <= 0.5 / 127 + 1e-6
    assert not torch.equal(scan.keys(hidden), scan.queries(hidden).vectors)


def test_a_token_that_searches_weighs_as_much_as_its_projection_is_long() -> None:
    scan, hidden = head(48, 2), torch.randn(7, 48)
    lengths = np.linalg.norm(hidden.numpy() @ scan.query.numpy().T, axis=1)
    np.testing.assert_allclose(scan.queries(hidden).weights, lengths / lengths.sum(), rtol=1e-5)
    np.testing.assert_allclose(replace(scan, weighted=False).queries(hidden).weights, np.full(7, 1 / 7), rtol=1e-6)


def test_it_makes_the_same_bytes_of_bf16_and_of_no_token() -> None:
    scan, hidden = head(48, 2), torch.randn(5, 48).bfloat16()
    assert torch.equal(scan.keys(hidden), scan.keys(hidden.float()))
    assert scan.keys(hidden[:0]).shape == (0, WIDTH)


@pytest.mark.parametrize("family", ["llama4_text", "llama", "smollm3"])
def test_a_pass_below_layers_gives_their_normed_inputs(family: str, tmp_path: Path) -> None:
    theirs: Any = save_random(family, tmp_path)
    loaded = load_model(tmp_path)
    decoder = Decoder.from_weights(loaded.config, loaded.decoder)
    ids = [tokens(43, 1), tokens(7, 2), tokens(16, 3)]
    last = loaded.config.layers - 1
    for layers in (*((layer,) for layer in range(1, last + 1)), (1, last), tuple(range(last + 1))):
        expected = [reference(theirs, torch.from_numpy(one), layers) for one in ids]
        segments = [Segment(decoder.new_cache(below=layers[-1]), len(one)) for one in ids]
        packed = decoder.inputs_of(layers, torch.from_numpy(np.concatenate(ids)), segments)
        same(packed, torch.cat(expected))
        rest = run(inputs_of(layers, torch.from_numpy(tokens(9, 4)), segments[0].cache, range(9)), decoder)
        whole = reference(theirs, torch.from_numpy(np.concatenate([ids[0], tokens(9, 4)])), layers)
        same(rest, whole[-9:])


def reference(model: Any, ids: Tensor, layers: tuple[int, ...]) -> Tensor:
    with torch.inference_mode():
        states = model(ids[None].long(), output_hidden_states=True).hidden_states
        text = getattr(model, "model", model)
        return torch.cat([text.layers[layer].input_layernorm(states[layer])[0] for layer in layers], -1)


def test_the_scheduler_serves_both_depths_in_one_turn() -> None:
    decoder = tiny_decoder()
    ids = [torch.from_numpy(tokens(30, seed) % CONFIG.vocab) for seed in range(3)]

    def both() -> Steps[list[Tensor]]:
        answers = yield (
            Forward(ids[0], decoder.new_cache(below=2), range(30), inputs=(2,)),
            Forward(ids[1], decoder.new_cache(), range(28, 30)),
            Forward(ids[2], decoder.new_cache(below=2), range(30), inputs=(2,)),
        )
        return answers

    scheduler = Scheduler(decoder, turn_tokens=25)
    found = scheduler.run(both())
    scheduler.close()
    alone = [
        run(inputs_of((2,), ids[0], decoder.new_cache(below=2), range(30)), decoder),
        run(forward(ids[1], decoder.new_cache(), range(28, 30)), decoder),
        run(inputs_of((2,), ids[2], decoder.new_cache(below=2), range(30)), decoder),
    ]
    for ours, theirs in zip(found, alone, strict=True):
        same(ours, theirs)


def test_an_error_at_one_depth_leaves_the_other_alone() -> None:
    decoder = tiny_decoder()
    good, bad = torch.arange(20), torch.tensor([CONFIG.vocab + 5])
    scheduler = Scheduler(decoder)

    def work(ids: Tensor, inputs: tuple[int, ...]) -> Steps[Tensor]:
        cache = decoder.new_cache(below=inputs[-1] if inputs else None)
        (answer,) = yield (Forward(ids, cache, range(len(ids)), inputs=inputs),)
        return answer

    first, second = scheduler.stream(work(bad, (2,))), scheduler.stream(work(good, ()))
    with pytest.raises(IndexError):
        list(first)
    assert list(second) == []
    scheduler.close()


def write(path: Path, scan: ScanHead, **metadata: str) -> Path:
    tensors = {"query.weight": scan.query, "key.weight": scan.key}
    save_file(tensors, path, {"model": "abc", "layers": " ".join(map(str, scan.layers))} | metadata)
    return path


def test_it_reads_the_head_of_its_model_and_no_other(tmp_path: Path) -> None:
    scan = head(CONFIG.hidden, 2)
    path = write(tmp_path / "scan_head.safetensors", scan)
    found = read_scan_head("abc", CONFIG, path=path)
    assert found is not None
    assert (found.layers, found.width) == ((2,), WIDTH)
    assert torch.equal(found.query, scan.query)
    assert torch.equal(found.key, scan.key)
    assert read_scan_head("abd", CONFIG, path=path) is None
    assert read_scan_head("abc", CONFIG, path=tmp_path / "none") is None


def test_another_head_has_another_fingerprint(tmp_path: Path) -> None:
    heads = [head(CONFIG.hidden, 2), head(CONFIG.hidden, 1), head(CONFIG.hidden, 2, seed=1)]
    read = [read_scan_head("abc", CONFIG, path=write(tmp_path / str(number), one)) for number, one in enumerate(heads)]
    assert len({found.fingerprint for found in read if found}) == 3
    other_queries = replace(heads[0], query=heads[2].query)
    found = read_scan_head("abc", CONFIG, path=write(tmp_path / "queries", other_queries))
    assert found is not None
    assert read[0] is not None
    assert found.fingerprint == read[0].fingerprint, "what was stored can be searched by other queries"


def test_a_head_may_want_several_layers(tmp_path: Path) -> None:
    found = read_scan_head("abc", CONFIG, path=write(tmp_path / "head", head(CONFIG.hidden, 1, 2)))
    assert found is not None
    assert found.layers == (1, 2)


@pytest.mark.parametrize("layers", ["0", "3", "two", "", "2 1", "1 2"])
def test_it_says_what_is_wrong_with_a_head(layers: str, tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="again"):
        read_scan_head("abc", CONFIG, path=write(tmp_path / "head", head(CONFIG.hidden, 2), layers=layers))


def test_it_says_so_where_the_file_is_cut_or_of_another_width(tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="is not for tiny"):
        read_scan_head("abc", CONFIG, path=write(tmp_path / "wide", head(CONFIG.hidden + 1, 2)))
    whole = write(tmp_path / "head", head(CONFIG.hidden, 2))
    whole.write_bytes(whole.read_bytes()[:-9])
    with pytest.raises(ModelDamaged, match="cannot be read"):
        read_scan_head("abc", CONFIG, path=whole)
