"""What a model that sees makes of a page image in a prompt: how large its tiles are, and the tokens that stand for them.

Known from the model's config and vocabulary alone, so that a prompt can be made where no model runs. Reads no weights and no pixels.
Imports no torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ModelDamaged
from engine.loading.checkpoint import open_checkpoint
from engine.loading.named_reading import named_reading
from engine.prompt import TokenArray
from engine.tiling import Grid, ImageTokens, choose_tiling, layout
from engine.tokenizer import Tokenizer

SHOWING = ("composed", "exact")  # ways to answer that read the prompt's own states, page images among them


@dataclass(frozen=True, slots=True)
class Sight:
    """One model's."""

    tile: int
    most_tiles: int
    tokens_per_tile: int
    tokens: ImageTokens

    @classmethod
    def open(cls, folder: Path, tokenizer: Tokenizer) -> Sight | None:
        """None for a model that does not see, and for one that answers over a window of words (engine.joined), where none is shown.

        Raises an EngineError for one that cannot be used.
        """
        vision = open_checkpoint(folder).config().vision
        adapter = os.environ.get("LONGREAD_ADAPTER", "").strip()
        if vision is None or named_reading(folder, Path(adapter) if adapter else None) not in SHOWING:
            return None
        tokens = ImageTokens.named(tokenizer.special)
        if tokens.patch != vision.patch_token:
            raise ModelDamaged(
                f"The model in {folder} reads page images at token {vision.patch_token}, and its vocabulary writes them as {tokens.patch}. "
                "Fetch its config.json and tokenizer.json again, both of the same model."
            )
        return cls(vision.image_size, vision.max_tiles, vision.tokens_per_tile, tokens)

    def laid_out(self, width: int, height: int) -> tuple[Grid, TokenArray]:
        """An image of so many pixels: its grid of tiles, and the ids that stand for it, int32 [tokens]."""
        tiles = choose_tiling(width, height, self.tile, self.most_tiles).tiles
        return tiles, layout(tiles, self.tokens_per_tile, self.tokens)
