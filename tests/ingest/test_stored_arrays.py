"""Opening what a prompt is made of: as numpy reads it, and without a descriptor for each document."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.prompt import CHUNK_ROW
from ingest.prompt import stored_arrays
from ingest.prompt.stored_arrays import opened_array

IDS = np.dtype(np.int32)


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """As many as are open, and twenty more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("count", [0, 1, 1000])
@pytest.mark.parametrize("dtype", [IDS, CHUNK_ROW])
@pytest.mark.parametrize("mapped_bytes", [500, 10**6])
def test_it_is_what_numpy_reads(
    tmp_path: Path, count: int, dtype: np.dtype[np.void], mapped_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_arrays, "MAPPED_BYTES", mapped_bytes)
    written = np.frombuffer(np.random.default_rng(5).bytes(count * dtype.itemsize), dtype)
    np.save(tmp_path / "a.npy", written)
    read = opened_array(tmp_path / "a.npy", dtype)
    assert read.dtype == dtype
    assert read.tobytes() == np.load(tmp_path / "a.npy").tobytes() == written.tobytes()
    assert not read.flags.writeable
    assert isinstance(read, np.memmap) == (len((tmp_path / "a.npy").read_bytes()) > mapped_bytes)


@pytest.mark.parametrize("count", [10, 300_000])
def test_another_type_is_refused(tmp_path: Path, count: int) -> None:
    np.save(tmp_path / "a.npy", np.zeros(count, np.float64))
    with pytest.raises(ValueError, match="holds float64, not int32"):
        opened_array(tmp_path / "a.npy", IDS)


def test_a_prompt_of_many_documents_holds_no_descriptors(tmp_path: Path, few_descriptors: None) -> None:
    np.save(tmp_path / "a.npy", np.arange(300, dtype=np.int32))
    held = [opened_array(tmp_path / "a.npy", IDS) for _ in range(100)]
    assert sum(int(array[-1]) for array in held) == 29_900
