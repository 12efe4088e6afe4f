"""Fits of one part are averaged; what is not such a fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from training.mean import mean, weighed


def fit(path: Path, value: float, *, width: int = 2, model: str = "a") -> Path:
    tensors = {"layers.0": torch.full((3, width), value, dtype=torch.bfloat16), "bias": torch.tensor([value * 10])}
    save_file(tensors, path, {"model": model, "weights": str(value)})
    return path


def test_each_tensor_is_the_mean_and_keeps_its_type(tmp_path: Path) -> None:
    parts = [(fit(tmp_path / "one", 1.0), 0.5), (fit(tmp_path / "two", 3.0), 0.25), (fit(tmp_path / "three", 5.0), 0.25)]
    mean(parts, tmp_path / "out")
    found = load_file(tmp_path / "out")
    assert found["layers.0"].dtype == torch.bfloat16
    assert found["layers.0"].tolist() == [[2.5, 2.5]] * 3
    assert found["bias"].tolist() == [25.0]
    with safe_open(tmp_path / "out", "pt") as file:
        assert file.metadata() == {"model": "a", "weights": "1.0"}


def test_the_first_may_be_written_over(tmp_path: Path) -> None:
    one = fit(tmp_path / "one", 1.0)
    mean([(one, 0.5), (fit(tmp_path / "two", 3.0), 0.5)], one)
    assert load_file(one)["bias"].tolist() == [20.0]


@pytest.mark.parametrize(("width", "model"), [(3, "a"), (2, "b")])
def test_another_part_is_refused(tmp_path: Path, width: int, model: str) -> None:
    parts = [(fit(tmp_path / "one", 1.0), 0.5), (fit(tmp_path / "two", 3.0, width=width, model=model), 0.5)]
    with pytest.raises(ValueError, match=r"two is no fit of the same part as .*one"):
        mean(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_shares_have_to_be_a_whole(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"0\.9 together"):
        mean([(fit(tmp_path / "one", 1.0), 0.5), (fit(tmp_path / "two", 3.0), 0.4)], tmp_path / "out")


def test_a_file_s_name_may_have_an_equals_sign() -> None:
    assert weighed("runs/rate=1/head.safetensors=0.34") == (Path("runs/rate=1/head.safetensors"), 0.34)
