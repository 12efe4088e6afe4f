"""What is measured is the same work on the same weights. (bench/trial.py, bench/engines)"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.engines.checkpoint import write_checkpoint
from bench.engines.ours import Ours
from bench.engines.products import rates
from bench.engines.scout import CONFIG as SCOUT
from bench.engines.scout import PIECE_TOKENS, exact, isolated, marks_passed, random_weights
from bench.engines.scout_transformers import random_model, reading
from bench.engines.transformers_bf16 import Transformers
from bench.timing import ROUNDS, quickest
from bench.trial import CHUNK_TOKENS, NEW_TOKENS, Trial, carry_out
from engine.model.decoder import Decoder
from tests.engine.tiny import CONFIG, our_weights, reference_model

TRIAL = Trial("", "", list(range(2000)), read=(448, 1746), write=(1, 8))


class Scripted:
    """Takes a second a hundred tokens; each call is slower than the one before. Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[list[int]]] = []

    def read(self, ids: list[int]) -> float:
        self.asked.append([ids])
        return len(ids) / 100 + len(self.asked)

    def write(self, prompts: list[list[int]], new: int) -> float:
        self.asked.append(prompts)
        return new / 100


def test_it_counts_the_best_round_after_one_to_warm_up() -> None:
    seconds = itertools.chain([0.5], itertools.count(3))
    assert quickest(lambda: next(seconds)) == 3
    assert next(seconds) == 3 + ROUNDS


def test_it_turns_seconds_into_tokens_a_second() -> None:
    engine = Scripted()
    figures = carry_out(engine, TRIAL)
    assert figures["read_448"] == pytest.approx(448 / (4.48 + 2))
    assert figures["write_1"] == pytest.approx(100)
    assert figures["write_8"] == pytest.approx(800)
    assert len(engine.asked) == 4 * (ROUNDS + 1)


def test_it_gives_each_stream_a_chunk_of_its_own() -> None:
    prompts = TRIAL.prompts(8)
    assert [len(prompt) for prompt in prompts] == [CHUNK_TOKENS] * 8
    assert [prompt[0] for prompt in prompts] == [0, 100, 200, 300, 400, 500, 600, 700]
    assert TRIAL.context == 1746
    assert replace(TRIAL, read=()).context == CHUNK_TOKENS + NEW_TOKENS


def test_it_lets_both_engines_write_the_same_tokens(tmp_path: Path) -> None:
    weights, ids = our_weights(reference_model(), CONFIG), list(range(3, 60))
    write_checkpoint(CONFIG, weights, tmp_path)
    decoder = Decoder.from_weights(CONFIG, weights)
    theirs, ours, own = Transformers(tmp_path, torch.float32), Ours(decoder), decoder.new_cache()
    expected, cache = theirs.step(torch.tensor([ids]))
    found = ours.step(torch.tensor(ids), [own])
    for _ in range(20):
        assert found.tolist() == expected[0].tolist()
        expected, cache = theirs.step(expected, cache)
        found = ours.step(found, [own])
    assert own.length == len(ids) + 20


def test_it_writes_in_step_what_each_stream_writes_alone() -> None:
    decoder = Decoder.from_weights(CONFIG, our_weights(reference_model(), CONFIG))
    ours, prompts = Ours(decoder), torch.randint(CONFIG.vocab, (3, 20), generator=torch.Generator().manual_seed(0))
    caches = [decoder.new_cache() for _ in prompts]
    together = ours.step(prompts.flatten(), caches)
    assert together.tolist() == [int(ours.step(prompt, [decoder.new_cache()])) for prompt in prompts]
    assert [cache.length for cache in caches] == [20] * 3


@pytest.mark.parametrize("engine", ["ours", "theirs"])
def test_it_times_reading_and_writing(engine: str, tmp_path: Path) -> None:
    weights = our_weights(reference_model(), CONFIG)
    write_checkpoint(CONFIG, weights, tmp_path)
    timed = Ours(Decoder.from_weights(CONFIG, weights)) if engine == "ours" else Transformers(tmp_path, torch.float32)
    assert timed.read([1, 2, 3]) > 0
    assert timed.write([[1, 2, 3], [4, 5, 6]], 2) > 0


def test_it_counts_the_products_of_every_matrix() -> None:
    figures = rates([torch.randn(64, 32).bfloat16(), torch.randn(64, 32).bfloat16(), torch.randn(32, 128).bfloat16()], 40)
    assert figures["flops_per_token"] == 2 * (2 * 64 * 32 + 32 * 128)
    assert figures["bf16_gflops"] > 0
    assert figures["int8_gflops"] > 0


def test_it_reads_a_long_prompt_with_chunks_alone_or_over_one_cache() -> None:
    decoder = Decoder.from_weights(SCOUT, random_weights(torch.float32))
    tokens = 5 * PIECE_TOKENS
    figures = [marks_passed(mode(decoder, tokens), [PIECE_TOKENS, tokens]) for mode in (isolated, exact)]
    assert all(each["seconds_10240"] > each["seconds_2048"] > 0 for each in figures)
    assert all(each["grown_10240"] >= each["grown_2048"] >= 0 for each in figures)


def test_it_gives_transformers_a_scout_of_the_same_size() -> None:
    theirs, ours = random_model(), random_weights(torch.float32)
    assert sum(tensor.numel() for tensor in theirs.state_dict().values()) == sum(tensor.numel() for tensor in ours.values())
    assert list(marks_passed(reading(theirs, PIECE_TOKENS), [PIECE_TOKENS])) == ["grown_2048", "seconds_2048"]
