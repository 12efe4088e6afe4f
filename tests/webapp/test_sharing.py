"""Sharing a collection with somebody who has an account, and one answer with somebody who has none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from webapp.accounts.models import User
from webapp.ask.models import Answer, AnswerState, Citation, Question
from webapp.library.models import Collection, Document, Membership
from webapp.library.selectors import document_detail
from webapp.sharing.models import AnswerLink

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


@pytest.fixture
def answer(collection: Collection, alice: User) -> Answer:
    question = Question.objects.create(collection=collection, owner=alice, text=f"How much {EVIL}?")
    answer = Answer.objects.create(
        question=question, state=AnswerState.DONE, text=f"90 days {EVIL}", found=True, located=[{"text": "secret"}]
    )
    document = Document.objects.create(collection=collection, name="lease.txt", path="private/lease.txt", sha256="0" * 64)
    places = {"document_name": "lease.txt", "document_path": "private/lease.txt", "start_char": 1, "end_char": 8}
    Citation.objects.create(answer=answer, number=1, document=document, quote=f"ninety {EVIL}", verified=True, **places)
    return answer


@pytest.mark.parametrize(("text", "named"), [("ninety", [1]), ("90 days", [1, 2]), ("90 days [2]", [1])])
def test_a_link_tells_what_an_answer_rests_on_from_what_may_answer_too(
    browser: Client, answer: Answer, text: str, named: list[int]
) -> None:
    Answer.objects.update(text=text)
    places = {"document_name": "lease.txt", "document_path": "private/lease.txt", "start_char": 20, "end_char": 28}
    Citation.objects.create(answer=answer, number=2, quote="sixty, if both agree", verified=True, **places)
    page = Client().get(new_link(browser, answer)).content.decode()
    said = page.split('<p class="answer-text">')[1].split("</p>")[0]
    assert [number for number in (1, 2) if f'href="#quote-{number}"' in said] == named
    assert ("May answer too" in page) == (text == "ninety")
    assert page.index("ninety &lt;script&gt;") < page.index("sixty, if both agree")


def share(browser: Client, collection: Collection, username: str, may_change: str = "no") -> str:
    form = {"username": username, "may_change": may_change}
    return browser.post(reverse("library-members", args=[collection.id]), form, follow=True).content.decode()


def new_link(browser: Client, answer: Answer) -> str:
    """The path of a link that was just made."""
    shown = browser.post(reverse("sharing-links", args=[answer.id]), {"days": "7"}).content.decode()
    return shown.split('class="token-shown">http://testserver')[1].split("<")[0]


def test_it_shares_a_collection_to_read_then_to_change_and_takes_it_back(browser: Client, collection: Collection, bob: User) -> None:
    assert "bob may now read and ask" in share(browser, collection, " Bob ")
    other = signed_in(bob)
    page = other.get(reverse("library-collection", args=[collection.id])).content.decode()
    assert "Shared by alice" in page
    assert "Add documents" not in page
    assert "shared by alice" in other.get("/").content.decode()
    assert "bob may now read, ask and change" in share(browser, collection, "bob", "yes")
    assert "Add documents" in other.get(reverse("library-collection", args=[collection.id])).content.decode()
    (member,) = Membership.objects.all()
    browser.post(reverse("library-member-remove", args=[collection.id, member.id]))
    assert other.get(reverse("library-collection", args=[collection.id])).status_code == 404


def test_it_shares_with_nobody_who_is_not_there(browser: Client, collection: Collection, bob: User) -> None:
    User.objects.filter(id=bob.id).update(is_active=False)
    for name in ("nobody", "bob", "alice", EVIL):
        assert "message error" in share(browser, collection, name)
    assert not Membership.objects.exists()


def test_it_says_whom_to_ask_for_more(browser: Client, collection: Collection, bob: User) -> None:
    share(browser, collection, "bob")
    refused = signed_in(bob).post(reverse("upload-files", args=[collection.id]))
    assert (refused.status_code, "Ask alice" in refused.content.decode()) == (403, True)


def test_it_lets_a_member_leave(browser: Client, collection: Collection, bob: User) -> None:
    share(browser, collection, "bob")
    signed_in(bob).post(reverse("library-leave", args=[collection.id]))
    assert not Membership.objects.exists()


def test_it_keeps_the_owners_salt_whoever_asks(browser: Client, collection: Collection, bob: User, answer: Answer) -> None:
    share(browser, collection, "bob", "yes")
    row = document_detail(user=bob, document_id=Document.objects.get().id)
    assert row.collection.owner.salt == collection.owner.salt != bob.salt


def test_it_shows_one_answer_and_nothing_else_to_whoever_has_the_link(browser: Client, answer: Answer, alice: User) -> None:
    response = Client().get(new_link(browser, answer))
    page = response.content.decode()
    assert response.status_code == 200
    assert "90 days" in page
    assert "ninety" in page
    assert not [hidden for hidden in (EVIL, "private/", "secret", "alice", "Contracts", "/documents/", "/collections/") if hidden in page]
    assert (response["Referrer-Policy"], response["X-Robots-Tag"], response["Cache-Control"]) == (
        "no-referrer",
        "noindex",
        "private, no-store",
    )


def test_it_keeps_no_link_that_could_be_used(browser: Client, answer: Answer) -> None:
    token = new_link(browser, answer).split("/")[2]
    row = AnswerLink.objects.get()
    assert token not in (row.digest, row.prefix)
    assert token not in browser.get(reverse("sharing-links", args=[answer.id])).content.decode()


def test_it_opens_nothing_by_a_forged_expired_or_revoked_link(browser: Client, answer: Answer) -> None:
    address = new_link(browser, answer)
    assert Client().get(address[:-2] + ("x/" if address[-2] != "x" else "y/")).status_code == 404
    AnswerLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Client().get(address).status_code == 404
    AnswerLink.objects.update(expires_at=timezone.now() + timedelta(days=1))
    assert Client().get(address).status_code == 200
    browser.post(reverse("sharing-revoke", args=[AnswerLink.objects.get().id]))
    assert Client().get(address).status_code == 404


@pytest.mark.parametrize("lost", ["membership", "account"])
def test_it_opens_nothing_once_its_maker_may_no_longer_show_it(
    browser: Client, collection: Collection, answer: Answer, bob: User, lost: str
) -> None:
    share(browser, collection, "bob", "yes")
    address = new_link(signed_in(bob), answer)
    assert Client().get(address).status_code == 200
    if lost == "membership":
        share(browser, collection, "bob", "no")
    else:
        User.objects.filter(id=bob.id).update(is_active=False)
    assert Client().get(address).status_code == 404
