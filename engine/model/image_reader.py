"""From a page image of a prompt to the vectors that stand in the places of its patch tokens.

Knows no decoder and no cache. Legend: n patch tokens of an image, C hidden size of the decoder.
"""

from __future__ import annotations

from torch import Tensor

from engine.errors import PromptUnreadable
from engine.model.images import read_image, tile_pixels
from engine.model.vision import Vision
from engine.prompt import ImageSegment
from engine.tiling import choose_tiling


class ImageReader:
    """Reads page images with one model's image side."""

    def __init__(self, vision: Vision) -> None:
        self._vision = vision

    def features(self, segment: ImageSegment) -> Tensor:
        """[n, C], in the order of the segment's patch tokens, on the model's device and in its type.

        Raises PromptUnreadable if the file is missing, is no image, is too large, or asks for another grid of tiles than the
        segment's tokens lay out.
        """
        config = self._vision.config
        image = read_image(segment.path)
        tiling = choose_tiling(image.shape[2], image.shape[1], config.image_size, config.max_tiles)
        if tiling.tiles != segment.tiles:
            raise PromptUnreadable(
                f"The page image {segment.path} makes {_grid(tiling.tiles)} tiles and the prompt was made for {_grid(segment.tiles)}. "
                "Parse the document again."
            )
        features: Tensor = self._vision(tile_pixels(image, tiling, config.image_size))
        return features.flatten(0, 1)


def _grid(tiles: tuple[int, int]) -> str:
    return f"{tiles[0]} x {tiles[1]}"
