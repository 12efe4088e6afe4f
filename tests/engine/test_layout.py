"""Which layer keeps its state where, and how new tokens fall into attention chunks."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import pytest

from engine.cache.layout import Slot, ranges, slots, tail
from tests.engine.tiny import CONFIG


def test_it_numbers_the_layers_of_each_kind() -> None:
    config = replace(CONFIG, chunked=(True, True, False, True, False))
    assert slots(config) == (Slot(True, 0), Slot(True, 1), Slot(False, 0), Slot(True, 2), Slot(False, 1))


def test_it_takes_the_layer_kinds_from_the_config_and_not_from_their_number() -> None:
    """Engines with `(i + 1) % 4` written into them cannot run another pattern."""
    for chunked in [(False, True, True, True), (True,) * 4, (False,) * 4]:
        assert tuple(slot.chunked for slot in slots(replace(CONFIG, chunked=chunked))) == chunked


@pytest.mark.parametrize("start", [0, 1, 7, 8, 9, 8000])
@pytest.mark.parametrize("tokens", [1, 2, 7, 8, 9, 16, 17, 40])
@pytest.mark.parametrize("chunk", [1, 8, 8192])
def test_it_cuts_new_tokens_at_multiples_of_the_chunk(start: int, tokens: int, chunk: int) -> None:
    runs = [list(run) for _, run in groupby(range(tokens), key=lambda token: (start + token) // chunk)]
    assert ranges(start, tokens, chunk) == [(run[0], run[-1] + 1) for run in runs]


@pytest.mark.parametrize(("tokens", "chunk"), [(5, None), (0, None), (0, 8)])
def test_it_cuts_nothing_without_chunks_or_tokens(tokens: int, chunk: int | None) -> None:
    assert ranges(3, tokens, chunk) == [(0, tokens)]


@pytest.mark.parametrize("start", [0, 1, 7, 8, 9, 8000])
@pytest.mark.parametrize("tokens", [0, 1, 2, 7, 8, 9, 16, 17, 40])
@pytest.mark.parametrize("chunk", [1, 8, 8192])
def test_it_counts_the_tokens_in_the_chunk_that_stays_open(start: int, tokens: int, chunk: int) -> None:
    end = start + tokens
    assert tail(start, tokens, chunk) == sum(token // chunk == end // chunk for token in range(start, end))
    assert tail(start, tokens, None) == 0
