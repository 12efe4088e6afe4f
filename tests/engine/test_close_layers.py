"""The close layers beside transformers' layers under a mask that hides nothing, beside the module that is trained, and their file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.errors import ModelDamaged
from engine.loading.close_layers import read_close_layers
from engine.model.close_layers import CloseLayers, CloseShape, CloseWeights
from engine.model.decoder import Decoder, Segment
from engine.model.linear import cpu_has_int8
from engine.steps import Forward, execute, inputs_of, run
from tests.engine.tiny import CONFIG, our_weights, reference_model
from training.close_export import export, reweighted
from training.close_model import Sheets, TrainedCloseLayers

SHAPE = CloseShape(1, 2)
SENTENCES = ((5, 12), (14, 20))


def base() -> dict[str, Tensor]:
    return our_weights(reference_model(), CONFIG)


def trained() -> TrainedCloseLayers:
    """With sums that are not zero."""
    torch.manual_seed(0)
    made = TrainedCloseLayers(SHAPE, CONFIG, base(), 4)
    for name, parameter in made.named_parameters():
        if parameter.requires_grad and not name.startswith("norm"):
            torch.nn.init.normal_(parameter, std=0.2)
    return made.eval()


def layers(of: TrainedCloseLayers | None = None, *, int8: bool = False) -> CloseLayers:
    made = of or trained()
    return CloseLayers.from_weights(made.shape, CONFIG, base(), made.own(), int8=int8)


def hidden(tokens: int = 20, seed: int = 1) -> Tensor:
    return torch.randn(tokens, CONFIG.hidden, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_its_layers_are_those_of_the_reference_where_nothing_is_hidden() -> None:
    """transformers' own model, the sums added to its matrices: causal below, and in the close layers a mask of zeros."""
    made, theirs = trained(), reference_model()
    own = made.own()
    for number in range(SHAPE.count):
        layer = theirs.model.layers[SHAPE.first + number]
        sums = {
            name: own[f"layers.{number}.{name}.b"] @ own[f"layers.{number}.{name}.a"]
            for name in ("attention.qkv", "attention.out", "feed_forward.gate_up", "feed_forward.down")
        }
        queries, keys = CONFIG.heads * CONFIG.head_dim, CONFIG.kv_heads * CONFIG.head_dim
        parts = sums["attention.qkv"].split([queries, keys, keys])
        for matrix, part in zip((layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj), parts, strict=True):
            matrix.weight += part
        layer.self_attn.o_proj.weight += sums["attention.out"]
        gate, up = sums["feed_forward.gate_up"].chunk(2)
        layer.mlp.gate_proj.weight += gate
        layer.mlp.up_proj.weight += up
        layer.mlp.down_proj.weight += sums["feed_forward.down"]
    ids = torch.randint(0, CONFIG.vocab, (20,), generator=torch.Generator().manual_seed(1))
    unchanged = reference_model()
    x = unchanged(ids[None], output_hidden_states=True).hidden_states[SHAPE.first]
    decoder = Decoder.from_weights(CONFIG, base())
    below = run(inputs_of((SHAPE.first,), ids, decoder.new_cache(below=SHAPE.first), range(20), normed=False), decoder)
    torch.testing.assert_close(below, x[0], atol=1e-4, rtol=1e-4)
    places = theirs.model.rotary_emb(x, torch.arange(20)[None])
    for layer in theirs.model.layers[SHAPE.first : SHAPE.first + SHAPE.count]:
        x = layer(x, attention_mask=torch.zeros(1, 1, 20, 20), position_embeddings=places)
    normed = torch.nn.functional.rms_norm(x[0], (CONFIG.hidden,), own["norm.weight"], CONFIG.norm_eps)
    starts, ends, signs = (normed @ own["tokens.weight"].T + own["tokens.bias"]).unbind(-1)
    begun, ended = normed @ own["begun.weight"].T, normed @ own["ended.weight"].T
    readings = layers(made)(below, SENTENCES)
    assert len(readings) == len(SENTENCES)
    for reading, (first, end) in zip(readings, SENTENCES, strict=True):
        wanted = torch.full((end - first, end - first), -torch.inf)
        for i in range(first, end):
            for j in range(i, end):
                kind = min(23, int(3 * math.log2(j - i + 1) + 1e-6))
                wanted[i - first, j - first] = starts[i] + ends[j] + begun[i] @ ended[j] / 8 + own["lengths"][kind]
        torch.testing.assert_close(reading.spans.exp(), wanted.flatten().softmax(0).view_as(wanted), atol=1e-3, rtol=1e-3)
        pooled = signs[first:end].softmax(0) @ normed[first:end]
        torch.testing.assert_close(reading.answers, (own["answers.weight"] @ pooled + own["answers.bias"])[0], atol=1e-3, rtol=1e-3)


