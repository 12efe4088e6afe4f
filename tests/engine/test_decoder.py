"""Our decoder beside transformers' llama, with the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import xllamacpp
from torch import Tensor

from engine.loading.gguf import convert
from engine.model.attention import Segment, attend, attend_reference
from engine.model.decoder import Decoder
from engine.tokenizer import Tokenizer
from tests.engine.tiny import CONFIG, our_weights, reference_model, reference_with, tiny_decoder


def tokens(count: int, seed: int = 1) -> Tensor:
    return torch.randint(0, CONFIG.vocab, (count,), generator=torch.Generator().manual_seed(seed))


def run(decoder: Decoder, ids: Tensor, pieces: list[int]) -> Tensor:
    """Logits of ids [T] read in pieces over one cache."""
    cache = decoder.new_cache()
    return torch.cat([decoder.logits(decoder(piece, [Segment(cache, len(piece))])) for piece in ids.split(pieces)])


@pytest.mark.parametrize("tied", [True, False])
def test_it_agrees_with_transformers(tied: bool) -> None:
    config = replace(CONFIG, tied=tied)
    reference = reference_model(config)
    decoder = Decoder.from_weights(config, our_weights(reference, config))
    ids = tokens(300)
    with torch.inference_mode():
        expected = reference(ids[None]).logits[0]
    torch.testing.assert_close(run(decoder, ids, [300]), expected, rtol=1e-4, atol=1e-4)


def test_it_reads_in_pieces_as_in_one() -> None:
    decoder, ids = tiny_decoder(), tokens(300)
    torch.testing.assert_close(run(decoder, ids, [130, 1, 127, 42]), run(decoder, ids, [300]), rtol=1e-4, atol=1e-4)


def test_it_decodes_over_the_cache_as_over_the_whole() -> None:
    decoder, ids = tiny_decoder(), tokens(40)
    torch.testing.assert_close(run(decoder, ids, [1] * 40), run(decoder, ids, [40]), rtol=1e-4, atol=1e-4)


def test_it_keeps_packed_segments_apart() -> None:
    decoder, first, second = tiny_decoder(), tokens(17), tokens(29, seed=2)
    caches = [decoder.new_cache(), decoder.new_cache()]
    decoder(first[:9], [Segment(caches[0], 9)])
    together = decoder.logits(decoder(torch.cat((first[9:], second)), [Segment(caches[0], 8), Segment(caches[1], 29)]))
    torch.testing.assert_close(together[:8], run(decoder, first, [17])[9:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together[8:], run(decoder, second, [29]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("new", "cached"), [(1, 0), (1, 300), (7, 0), (128, 5), (300, 0), (300, 77)])
def test_it_attends_the_same_on_both_paths(new: int, cached: int) -> None:
    generator = torch.Generator().manual_seed(3)
    q = torch.randn(6, new, 8, generator=generator)
    k, v = torch.randn(2, 2, new + cached, 8, generator=generator)
    torch.testing.assert_close(attend(q, [(k, v)]), attend_reference(q, [(k, v)]), rtol=1e-4, atol=1e-5)


@pytest.mark.weights
def test_it_agrees_with_transformers_on_the_real_weights(weights_folder: Path) -> None:
    config, weights = convert(weights_folder / "model.gguf")
    decoder, reference = Decoder.from_weights(config, weights), reference_with(weights, config)
    ids = torch.randint(17, config.vocab, (200,), generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected = reference(ids[None]).logits[0]
    ours = run(decoder, ids, [150, 50])
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=2e-3)
    assert (ours.argmax(-1) == expected.argmax(-1)).all()


@pytest.mark.weights
def test_it_continues_a_text_as_llama_cpp_does(weights_folder: Path) -> None:
    config, weights = convert(weights_folder / "model.gguf")
    decoder, tokenizer = Decoder.from_weights(config, weights), Tokenizer.open(weights_folder)
    text = "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday, Monday, Tuesday, Wednesday,"
    params = xllamacpp.CommonParams()
    params.model.path = str(weights_folder / "model.gguf")
    params.n_ctx = 256
    reply = xllamacpp.Server(params).handle_completions({"prompt": text, "n_predict": 8, "temperature": 0.0})
    cache, ids, ours = decoder.new_cache(), torch.from_numpy(tokenizer.encode(text)), []
    for _ in range(8):
        ids = decoder.logits(decoder(ids, [Segment(cache, len(ids))])[-1:]).argmax(-1)
        ours.append(int(ids))
    assert tokenizer.decode(ours) == reply["choices"][0]["text"]
