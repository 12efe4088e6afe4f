"""transformers' own image processor for Llama 4, run without torchvision.

Its code asks torchvision for three operations: resizing, padding and normalising. Here torch does them, as torchvision itself has it.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import image_processing_backends  # noqa: F401 -- loaded while torchvision is seen to be absent


@cache
def module() -> Any:
    """transformers.models.llama4.image_processing_llama4."""
    functional = SimpleNamespace(pad=pad)
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.v2")
    stand_ins = {name: ModuleType(name) for name in names}
    stand_ins[names[-1]].functional = functional  # type: ignore[attr-defined]
    with patch.dict(sys.modules, stand_ins):
        return importlib.import_module("transformers.models.llama4.image_processing_llama4")


@cache
def processor() -> Any:
    class Processor(module().Llama4ImageProcessor):  # type: ignore[misc]
        def resize(self, image: Tensor, size: Any, **options: object) -> Tensor:
            return F.interpolate(image, (size.height, size.width), mode="bilinear", antialias=True)

        def normalize(self, image: Tensor, mean: list[float], std: list[float]) -> Tensor:
            return (image - torch.tensor(mean, dtype=image.dtype)[:, None, None]) / torch.tensor(std, dtype=image.dtype)[:, None, None]

    return Processor()


def pad(images: Tensor, padding: list[int], fill: list[int]) -> Tensor:
    assert set(fill) == {0}
    left, top, right, bottom = padding
    return F.pad(images, (left, right, top, bottom))


def their_tiling(width: int, height: int, tile: int, most_tiles: int, fill_canvas: bool) -> tuple[tuple[int, int], tuple[int, int]]:
    """The grid and the resized size, (rows, columns) and (height, width), as `_preprocess` finds them."""
    size = module().SizeDict(height=tile, width=tile)
    canvases = torch.tensor(module().find_supported_resolutions(max_num_chunks=most_tiles, patch_size=size))
    canvas = module().get_best_fit((height, width), canvases, resize_to_max_canvas=fill_canvas)
    most = canvas if fill_canvas else (min(max(height, tile), canvas[0]), min(max(width, tile), canvas[1]))
    resized = module().get_max_res_without_distortion((height, width), most)
    return (int(canvas[0]) // tile, int(canvas[1]) // tile), (max(int(resized[0]), 1), max(int(resized[1]), 1))
