"""People: the first account is the operator's; others come by invitation, get a role and lose it, a new password, and their sessions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looks import looks

pytestmark = [pytest.mark.browser, pytest.mark.weights]

FIRST, SECOND = "a bridge over the canal", "two bridges over the canal"


def sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def person(page: Page, name: str) -> Page:
    """The person's row in the list of people."""
    return page.locator(".people .row", has_text=name)  # type: ignore[return-value]


def test_somebody_is_invited_gets_the_role_and_loses_the_account(page: Page, visit: Callable[..., Page]) -> None:
    page.goto("/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="People").click()
    expect(person(page, "alice")).to_contain_text("operator")
    page.get_by_label("For whom?").fill("Carol of the archive")
    page.get_by_role("button", name="Make an invitation").click()
    invitation = page.locator(".token-shown").inner_text()
    looks(page, "people")

    carol = visit()
    carol.goto(invitation)
    expect(carol.get_by_role("heading", name="alice invites you to Longread.")).to_be_visible()
    carol.get_by_label("Username").fill("carol")
    carol.get_by_label("Password", exact=True).fill("short")
    carol.get_by_label("Password confirmation").fill("shorter")
    carol.get_by_role("button", name="Make my account").click()
    expect(carol.get_by_label("Password confirmation")).to_have_attribute("aria-invalid", "true")
    expect(carol.get_by_label("Username")).to_have_value("carol")
    looks(carol, "join-refused")
    carol.get_by_label("Password", exact=True).fill(FIRST)
    carol.get_by_label("Password confirmation").fill(FIRST)
    carol.get_by_role("button", name="Make my account").click()
    expect(carol.get_by_role("heading", name="What have you got to read?")).to_be_visible()
    expect(carol.get_by_role("link", name="Dashboard")).to_have_count(0)
    assert visit().goto(invitation).status == 404, "an invitation works once"

    page.goto("/people/")
    person(page, "carol").get_by_role("button", name="Make carol an operator").click()
    expect(person(page, "carol")).to_contain_text("operator")
    carol.goto("/dashboard/")
    expect(carol.get_by_role("heading", name="Workers")).to_be_visible()
    person(page, "carol").get_by_role("button", name="Make carol a user").click()
    expect(person(page, "carol").get_by_text("user ·")).to_be_visible()
    assert carol.goto("/dashboard/").status == 404  # type: ignore[union-attr]
    person(page, "carol").get_by_role("button", name="Switch carol off").click()
    expect(person(page, "carol")).to_contain_text("switched off")
    carol.goto("/")
    expect(carol.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_operator_hands_out_a_new_password_and_sessions_end(page: Page, visit: Callable[..., Page]) -> None:
    dora, elsewhere, third = visit("dora"), visit(), visit()
    page.goto("/people/")
    person(page, "dora").get_by_role("button", name="Link to a new password for dora").click()
    link = page.locator(".token-shown").inner_text()
    elsewhere.goto(link)
    elsewhere.get_by_label("New password", exact=True).fill(SECOND)
    elsewhere.get_by_label("New password confirmation").fill(SECOND)
    elsewhere.get_by_role("button", name="Set the password").click()
    expect(elsewhere.get_by_role("button", name="Sign in")).to_be_visible()
    third.goto(link)
    expect(third.get_by_role("heading", name="This link no longer works.")).to_be_visible()

    sign_in(elsewhere, "dora", FIRST)
    expect(elsewhere.locator(".error")).to_contain_text("correct username and password")
    looks(elsewhere, "login-refused")
    sign_in(elsewhere, "dora", SECOND)
    expect(elsewhere.get_by_role("heading", name="What have you got to read?")).to_be_visible()
    sign_in(third, "dora", SECOND)
    third.get_by_role("heading", name="What have you got to read?").wait_for()
    dora.goto("/")
    expect(dora.get_by_role("heading", name="Sign in")).to_be_visible()

    elsewhere.goto("/account/")
    sessions = elsewhere.get_by_role("region", name="Where you are signed in").get_by_role("listitem")
    expect(sessions).to_have_count(2)
    expect(sessions.filter(has_text="this one")).to_contain_text("Chrome on Linux")
    looks(elsewhere, "account")
    sessions.filter(has_not_text="this one").get_by_role("button").click()
    expect(elsewhere.locator(".messages")).to_contain_text("That browser is signed out.")
    expect(sessions).to_have_count(1)
    third.goto("/account/")
    expect(third.get_by_role("heading", name="Sign in")).to_be_visible()
