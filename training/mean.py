"""The mean of several fits of one part: `python -m training.mean FILE=0.34 FILE=0.33 FILE=0.33 --out FILE`.

Fits that went on from the same weights can be averaged tensor by tensor, and the mean is mostly better on what none of them saw (Wortsman
et al., 2022, "Model soups"). So the bundled head and layers were made; of the layers' low-rank sums it is the factors that are averaged.
What a file says of itself besides its tensors is the first one's. Knows safetensors files, and not what is in them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Size, Tensor


def mean(parts: Sequence[tuple[Path, float]], out: Path) -> None:
    """Of files with their shares, summed in fp32 and kept in the first one's types. Raises ValueError for shares that are not 1 together,
    and for files that are not fits of one part: of another model, or with other tensors."""
    total = sum(share for _, share in parts)
    if abs(total - 1) > 1e-6:
        raise ValueError(f"The shares are {total:g} together. Give such that are 1.")
    (first, share), *others = parts
    said, kept = metadata(first), load_file(first)
    summed = {name: tensor.float() * share for name, tensor in kept.items()}
    for path, share in others:
        tensors = load_file(path)
        if metadata(path).get("model") != said.get("model") or shapes(tensors) != shapes(kept):
            raise ValueError(f"{path} is no fit of the same part as {first}.")
        for name, tensor in tensors.items():
            summed[name] += tensor.float() * share
    save_file({name: tensor.to(kept[name].dtype).contiguous() for name, tensor in summed.items()}, out, said)


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata() or {}


def shapes(tensors: dict[str, Tensor]) -> dict[str, Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def weighed(text: str) -> tuple[Path, float]:
    path, share = text.rsplit("=", 1)
    return Path(path), float(share)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("parts", type=weighed, nargs="+", metavar="FILE=SHARE")
    made.add_argument("--out", type=Path, required=True)
    asked = made.parse_args()
    try:
        mean(asked.parts, asked.out)
    except (ValueError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
