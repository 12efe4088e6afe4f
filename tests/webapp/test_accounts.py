"""Accounts: invited, changed and switched off by operators; passwords reset; sessions seen and ended; guesses limited."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from unittest.mock import patch

import pytest
import redis
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from webapp.accounts import signing_in
from webapp.accounts.models import ApiToken, Invitation, SignIn, User
from webapp.core import counting

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker")]

PASSWORD = "correct horse battery"
NEW = "a long reading room"
EVIL = "<script>alert(1)</script>"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def try_to(client: Client, username: str, password: str = "wrong", **headers: str) -> int:
    return client.post("/login/", {"username": username, "password": password}, **headers).status_code  # type: ignore[arg-type]


def link_on(page: bytes) -> str:
    """The path of the link that the page shows once."""
    found = re.search(r'token-shown">http://testserver([^<]+)<', page.decode())
    assert found
    return found[1]


@pytest.fixture
def operator(staff: User) -> Client:
    return signed_in(staff)


def invite(operator: Client, role: str = "user") -> str:
    return link_on(operator.post(reverse("accounts-invite"), {"note": f"Ada {EVIL}", "role": role}).content)


@pytest.mark.parametrize("role", ["user", "operator"])
def test_it_lets_one_invited_person_in_once(operator: Client, role: str) -> None:
    link, ada = invite(operator, role), Client()
    form = {"username": "ada", "email": "ada@example.org", "password1": NEW, "password2": NEW}
    assert ada.get(link).status_code == 200
    assert ada.post(link, form)["Location"] == "/"
    user = User.objects.get(username="ada")
    assert (user.is_staff, user.is_superuser, user.email) == (role == "operator", role == "operator", "ada@example.org")
    assert ada.get("/").status_code == 200
    assert Client().post(link, {**form, "username": "eve"}).status_code == 404
    assert not User.objects.filter(username="eve").exists()


def test_it_keeps_no_invitation_that_could_be_used_and_none_that_is_old_or_taken_back(operator: Client, staff: User) -> None:
    link = invite(operator)
    row = Invitation.objects.get()
    assert link.split("/")[2] not in (row.digest, row.prefix)
    page = operator.get(reverse("accounts-people")).content.decode()
    assert EVIL not in page
    assert row.prefix in page
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Client().get(link).status_code == 404
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
    User.objects.filter(id=staff.id).update(is_staff=False)
    assert Client().get(link).status_code == 404
    User.objects.filter(id=staff.id).update(is_staff=True)
    operator.post(reverse("accounts-uninvite", args=[row.id]))
    assert Client().get(link).status_code == 404


def test_it_refuses_a_weak_password_and_a_name_that_is_taken(operator: Client, alice: User) -> None:
    link = invite(operator)
    for name, password in (("ada", "short"), ("alice", NEW), ("ada", "password1234")):
        assert Client().post(link, {"username": name, "password1": password, "password2": password}).status_code == 200
    assert User.objects.count() == 2


def test_it_gives_and_takes_the_role_and_switches_off_and_on(operator: Client, bob: User) -> None:
    session = signed_in(bob)
    address = reverse("accounts-change", args=[bob.id])
    for do, expected in (("operator", (True, True)), ("user", (False, True)), ("off", (False, False)), ("on", (False, True))):
        operator.post(address, {"do": do})
        bob.refresh_from_db()
        assert (bob.is_staff, bob.is_active) == expected
        if do == "off":
            assert session.get("/").status_code == 302
    operator.post(address, {"do": EVIL})
    assert session.get("/").status_code == 302


def test_it_lets_no_operator_lock_themselves_out(operator: Client, staff: User) -> None:
    for do in ("user", "off"):
        page = operator.post(reverse("accounts-change", args=[staff.id]), {"do": do}, follow=True).content.decode()
        assert "your own account" in page
    staff.refresh_from_db()
    assert (staff.is_staff, staff.is_active) == (True, True)


def test_it_gives_a_link_to_a_new_password_that_works_once_and_ends_every_session(operator: Client, bob: User) -> None:
    session, somebody = signed_in(bob), Client()
    link = link_on(operator.post(reverse("accounts-change", args=[bob.id]), {"do": "reset"}).content)
    page = somebody.get(link, follow=True)
    address = page.redirect_chain[-1][0]
    assert page["Referrer-Policy"] == "same-origin", "a browser's form comes from this site, and not from nowhere"
    assert link.rstrip("/").rpartition("/")[2] not in address
    assert somebody.post(address, {"new_password1": NEW, "new_password2": NEW})["Location"] == "/login/"
    assert try_to(Client(), "bob", NEW) == 302
    assert try_to(Client(), "bob", PASSWORD) == 200
    assert session.get("/").status_code == 302
    assert "no longer works" in Client().get(link, follow=True).content.decode()


def test_it_forgets_a_link_to_a_new_password_after_a_day(operator: Client, bob: User, settings: Settings) -> None:
    link = link_on(operator.post(reverse("accounts-change", args=[bob.id]), {"do": "reset"}).content)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "no longer works" in Client().get(link, follow=True).content.decode()


def test_it_mails_a_link_where_there_is_a_mail_server_and_says_the_same_to_everybody(bob: User, settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    User.objects.filter(id=bob.id).update(email="bob@example.org")
    pages = [Client().post("/forgotten/", {"email": address}, follow=True) for address in ("bob@example.org", "eve@example.org")]
    assert "on its way" in pages[0].content.decode()
    assert [page.redirect_chain for page in pages] == [[("/login/", 302)]] * 2
    (sent,) = mail.outbox
    assert sent.to == ["bob@example.org"]
    path = re.search(r"http://testserver(\S+)", str(sent.body))
    assert path
    assert (sent.subject, "once and within a day" in str(sent.body)) == ("A new password for Longread", True)
    somebody = Client()
    page = somebody.get(path[1], follow=True)
    assert "Your new password" in page.content.decode()
    somebody.post(page.redirect_chain[-1][0], {"new_password1": NEW, "new_password2": NEW})
    assert (try_to(Client(), "bob", NEW), try_to(Client(), "bob", PASSWORD)) == (302, 200)
    assert "no longer works" in Client().get(path[1], follow=True).content.decode()


def test_it_mails_nothing_to_whom_is_switched_off(bob: User, settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    User.objects.filter(id=bob.id).update(email="bob@example.org", is_active=False)
    Client().post("/forgotten/", {"email": "bob@example.org"})
    assert not mail.outbox


def test_it_limits_how_many_links_are_mailed(settings: Settings, db: None) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    statuses = [Client().post("/forgotten/", {"email": "bob@example.org"}).status_code for _ in range(6)]
    assert statuses == [302] * 5 + [429]


def test_it_says_whom_to_ask_where_no_mail_is_sent(db: None) -> None:
    assert "Ask whoever runs it" in Client().post("/forgotten/", {"email": "a@example.org"}).content.decode()
    assert not mail.outbox


def test_it_lists_sessions_and_ends_one_and_all_others(alice: User) -> None:
    agents = [f"Mozilla/5.0 (X11; Linux) {name}/1 {EVIL}" for name in ("Firefox", "Chrome", "Opera")]
    here, there, elsewhere = (Client(headers={"user-agent": agent}) for agent in agents)
    for client in (here, there, elsewhere):
        assert try_to(client, "alice", PASSWORD) == 302
    page = here.get("/account/").content.decode()
    assert ("Firefox on Linux" in page, "Chrome on Linux" in page, EVIL in page) == (True, True, False)
    there_row = SignIn.objects.get(browser__contains="Chrome")
    here.post(reverse("accounts-session-end", args=[there_row.id]))
    assert [client.get("/").status_code for client in (here, there, elsewhere)] == [200, 302, 200]
    here.post(reverse("accounts-sessions-end"))
    assert [client.get("/").status_code for client in (here, elsewhere)] == [200, 302]
    here.post("/logout/")
    assert not SignIn.objects.exists()


def test_it_signs_other_browsers_out_with_a_new_password(alice: User) -> None:
    here, there = signed_in(alice), signed_in(alice)
    here.post(reverse("accounts-password"), {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW})
    assert [client.get("/").status_code for client in (here, there)] == [200, 302]
    assert here.get("/account/").content.decode().count("this one") == 1
    assert SignIn.objects.count() == 1


def test_it_limits_guesses_by_account_and_address_and_says_how_long(alice: User, bob: User) -> None:
    client = Client()
    statuses = [try_to(client, "alice") for _ in range(signing_in.MOST_OF_BOTH + 1)]
    assert statuses == [200] * signing_in.MOST_OF_BOTH + [429]
    refused = client.post("/login/", {"username": "Alice ", "password": PASSWORD})
    assert (refused.status_code, int(refused["Retry-After"]) > 0) == (429, True)
    assert "Too many failed attempts. Wait" in refused.content.decode()
    assert try_to(client, "bob", PASSWORD) == 302
    assert try_to(Client(), "alice", PASSWORD, REMOTE_ADDR="192.0.2.7") == 302


def test_it_limits_guesses_at_the_admins_own_door_too(staff: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in, "MOST_OF_BOTH", 2)
    door = {"username": "olga", "password": "wrong"}
    for _ in range(2):
        Client().post("/admin/login/", door)
    assert Client().post("/admin/login/", {**door, "password": PASSWORD}).status_code == 200


def test_it_limits_guesses_from_one_address_at_many_accounts(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in, "MOST_OF_ADDRESS", 3)
    User.objects.create_user("ada", password=PASSWORD)
    assert [try_to(Client(), f"name{number}") for number in range(4)] == [200, 200, 200, 429]
    assert try_to(Client(), "ada", PASSWORD) == 429


def test_it_forgets_failures_once_the_password_is_right(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in, "MOST_OF_BOTH", 3)
    client = Client()
    for _ in range(2):
        assert [try_to(client, "alice"), try_to(client, "alice"), try_to(client, "alice", PASSWORD)] == [200, 200, 302]
        client.post("/logout/")


def test_it_signs_in_without_a_broker(alice: User) -> None:
    with patch.object(counting, "broker", side_effect=redis.ConnectionError):
        assert try_to(Client(), "alice", PASSWORD) == 302


def test_it_makes_tokens_with_a_scope_and_an_end(alice: User) -> None:
    page = signed_in(alice).post(reverse("accounts-token-create"), {"name": "cron", "scope": "read", "days": "30"}).content.decode()
    row = ApiToken.objects.get()
    assert (row.scope, row.expires_at is not None, "read only" in page) == ("read", True, True)


def test_it_prints_a_token_on_the_command_line(alice: User) -> None:
    out = StringIO()
    call_command("api_token", "alice", "--scope", "read", "--days", "2", stdout=out)
    token = out.getvalue().strip()
    assert Client(headers={"authorization": f"Bearer {token}"}).get("/api/v1/collections").status_code == 200
    for wrong in (["nobody"], ["alice", "--days", "-1"]):
        with pytest.raises(CommandError):
            call_command("api_token", *wrong, stdout=out)


def test_the_title_says_that_a_form_was_not_accepted(operator: Client) -> None:
    """Who cannot see the page hears its title first."""
    assert b"<title>Sign in" in Client().get("/login/").content
    assert b"<title>Error: Sign in" in Client().post("/login/", {"username": "olga", "password": "wrong"}).content
    account = reverse("accounts-account")
    assert b"<title>Error:" not in operator.get(account).content
    assert b"<title>Error:" in operator.post(f"{account}email", {"email": "nobody"}).content
