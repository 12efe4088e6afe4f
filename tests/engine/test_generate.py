"""Free generation, with tiny random models and logits made here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.generate import generate, reply
from engine.loading import gguf
from engine.model.decoder import Decoder
from engine.sampling import Sampling, pick
from engine.steps import stream
from engine.tokenizer import Tokenizer

LOGITS = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))


def drawn(sampling: Sampling, count: int = 4000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sampling.seed)
    picks = torch.tensor([pick(LOGITS, sampling, generator) for _ in range(count)])
    return torch.bincount(picks, minlength=4) / count


def test_it_takes_the_likeliest_at_temperature_zero() -> None:
    assert drawn(Sampling(), 10).tolist() == [1, 0, 0, 0]


def test_it_draws_by_the_models_probabilities() -> None:
    torch.testing.assert_close(drawn(Sampling(temperature=1.0, top_p=1.0)), LOGITS.exp(), atol=0.03, rtol=0)


def test_it_draws_from_the_smallest_set_that_holds_top_p() -> None:
    torch.testing.assert_close(drawn(Sampling(temperature=1.0, top_p=0.7)), torch.tensor([0.625, 0.375, 0, 0]), atol=0.03, rtol=0)


def test_it_draws_the_same_again_from_one_seed() -> None:
    assert drawn(Sampling(temperature=1.0, seed=3), 50).tolist() == drawn(Sampling(temperature=1.0, seed=3), 50).tolist()


@pytest.mark.weights
def test_it_answers_in_its_own_words_and_stops(weights_folder: Path) -> None:
    decoder, tokenizer = Decoder.from_weights(*gguf.load(weights_folder / "model.gguf")), Tokenizer.open(weights_folder)
    steps = reply(decoder, tokenizer, "What is the capital of France?", max_tokens=60)
    text = "".join(token.text for token in stream(steps, decoder))
    assert "Paris" in text
    assert "<|im_end|>" not in text


@pytest.mark.weights
def test_it_streams_whole_characters_only(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, tokenizer = Decoder.from_weights(*gguf.load(weights_folder / "model.gguf")), Tokenizer.open(weights_folder)
    end = tokenizer.special("<|im_end|>")
    script = iter([*tokenizer.encode("a 😀é!").tolist(), end])
    assert len(tokenizer.encode(" 😀")) > 1  # so that a character is cut by tokens
    monkeypatch.setattr("engine.generate.pick", lambda *_: next(script))
    steps = generate(decoder, tokenizer, tokenizer.encode("x"), ends={end}, max_tokens=20)
    pieces = [token.text for token in stream(steps, decoder)]
    assert "".join(pieces) == "a 😀é!"
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)
