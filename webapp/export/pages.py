"""The cited pages as figures, each once: the one thing in an export that is not in a row, and that is left out where it cannot be drawn."""

from __future__ import annotations

import logging
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext

from ingest.errors import IngestError
from ingest.render import PANE, page_image
from webapp.export.blocks import Figure
from webapp.library.models import Document

logger = logging.getLogger(__name__)

MOST_PAGES = 40


class Pages:
    """Gives a page once, and no more than MOST_PAGES of them."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._given: set[tuple[UUID, int]] = set()

    def figure(self, document: Document | None, page: int | None) -> list[Figure]:
        """One, or none where it was given already, cannot be drawn, or is not wanted."""
        if not self._wanted or document is None or page is None or len(self._given) >= MOST_PAGES:
            return []
        if (document.id, page) in self._given:
            return []
        try:
            image = page_image(document.folder, page, PANE, settings.LONGREAD_LIMITS)
        except (IngestError, OSError) as error:
            logger.info("Page %d of %s is left out of an export: %s", page, document.path, error)
            return []
        self._given.add((document.id, page))
        return [Figure(image, gettext("{path}, page {number}").format(path=document.path, number=page))]
