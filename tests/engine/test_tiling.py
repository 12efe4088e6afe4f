"""Grids, sizes, pixels and tokens of tiled images beside transformers' image processor for Llama 4."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.llama4.processing_llama4 import Llama4Processor

from engine.model.images import tile_pixels
from engine.tiling import ImageTokens, choose_tiling, layout, tile_count, token_count
from tests.engine.image_processor import processor, their_tiling

NAMES = {
    "<|image_start|>": 200080,
    "<|image_end|>": 200081,
    "<|tile_x_separator|>": 200084,
    "<|tile_y_separator|>": 200085,
    "<|image|>": 200090,
    "<|patch|>": 200092,
}
TOKENS = ImageTokens.named(NAMES.__getitem__)
SIZES = {
    "square": (500, 500),
    "wide": (2000, 300),
    "tall": (100, 3000),
    "page": (900, 1273),
    "large page": (1800, 2546),
    "tiny": (20, 30),
    "one pixel": (1, 1),
    "thread": (1, 700),
    "one tile": (336, 336),
    "two tiles": (672, 336),
}
# Sizes at which a pixel hangs on whether the proportions are computed in fp32 or in fp64.
NEARLY_WHOLE = [(1674, 3348), (3790, 5685), (1946, 2780), (20, 15), (60, 45), (304, 190)]


def sizes(count: int) -> list[tuple[int, int]]:
    """Widths and heights of all proportions, among them the widths that page images have."""
    numbers = random.Random(0)
    widths = [numbers.choice((336, 900, 1008, 1240, 1800, numbers.randint(1, 400), numbers.randint(1, 5000))) for _ in range(count)]
    return [(width, numbers.randint(1, 400 if index % 4 == 0 else 5000)) for index, width in enumerate(widths)]


@pytest.mark.parametrize("fill_canvas", [False, True])
@pytest.mark.parametrize(("tile", "most_tiles"), [(336, 16), (48, 5)])
def test_it_chooses_grid_and_size_as_transformers_does(tile: int, most_tiles: int, fill_canvas: bool) -> None:
    for width, height in [*SIZES.values(), *NEARLY_WHOLE, *sizes(500)]:
        ours = choose_tiling(width, height, tile, most_tiles, fill_canvas=fill_canvas)
        assert (ours.tiles, ours.resized) == their_tiling(width, height, tile, most_tiles, fill_canvas), (width, height)


@pytest.mark.parametrize("fill_canvas", [False, True])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_it_makes_the_pixel_values_of_transformers_bit_for_bit(size: tuple[int, int], fill_canvas: bool) -> None:
    width, height = size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    theirs = processor()(Image.fromarray(image), return_tensors="pt", resize_to_max_canvas=fill_canvas)
    tiling = choose_tiling(width, height, fill_canvas=fill_canvas)
    ours = tile_pixels(torch.from_numpy(image).permute(2, 0, 1).contiguous(), tiling, 336)
    assert tuple(theirs["aspect_ratios"][0].tolist()) == tiling.tiles
    assert len(ours) == tile_count(tiling.tiles)
    torch.testing.assert_close(ours, theirs["pixel_values"], rtol=0, atol=0)


@pytest.mark.parametrize("tiles", [(1, 1), (1, 2), (2, 1), (2, 2), (3, 5), (4, 4), (16, 1)])
def test_it_lays_out_the_tokens_as_transformers_does(tiles: tuple[int, int]) -> None:
    text = Llama4Processor._prompt_split_image(None, tiles, 144)
    theirs = [NAMES[f"<|{name}|>"] for name in text.removeprefix("<|").removesuffix("|>").split("|><|")]
    ours = layout(tiles, 144, TOKENS)
    assert ours.dtype == np.int32
    assert ours.tolist() == theirs


@pytest.mark.parametrize(("tiles", "count"), [((1, 1), 147), ((2, 2), 727), ((3, 3), 1452), ((4, 4), 2467)])
def test_it_knows_how_many_tokens_an_image_takes(tiles: tuple[int, int], count: int) -> None:
    assert token_count(tiles, 144) == len(layout(tiles, 144, TOKENS)) == count


@pytest.mark.parametrize("tiles", [(1, 1), (2, 3)])
def test_it_keeps_a_place_for_every_feature(tiles: tuple[int, int]) -> None:
    assert (layout(tiles, 36, TOKENS) == TOKENS.patch).sum() == tile_count(tiles) * 36


def test_it_refuses_an_image_without_pixels() -> None:
    with pytest.raises(ValueError, match="0 x 10 pixels"):
        choose_tiling(0, 10)
