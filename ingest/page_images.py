"""Which pages have their image in the prompt, as the environment sets it. Knows no model and draws nothing."""

from __future__ import annotations

import os
from enum import StrEnum


class PageImages(StrEnum):
    """For a model that sees; one that does not is shown none."""

    NEEDED = "needed"  # those that show more than their words say (ingest.parsers.shown)
    ALL = "all"
    NONE = "none"


class PageImagesWrong(Exception):
    """The variable holds something else; the message names it and what it may hold."""


def page_images_from() -> PageImages:
    """What LONGREAD_PAGE_IMAGES says; `needed` where it says nothing. Raises PageImagesWrong."""
    said = os.environ.get("LONGREAD_PAGE_IMAGES") or PageImages.NEEDED
    try:
        return PageImages(said)
    except ValueError:
        raise PageImagesWrong(f"LONGREAD_PAGE_IMAGES is {said!r}; it may be {', '.join(PageImages)}.") from None
