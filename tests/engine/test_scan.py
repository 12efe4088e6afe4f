"""The attention scan beside the same sums in plain numpy: blocks, gaps, long records, several questions."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from engine import scan as scanning
from engine.model.scan_head import Queries
from engine.scan import scan

WIDTH = 32
Records = dict[bytes, bytes]


def records(lengths: Sequence[int], seed: int = 0) -> Records:
    random = np.random.default_rng(seed)
    return {number.to_bytes(4): random.integers(-127, 128, (size, WIDTH), dtype=np.int8).tobytes() for number, size in enumerate(lengths)}


def question(tokens: int, seed: int = 0) -> Queries:
    random = torch.Generator().manual_seed(seed)
    vectors, lengths = torch.randint(-127, 128, (tokens, WIDTH), generator=random, dtype=torch.int8), torch.rand(tokens, generator=random)
    return Queries(vectors, lengths / lengths.sum())


def view(stored: Records, key: bytes) -> memoryview | None:
    return memoryview(stored[key]) if key in stored else None


def expected(asked: Queries, record: bytes) -> float:
    tokens = np.frombuffer(record, dtype=np.int8).reshape(-1, WIDTH).astype(np.int64)
    best = (asked.vectors.numpy().astype(np.int64) @ tokens.T).max(axis=1) / 127**2
    return float(best @ asked.weights.numpy())


@pytest.mark.parametrize("int8", [True, False])
@pytest.mark.parametrize("block_tokens", [1, 8, 64, 16384])
def test_it_scores_every_chunk_exactly(int8: bool, block_tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "BLOCK_TOKENS", block_tokens)
    monkeypatch.setattr(scanning, "cpu_has_int8", lambda: int8)
    stored = records([1, 7, 30, 2, 200, 8, 8, 63, 1])
    asked = [question(5), question(1, 1), question(23, 2)]
    scores = scan(asked, list(stored), lambda key: view(stored, key))
    assert scores.shape == (3, len(stored))
    for row, one in zip(scores, asked, strict=True):
        np.testing.assert_allclose(row, [expected(one, record) for record in stored.values()], rtol=1e-5)


def test_a_chunk_without_a_record_has_no_score_and_leaves_the_others_theirs() -> None:
    stored = records([5, 6, 7])
    keys = [b"none", *stored, b"neither"]
    scores = scan([question(4)], keys, lambda key: view(stored, key))[0]
    assert np.isnan(scores[[0, -1]]).all()
    np.testing.assert_allclose(scores[1:-1], [expected(question(4), record) for record in stored.values()], rtol=1e-5)


def test_it_asks_nothing_of_nothing() -> None:
    assert scan([question(3)], [], lambda _: None).shape == (1, 0)
    assert np.isnan(scan([question(3)], [b"a", b"b"], lambda _: None)).all()


def test_its_memory_does_not_grow_with_the_prompt() -> None:
    """One record stands for all, so that what is measured is the scan's own."""
    record = np.random.default_rng(0).integers(-127, 128, (400, WIDTH), dtype=np.int8).tobytes()
    peaks = []
    for chunks in (200, 5000):
        keys = [b"key"] * chunks
        tracemalloc.start()
        scan([question(12)], keys, lambda _: memoryview(record))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 100 * 4800, "a score a chunk and no more"
