"""From a page image's file to the pixels of its tiles.

Resizing is bilinear with antialiasing in 8-bit, scaling to -1..1 in bf16, both as transformers' image processor for Llama 4 does it,
so that the values agree bit for bit. Knows no model. Legend: S pixels of a tile's side.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engine.errors import PromptUnreadable
from engine.tiling import Size, Tiling, tile_count

MOST_PIXELS = 50_000_000  # A3 at 600 dpi has 35 million; 150 MB once unpacked
FORMATS = ("JPEG", "PNG", "WEBP")


def read_image(path: Path) -> Tensor:
    """The image in `path`, uint8 [3, height, width]; what is transparent is white. Raises PromptUnreadable."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise PromptUnreadable(
                    f"The page image {path} has {image.width} x {image.height} pixels, more than {MOST_PIXELS:,}. "
                    "Parse the document again with smaller page images."
                )
            pixels = np.array(_opaque(image))
    except FileNotFoundError as error:
        raise PromptUnreadable(f"The page image {path} is missing. Parse the document again.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # all that PIL raises on a damaged file
        raise PromptUnreadable(f"The page image {path} cannot be read ({error}). Parse the document again.") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def tile_pixels(image: Tensor, tiling: Tiling, side: int) -> Tensor:
    """The tiles of an image uint8 [3, height, width], row by row, then the whole if they are several: bf16 [tiles, 3, S, S]."""
    rows, columns = tiling.tiles
    height, width = tiling.resized
    canvas = F.pad(_resize(image, tiling.resized), (0, columns * side - width, 0, rows * side - height))
    tiles = canvas.view(3, rows, side, columns, side).permute(1, 3, 0, 2, 4).flatten(0, 1)
    if tile_count(tiling.tiles) > 1:
        tiles = torch.cat((tiles, _resize(image, (side, side))[None]))
    return (tiles.to(torch.bfloat16) * (1 / 255) - 0.5) / 0.5


def _resize(image: Tensor, size: Size) -> Tensor:
    return F.interpolate(image[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
