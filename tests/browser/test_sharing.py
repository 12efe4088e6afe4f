"""Others come in: a collection shared to read or to change, as they see it, and a link to one answer for people without an account."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looks import looks
from tests.browser.rows import Rows
from tests.browser.test_whole_way import new_collection, upload

pytestmark = [pytest.mark.browser, pytest.mark.weights]

LEASE = {"name": "lease.txt", "mimeType": "text/plain"}


def shelf(page: Page, name: str) -> str:
    """A collection of Alice's with one document that can be read; its address."""
    new_collection(page, name)
    address = page.url
    upload(page, LEASE | {"buffer": f"The rent of {name} is 900 euros.".encode()})
    page.get_by_role("link", name="lease.txt", exact=True).wait_for(timeout=60_000)
    return address


def share(page: Page, name: str, what: str) -> None:
    page.get_by_label("The name with which they sign in").fill(name)
    page.get_by_label(what).check()
    page.get_by_role("button", name="Share the collection").click()


def test_a_reader_reads_and_asks_and_changes_nothing(page: Page, visit: Callable[..., Page]) -> None:
    rita = visit("rita")
    address = shelf(page, "Lent to Rita")
    assert rita.goto(address).status == 404  # type: ignore[union-attr]
    page.get_by_text("Share, rename or delete").click()
    page.get_by_role("link", name="Share this collection…").click()
    share(page, "nobody", "Read and ask")
    expect(page.locator(".messages")).to_contain_text("There is no account “nobody”. Type the name with which the person signs in.")
    share(page, "rita", "Read and ask")
    expect(page.locator(".messages")).to_contain_text("rita may now read and ask “Lent to Rita”.")
    expect(page.get_by_role("listitem").filter(has_text="rita")).to_contain_text("reads and asks")
    looks(page, "members")

    rita.goto("/")
    rita.get_by_role("link", name=re.compile("Lent to Rita.*shared by alice")).click()
    expect(rita.get_by_text("Shared by alice: you may read it and ask.")).to_be_visible()
    expect(rita.get_by_label("What do you want to know?")).to_be_visible()
    for offered in (rita.locator("input[type=file]"), rita.get_by_text("Share, rename or delete"), rita.get_by_role("link", name="Delete")):
        expect(offered).to_have_count(0)
    looks(rita, "shared-collection")
    rita.get_by_role("link", name="lease.txt", exact=True).click()
    expect(rita.locator(".lines")).to_contain_text("The rent of Lent to Rita is 900 euros.")
    rita.goto(f"{address}members")
    expect(rita.get_by_role("heading", name="This is not yours to do.")).to_be_visible()
    expect(rita.get_by_text("Only alice, whose collection this is, may do that.")).to_be_visible()
    rita.goto(address)
    rita.get_by_role("button", name="Leave it").click()
    expect(rita.locator(".messages")).to_contain_text("“Lent to Rita” is no longer shared with you.")


def test_a_writer_adds_and_deletes_until_it_is_no_longer_shared(page: Page, visit: Callable[..., Page]) -> None:
    walt = visit("walt")
    address = shelf(page, "Lent to Walt")
    page.goto(f"{address}members")
    share(page, "walt", "Change it too")
    expect(page.locator(".messages")).to_contain_text("walt may now read, ask and change “Lent to Walt”.")

    walt.goto(address)
    expect(walt.get_by_text("Shared by alice: you may read, ask and change it.")).to_be_visible()
    upload(walt, LEASE | {"name": "annex.txt", "buffer": b"The cellar is included."})
    walt.get_by_role("link", name="annex.txt", exact=True).wait_for(timeout=60_000)
    walt.get_by_role("link", name="Delete lease.txt").click()
    walt.get_by_role("button", name="Delete the document").click()
    expect(walt.locator(".messages")).to_contain_text("“lease.txt” is deleted.")

    page.goto(address)
    expect(page.get_by_role("link", name="annex.txt", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="lease.txt", exact=True)).to_have_count(0)
    page.goto(f"{address}members")
    page.get_by_role("button", name="Let only read").click()
    walt.goto(address)
    expect(walt.locator("input[type=file]")).to_have_count(0)
    page.get_by_role("button", name="Stop sharing with walt").click()
    expect(page.locator(".messages")).to_contain_text("no longer shared with walt")
    assert walt.goto(address).status == 404  # type: ignore[union-attr]
    expect(walt.get_by_role("heading", name="There is nothing here.")).to_be_visible()


def test_a_link_shows_one_answer_until_it_expires_or_is_revoked(page: Page, visit: Callable[..., Page], rows: Rows) -> None:
    shelf(page, "One answer")
    answer = rows("answered", collection="One answer")
    page.goto(f"/questions/{answer['question_id']}/")
    page.get_by_role("link", name="Share this answer…").click()
    page.get_by_label("It expires after").select_option("1")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator(".token-shown").inner_text()
    looks(page, "links")

    stranger = visit()
    stranger.goto(link)
    expect(stranger).to_have_title("How much notice is needed? · Longread")
    expect(stranger.get_by_role("heading", name="How much notice is needed?")).to_be_visible()
    expect(stranger.get_by_role("listitem")).to_contain_text("ninety (90) days")
    for hidden in ("alice", "One answer"):
        assert hidden not in stranger.content()
    assert [way.get_attribute("href") for way in stranger.get_by_role("link").all()] == ["#quote-1"]
    looks(stranger, "shared-answer")

    page.goto(page.url)
    expect(page.get_by_text("last opened")).to_be_visible()
    rows("expire", shared=link.rstrip("/").rpartition("/")[2])
    assert stranger.goto(link).status == 404  # type: ignore[union-attr]
    expect(stranger.get_by_role("heading", name="There is nothing here.")).to_be_visible()

    page.goto(page.url)
    page.get_by_role("button", name="Make a link").click()
    again = page.locator(".token-shown").inner_text()
    stranger.goto(again)
    expect(stranger.get_by_role("listitem")).to_contain_text("ninety (90) days")
    page.get_by_role("button", name="Revoke the link").last.click()
    page.get_by_role("button", name="Revoke the link").first.click()
    expect(page.get_by_role("heading", name="Links that work")).to_have_count(0)
    assert stranger.goto(again).status == 404  # type: ignore[union-attr]
