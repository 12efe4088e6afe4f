"""A folder that is chosen or dropped: one upload, with the paths of its files, the same skipping, and a new version when it comes again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_whole_way import new_collection

pytestmark = [pytest.mark.browser, pytest.mark.weights]

LONG = "/".join(["a-folder-with-a-long-name"] * 5) + "/über.md"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small repository with what nobody wants to read in it."""
    root = tmp_path / "project"
    files = {
        "README.md": "# Project\n\nThe fee is 40 euros.\n",
        "src/fees.py": "FEE = 40\n",
        LONG: "# Long\n\nA deep place.\n",
        "node_modules/pad/index.js": "pad()\n",
        "web/node_modules/pad/index.js": "pad()\n",
        "debug.log": "noise\n",
        ".gitignore": "*.log\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "logo.png").write_bytes(b"\x89PNG\x00")
    (root / "empty.txt").touch()
    return root


def choose(page: Page, folder: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(folder)


def drop(page: Page, path: Path) -> None:
    """As a person does it: the browser itself is told that files are dropped."""
    box = page.locator("form.drop").bounding_box()
    assert box
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    place = {"x": box["x"] + 20, "y": box["y"] + 20}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


def files_of(page: Page) -> list[str]:
    """The paths of the one archive in the collection."""
    page.locator("#documents details.members summary").first.click()
    return sorted(page.locator("#documents details.members .document-name > :first-child").all_inner_texts())


EXPECTED = sorted([".gitignore", "README.md", LONG, "src/fees.py"])


@pytest.mark.parametrize("bring", [choose, drop])
def test_a_folder_keeps_its_paths_and_says_what_it_leaves_out(page: Page, project: Path, bring: Callable[[Page, Path], None]) -> None:
    new_collection(page, f"Folder by {bring.__name__}")
    bring(page, project)
    documents = page.locator("#documents")
    expect(documents).to_contain_text("4 files in this archive", timeout=60_000)
    assert files_of(page) == EXPECTED
    documents.get_by_role("link", name=re.compile("5 files skipped")).click()
    page.get_by_role("heading", name="What was skipped").wait_for()
    page.evaluate("document.querySelectorAll('.skipped-group').forEach((group) => { group.open = true; })")
    said = page.locator("main").inner_text()
    for left_out in ("node_modules/", "web/node_modules/", "debug.log", "logo.png", "empty.txt"):
        assert left_out in said


def test_the_same_folder_again_is_asked_about_and_reads_only_what_changed(page: Page, project: Path) -> None:
    new_collection(page, "Folder again")
    choose(page, project)
    documents, uploads = page.locator("#documents"), page.locator(".uploads")
    expect(documents).to_contain_text("4 files in this archive", timeout=60_000)
    choose(page, project)
    expect(uploads).to_contain_text("project is here already")
    uploads.get_by_role("button", name="Replace").click()
    expect(uploads).to_contain_text("project has not changed")
    (project / "src" / "fees.py").write_text("FEE = 50\n")
    (project / "README.md").unlink()
    choose(page, project)
    uploads.get_by_role("button", name="Replace").click()
    expect(documents).to_contain_text("3 files in this archive", timeout=60_000)
    assert files_of(page) == [path for path in EXPECTED if path != "README.md"]
