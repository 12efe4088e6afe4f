"""How a page image is cut into square tiles, and the tokens that stand for them in a prompt.

The canvas is a grid of at most so many tiles. The image is resized without distortion, laid into the canvas's upper left corner and cut
along the grid; if there is more than one tile, the whole image squeezed into one more tile comes last. The choice of the canvas is
that of transformers' image processor for Llama 4. Knows no pixels, no model and no vocabulary. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np

from engine.prompt import TokenArray

Grid = tuple[int, int]  # rows, columns
Size = tuple[int, int]  # height, width, in pixels


@dataclass(frozen=True, slots=True)
class ImageTokens:
    """The ids of the tokens around and between an image's tiles, and of `patch`, whose embeddings the image's features replace."""

    start: int
    end: int
    image: int
    patch: int
    tile_x: int
    tile_y: int

    @classmethod
    def named(cls, special: Callable[[str], int]) -> ImageTokens:
        """By their names in Llama 4's vocabulary; `special` gives a name's id (`Tokenizer.special`) or raises."""
        names = ("image_start", "image_end", "image", "patch", "tile_x_separator", "tile_y_separator")
        return cls(*(special(f"<|{name}|>") for name in names))


@dataclass(frozen=True, slots=True)
class Tiling:
    """A grid of tiles, and the size to which the image is brought before it is padded to the grid and cut."""

    tiles: Grid
    resized: Size


def choose_tiling(width: int, height: int, tile: int = 336, most_tiles: int = 16, *, fill_canvas: bool = False) -> Tiling:
    """The tiling of an image of `width` x `height` pixels into tiles of `tile` pixels a side.

    The canvas is the one that enlarges the image least; if none is as large as the image, the one that shrinks it least; among equals
    the smallest. An image smaller than its canvas is enlarged to at most one tile's side. `fill_canvas` takes the canvas that enlarges
    most and enlarges the image up to its border (`resize_to_max_canvas` of a checkpoint's image processor). Raises ValueError for an
    image or a tile without pixels.
    """
    if min(width, height, tile, most_tiles) < 1:
        raise ValueError(f"an image of {width} x {height} pixels cannot be cut into at most {most_tiles} tiles of {tile} pixels")
    rows, columns = tiles = _canvas((height, width), tile, most_tiles, fill_canvas)
    if fill_canvas:
        return Tiling(tiles, _undistorted((height, width), (rows * tile, columns * tile), np.float32))
    target = (min(max(height, tile), rows * tile), min(max(width, tile), columns * tile))
    # The reference computes in fp32 where the canvas is the limit, else in fp64; where the result is nearly whole, a pixel hangs on it.
    shrinks = rows * tile < height or columns * tile < width
    return Tiling(tiles, _undistorted((height, width), target, np.float32 if shrinks else np.float64))


def layout(tiles: Grid, tokens_per_tile: int, tokens: ImageTokens) -> TokenArray:
    """The ids that stand for one image in a prompt, int32 [token_count(tiles, tokens_per_tile)]: the grid row by row, then the whole."""
    patches = [tokens.patch] * tokens_per_tile
    rows, columns = tiles
    row = [*([*patches, tokens.tile_x] * columns)[:-1], tokens.tile_y]
    ids = [tokens.start, *(row * rows if rows * columns > 1 else []), tokens.image, *patches, tokens.end]
    return np.array(ids, dtype=np.int32)


def tile_count(tiles: Grid) -> int:
    """The tiles that the tower sees: those of the grid, and that of the whole image if they are several."""
    rows, columns = tiles
    return rows * columns + (rows * columns > 1)


def token_count(tiles: Grid, tokens_per_tile: int) -> int:
    """How many ids `layout` gives: each tile's patches and one token beside them, and the two at the ends."""
    return tile_count(tiles) * (tokens_per_tile + 1) + 2


def _canvas(image: Size, tile: int, most_tiles: int, fill_canvas: bool) -> Grid:
    grids = [(rows, columns) for rows in range(1, most_tiles + 1) for columns in range(1, most_tiles // rows + 1)]
    scales = {(rows, columns): min(rows * tile / image[0], columns * tile / image[1]) for rows, columns in grids}
    enlarging = [scale for scale in scales.values() if scale >= 1]
    best = min(enlarging) if enlarging and not fill_canvas else max(scales.values())
    return min((grid for grid in grids if scales[grid] == best), key=lambda grid: grid[0] * grid[1])


def _undistorted(image: Size, target: Size, number: Callable[[float], np.floating[Any]]) -> Size:
    """The largest size within `target` that has the image's proportions, computed with `number`s; no side is less than one pixel."""
    (height, width), (most_height, most_width) = image, target
    if most_width / width < most_height / height:
        fitting = floor(number(height) * (number(most_width) / number(width)))
        return max(min(fitting, most_height), 1), most_width
    fitting = floor(number(width) * (number(most_height) / number(height)))
    return most_height, max(min(fitting, most_width), 1)
