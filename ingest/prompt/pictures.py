"""Page images in a prompt: which pages have theirs there, how they are laid out for the model, and where that is written.

A model that does not see has none: there a page's image is for the viewer alone. Draws nothing (ingest.render does) and knows no chunks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from engine.prompt import ImageSegment
from engine.remote.address import from_environment
from engine.sight import Sight
from engine.tokenizer import Tokenizer
from ingest.model import PageSummary, Reading
from ingest.notes import named_pages
from ingest.page_images import PageImages, page_images_from
from ingest.prompt.builder import Built, Picture
from ingest.storage import ParsedFiles


@dataclass(frozen=True, slots=True)
class Seeing:
    """What a prompt is made for: a model that sees, and which pages it is shown."""

    sight: Sight
    pages: PageImages = PageImages.NEEDED

    @classmethod
    def of(cls, model: Path, tokenizer: Tokenizer) -> Seeing | None:
        """For the model in a folder, as the settings say; None for one that does not see, and for a server's, which is sent words alone.

        Raises PageImagesWrong, or an EngineError for a model that cannot be used.
        """
        pages = page_images_from()
        sight = None if pages is PageImages.NONE or from_environment() else Sight.open(model, tokenizer)
        return cls(sight, pages) if sight else None

    def chosen(self, pages: Sequence[PageSummary]) -> list[PageSummary]:
        """Pages that could not be read have no size, and no image."""
        if self.pages is PageImages.NONE:
            return []
        return [page for page in pages if page.width > 0 and (page.shows_more or self.pages is PageImages.ALL)]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page's image and how it is laid out; `digest` is that of its file."""

    page: PageSummary
    image: Path
    digest: str
    tiles: tuple[int, int]
    picture: Picture


def laid_out(sight: Sight, pages: Sequence[PageSummary], images: Mapping[int, Path]) -> list[Drawn]:
    """Those of the pages that have an image, in order."""
    return [_drawn(sight, page, images[page.number]) for page in pages if page.number in images]


def _drawn(sight: Sight, page: PageSummary, image: Path) -> Drawn:
    with Image.open(image) as opened:
        tiles, ids = sight.laid_out(opened.width, opened.height)
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    return Drawn(page, image, digest, tiles, Picture(page.start_char, ids))


def write_pictures(parsed: ParsedFiles, drawn: Sequence[Drawn], built: Built) -> None:
    """`built` holds the pictures of `drawn`, in that order."""
    placed = [
        {
            "chunk": chunk,
            "image": each.image.name,
            "digest": each.digest,
            "first_token": first,
            "end_token": first + len(each.picture.ids),
            "tiles": each.tiles,
        }
        for each, (chunk, first) in zip(drawn, built.pictures, strict=True)
    ]
    parsed.placed_pictures.write_text(json.dumps(placed), encoding="utf-8")


def read_pictures(parsed: ParsedFiles) -> dict[int, tuple[ImageSegment, ...]]:
    """The images of a prompt's chunks, by the chunk's number; {} for a prompt without any."""
    try:
        placed = json.loads(parsed.placed_pictures.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {each["chunk"]: (_segment(parsed, each),) for each in placed}


def _segment(parsed: ParsedFiles, each: dict[str, Any]) -> ImageSegment:
    rows, columns = each["tiles"]
    return ImageSegment(parsed.pictures / each["image"], each["digest"], each["first_token"], each["end_token"], (rows, columns))


def picture_note(pages: Sequence[PageSummary], seen: Sequence[Drawn]) -> tuple[str, ...]:
    """A sentence for the owner about pages that show more than their words say, and that the model does not see. Of those whose words were
    read from the picture itself other notes tell."""
    shown = {each.page.number for each in seen}
    worded = [page for page in pages if page.shows_more and page.has_text and page.reading == Reading.FILE]
    unseen = [page.number for page in worded if page.number not in shown]
    if not unseen:
        return ()
    return (
        f"{named_pages(unseen)} {'shows' if len(unseen) == 1 else 'show'} pictures or drawings of which only the words around are read.",
    )
