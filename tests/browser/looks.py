"""Pictures of a page as people have it: phone and desktop, light and dark. Taken where LONGREAD_SHOTS names a folder."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


def looks(page: Page, name: str) -> None:
    """Checks that nothing is wider than the screen, and takes the four pictures. The page is left as a desktop in the light."""
    folder = os.environ.get("LONGREAD_SHOTS")
    for size in ("phone", "desktop"):
        width, height = SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than a {size}"
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            if folder:
                page.screenshot(path=Path(folder) / f"{name}-{size}-{scheme}.png")
