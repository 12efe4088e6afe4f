"""Every page is for everybody: axe-core finds nothing serious on any, in light and in dark, at a desk and on a phone; none is wider than
its window, and each works from the keyboard."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.rows import Rows
from tests.browser.test_whole_way import new_collection, upload
from tests.processes import ROOT, Longread
from tests.webapp.access_table import TABLE

pytestmark = [pytest.mark.browser, pytest.mark.weights]

COLLECTION = "For all"
# What is no page of HTML, or needs more than an address.
FILES = ("api/", "metrics", "healthz", "words.js", "/stream", "/original", "/here", "/image", "/file", "export.", "conversation.")
# The same name means another thing in these.
OTHER_NAMES = {"shared/": "shared", "join/": "join", "reset/": "reset"}
STRANGERS = ("login/", "forgotten/", "join/", "reset/", "shared/")
GONE = "setup/"
VIEWS = [("light", 1280), ("dark", 390)]
# A folder for screenshots, for whoever wants to look at the pages too (docs/settings.md).
SHOTS = os.environ.get("LONGREAD_SHOTS", "")


@pytest.fixture(scope="module")
def ids(signed_in: BrowserContext, rows: Rows) -> dict[str, str]:
    """One of everything, around a contract that was really read."""
    page = signed_in.new_page()
    new_collection(page, COLLECTION)
    upload(page, ROOT / "samples" / "contract.pdf")
    page.locator("#documents .row", has_text="contract.pdf").get_by_role("link").first.wait_for(timeout=90_000)
    page.close()
    return dict(rows("make", collection=COLLECTION))


@pytest.fixture
def stranger(browser: Browser, longread: Longread) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=longread.address)
    yield context
    context.close()


def pages() -> list[str]:
    """The route of every page, from the table of all addresses."""
    rows = [line.split()[:2] for line in TABLE.strip().splitlines() if line.startswith("GET")]
    routes = ["" if route == "." else route for _, route in rows]
    return [route for route in routes if route != GONE and not any(part in route for part in FILES)]


def address(route: str, ids: dict[str, str]) -> str:
    token = next((ids[name] for begin, name in OTHER_NAMES.items() if route.startswith(begin)), "")
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: (ids | {"token": token})[found[1]], route)


def wrong_with(page: Page, path: str, scheme: str, width: int) -> list[str]:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    response = page.goto(path)
    found = [] if response and response.status < 400 else [f"{path} answers {response and response.status}"]
    if page.evaluate("document.documentElement.scrollWidth") > width:
        found.append(f"{path} is wider than {width} px")
    if SHOTS:
        name = re.sub(r"\W+", "-", re.sub(r"[0-9a-f-]{36}", "x", path)).strip("-")[:60] or "home"
        page.screenshot(path=str(Path(SHOTS) / f"{name}-{width}-{scheme}.png"), full_page=True)
    violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
    return found + [
        f"{path} ({scheme}, {width}): {violation['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for violation in serious
        for node in violation["nodes"][:3]
    ]


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_axe_finds_nothing_serious_on_any_page(page: Page, stranger: BrowserContext, ids: dict[str, str], scheme: str, width: int) -> None:
    outside = stranger.new_page()
    wrong = []
    for route in pages():
        by = outside if route.startswith(STRANGERS) else page
        wrong += wrong_with(by, address(route, ids), scheme, width)
    wrong += wrong_with(page, f"/questions/{ids['unfound_id']}/", scheme, width)
    assert len(pages()) > 15
    assert not wrong, "\n" + "\n".join(wrong)


def test_it_helps_with_the_keys_of_this_page_alone(page: Page, ids: dict[str, str]) -> None:
    page.goto(f"/questions/{ids['question_id']}/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("open that quote")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto("/jobs/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("search")
    expect(page.get_by_role("dialog")).not_to_contain_text("open that quote")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("s")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_a_key_pressed_while_the_help_closes_reaches_the_page(page: Page) -> None:
    """A closed dialog is removed a moment later; until then its button still has the focus."""
    page.goto("/jobs/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("search")
    page.evaluate("""() => {
        const button = document.querySelector("dialog button");
        button.closest("dialog").close();
        button.dispatchEvent(new KeyboardEvent("keydown", {key: "s", bubbles: true}));
    }""")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_it_keeps_the_chosen_appearance(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/account/")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    menu = page.locator("details.self")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(menu.get_by_role("button", name="Auto")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(menu.locator("summary")).to_be_focused()
    expect(menu).not_to_have_attribute("open", "")
    page.keyboard.press("Enter")
    menu.get_by_role("button", name="Dark").click()
    expect(page).to_have_url(re.compile("/account/$"))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    menu.locator("summary").click()
    menu.get_by_role("button", name="Auto").click()
    page.wait_for_load_state()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == before


def test_the_dashboard_needs_no_reload(page: Page, ids: dict[str, str]) -> None:
    page.goto("/dashboard/")
    expect(page.locator(".worker.dead")).to_contain_text("ingest@elsewhere")
    page.evaluate("window.notReloaded = true")
    page.locator("details[id^=left-] summary").first.click()
    page.wait_for_timeout(4000)
    expect(page.get_by_role("region", name="Engine")).to_contain_text(re.compile("smollm|model"), timeout=60_000)
    expect(page.locator("details[id^=left-]").first).not_to_have_attribute("open", "")
    assert page.evaluate("window.notReloaded")


def test_every_page_works_without_script(browser: Browser, signed_in: BrowserContext, longread: Longread, ids: dict[str, str]) -> None:
    context = browser.new_context(base_url=longread.address, java_script_enabled=False, storage_state=signed_in.storage_state())
    page = context.new_page()
    page.goto(f"/sweeps/{ids['sweep_id']}/")
    cell = page.locator("#cell-0-0")
    cell.get_by_text("Change the verdict").click()
    cell.get_by_role("button", name="Confirm").click()
    expect(page.locator("#cell-0-0 .verdict")).to_contain_text("confirmed")
    page.goto("/dashboard/")
    expect(page.get_by_role("heading", name="Workers")).to_be_visible()
    context.close()