@torch.inference_mode()
def test_what_is_trained_gives_the_same_numbers_padded_with_others() -> None:
    made = trained()
    rows, places = [hidden(20), hidden(31, 2), hidden(14, 3)], [SENTENCES, ((3, 30),), ((5, 9), (9, 14))]
    together = made(Sheets.of(rows, places))
    for row, own, readings in zip(rows, places, together, strict=True):
        for reading, expected in zip(readings, layers(made)(row, own), strict=True):
            for said, wanted in zip(reading, expected, strict=True):
                torch.testing.assert_close(said, wanted, atol=1e-3, rtol=1e-3)


@torch.inference_mode()
def test_every_token_sees_what_stands_behind_it() -> None:
    made, x = layers(), hidden()
    other = x.clone()
    other[-1] += 1.0
    assert not torch.allclose(made(x, SENTENCES)[0].spans.exp(), made(other, SENTENCES)[0].spans.exp())


@pytest.mark.skipif(not cpu_has_int8(), reason="the processor has no int8 products")
@torch.inference_mode()
def test_in_int8_it_says_nearly_the_same() -> None:
    made, x = trained(), hidden(200)
    one, other = (layers(made, int8=int8)(x, ((5, 60), (70, 190))) for int8 in (False, True))
    for a, b in zip(one, other, strict=True):
        there = torch.isfinite(a.spans)
        assert torch.corrcoef(torch.stack([a.spans[there], b.spans[there]]))[0, 1] > 0.98
        assert float(a.answers) == pytest.approx(float(b.answers), abs=0.5)


# --- the file ---


def written(path: Path, **metadata: str) -> Path:
    made = trained()
    tensors = {name: tensor.contiguous() for name, tensor in made.own().items()}
    save_file(tensors, path, {"model": "abc", "shape": json.dumps(asdict(SHAPE)), "weights": json.dumps(asdict(CloseWeights()))} | metadata)
    return path


def test_its_file_gives_what_was_exported(tmp_path: Path) -> None:
    made, x = trained(), hidden()
    export(tmp_path / "close", SHAPE, made.own(), CloseWeights(), "abc")
    reweighted(tmp_path / "close", CloseWeights(1, 2, 3, 4, say=5))
    found = read_close_layers("abc", CONFIG, tmp_path / "close", base())
    assert found is not None
    assert found.weights == CloseWeights(1, 2, 3, 4, say=5)
    for reading, expected in zip(found.layers(x, SENTENCES), layers(made)(x, SENTENCES), strict=True):
        torch.testing.assert_close(reading.spans, expected.spans, atol=0.1, rtol=0.05)
    assert read_close_layers("another", CONFIG, tmp_path / "close", base()) is None
    assert read_close_layers("abc", CONFIG, tmp_path / "none", base()) is None


@pytest.mark.parametrize(
    "metadata",
    [
        {"shape": '{"first": 2, "count": 2}'},
        {"shape": '{"first": 0, "count": 2}'},
        {"shape": '{"first": 1, "count": 1}'},
        {"shape": "{}"},
        {"weights": '{"sentence": [1, 2]}'},
        {"weights": "x"},
    ],
)
def test_a_file_that_cannot_be_the_model_s_is_refused(tmp_path: Path, metadata: dict[str, str]) -> None:
    with pytest.raises(ModelDamaged, match="Fetch the file again"):
        read_close_layers("abc", CONFIG, written(tmp_path / "close", **metadata), base())


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "close")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelDamaged, match="Fetch the file again"):
        read_close_layers("abc", CONFIG, path, base())


def test_raw_and_normed_inputs_can_be_asked_for_at_once() -> None:
    """In one turn of the scheduler, of caches of one depth."""
    decoder, ids = Decoder.from_weights(CONFIG, base()), torch.arange(9, dtype=torch.int32)
    asked = [Forward(ids, decoder.new_cache(below=2), range(9), inputs=(2,), normed=normed) for normed in (True, False)]
    normed, raw = execute(decoder, asked)
    torch.testing.assert_close(normed, decoder.layers[2].attention_norm(raw), atol=1e-5, rtol=1e-5)
    again = decoder.inputs_of((2,), ids, [Segment(decoder.new_cache(below=2), 9)], normed=False)
    torch.testing.assert_close(raw, again)
