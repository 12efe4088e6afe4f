"""The pictures of an uploaded document's pages are there before anybody looks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.processes import ROOT, Api, Longread, wait_for
from webapp.upload.drawing import FREE_BYTES

pytestmark = [pytest.mark.slow, pytest.mark.weights]


def test_pages_are_drawn_while_nobody_looks(longread: Longread) -> None:
    free = shutil.disk_usage(longread.home).free
    assert free > FREE_BYTES, f"Nothing is drawn ahead onto a disk that is filling: {free:,} bytes are free, {FREE_BYTES:,} are needed."
    api = Api(longread, "alice")
    collection = api.post("/collections", {"name": "Pictures"})["id"]
    (row,) = api.upload(collection, ("contract.pdf", (ROOT / "samples" / "contract.pdf").read_bytes()))
    document = row["document"]["id"]
    images = Path(longread.home) / "documents" / document / "images"
    pages = wait_for(lambda: api.get(f"/documents/{document}")["page_count"], 60, "the document's pages")
    wanted = {f"{page}-{width}.webp" for page in range(1, pages + 1) for width in (900, 180)}
    wait_for(lambda: images.is_dir() and wanted <= {path.name for path in images.iterdir()}, 60, "the pictures")
    api.delete(f"/collections/{collection}")
