"""The machine's Chromium. Without one the tests that need it are left out, and say so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.missing import missing

# A page waits for what it expects, which on a busy machine takes longer than the five seconds that it has by itself.
expect.set_options(timeout=15_000)

# No request of the browser's own leaves the machine; root, as in containers, has no sandbox.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """While it is open an event loop is running, beside which no test of async code could run one."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing("there is no Chromium on this machine (on Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


def opened(browser: Browser, address: str, session: str = "", **options: object) -> BrowserContext:
    """A person's browser: signed in, where it has the key of a session."""
    context = browser.new_context(**{"base_url": address, "viewport": {"width": 1280, "height": 900}} | options)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    if session:
        context.add_cookies([{"name": "sessionid", "value": session, "url": address}])
    return context
