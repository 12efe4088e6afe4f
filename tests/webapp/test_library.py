"""Finding, sorting, renaming, moving, reading again; what is said before a deletion; and which files are there twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from engine.cache.keys import document_key
from engine.cache.store import ChunkStore
from engine.lexical import LexicalIndex
from tests.webapp.terms import terms_document
from webapp.accounts.models import User
from webapp.core.model_files import lexical_path
from webapp.jobs.models import Job, JobKind, JobState
from webapp.library.models import Collection, Document, DocumentState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker")]

EVIL = "<script>alert(1)</script>"
Make = Callable[..., Document]


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def make(collection: Collection) -> Make:
    def document(name: str, **fields: Any) -> Document:
        known = {"collection": collection, "path": name, "state": DocumentState.READY, "sha256": uuid4().hex, "size_bytes": 1}
        return Document.objects.create(name=name, **{**known, **fields})

    return document


def listing(page: str) -> str:
    """The part of a page that lists documents; the whole page where there is none."""
    assert EVIL not in page
    return page.partition('<section id="documents"')[2] or page


def shown(browser: Client, address: str, *names: str, **query: str) -> list[str]:
    """Those of the names that the page lists, in its order."""
    text = listing(browser.get(address, query, follow=True).content.decode())
    return sorted((name for name in names if f">{name}<" in text), key=lambda name: text.index(f">{name}<"))


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", ["a.txt", "b.txt", "c.txt"]),
        ("name", ["a.txt", "b.txt", "c.txt"]),
        ("newest", ["b.txt", "a.txt", "c.txt"]),
        ("size", ["c.txt", "b.txt", "a.txt"]),
        ("tokens", ["b.txt", "c.txt", "a.txt"]),
        ("state", ["b.txt", "a.txt", "c.txt"]),
        ("owner__password", ["a.txt", "b.txt", "c.txt"]),
    ],
)
def test_it_sorts_documents(browser: Client, collection: Collection, make: Make, sort: str, expected: list[str]) -> None:
    make("c.txt", size_bytes=9, token_count=5)
    make("a.txt", size_bytes=1, state=DocumentState.READING)
    make("b.txt", size_bytes=5, token_count=9, state=DocumentState.FAILED)
    names = ("a.txt", "b.txt", "c.txt")
    found = shown(browser, reverse("library-collection", args=[collection.id]), *names, sort=sort)
    assert found == expected


def test_it_finds_documents_by_part_of_their_name_and_files_inside_archives(browser: Client, collection: Collection, make: Make) -> None:
    make("lease.txt")
    archive = make("code.zip", is_archive=True)
    make("lease_test.py", path="code.zip/lease_test.py", archive=archive)
    page = listing(browser.get(reverse("library-collection", args=[collection.id]), {"find": "LEASE"}).content.decode())
    assert ("lease.txt" in page, "lease_test.py" in page, ">code.zip<" in page) == (True, True, False)
    nothing = browser.get(reverse("library-collection", args=[collection.id]), {"find": EVIL}).content.decode()
    assert "No document has" in nothing
    assert EVIL not in nothing


def test_it_keeps_the_search_while_documents_are_read(browser: Client, collection: Collection, make: Make) -> None:
    make("a.txt", state=DocumentState.PARSING)
    page = browser.get(reverse("library-collection", args=[collection.id]), {"find": "a&b", "sort": "size"}).content.decode()
    assert "?documents=1&amp;find=a%26b&amp;sort=size" in page


def test_it_finds_and_sorts_collections(browser: Client, alice: User, make: Make) -> None:
    make("a.txt", token_count=5)
    novels = Collection.objects.create(owner=alice, name="Novels")
    make("b.txt", collection=novels, token_count=9)
    assert shown(browser, "/", "Contracts", "Novels") == ["Contracts", "Novels"]
    assert shown(browser, "/", "Contracts", "Novels", sort="tokens") == ["Novels", "Contracts"]
    assert shown(browser, "/", "Contracts", "Novels", find="nov") == ["Novels"]
    assert "No collection has" in browser.get("/", {"find": "x"}).content.decode()


def test_it_renames_a_document_and_keeps_its_ending(browser: Client, make: Make) -> None:
    document = make("lease.txt")
    for name, kept in (("Lease 2024", "Lease 2024.txt"), ("B.TXT", "B.TXT"), ("  ", "B.TXT"), ("x" * 300, "B.TXT")):
        browser.post(reverse("library-document-rename", args=[document.id]), {"name": name})
        document.refresh_from_db()
        assert (document.name, document.path) == (kept, kept)


def test_it_renames_an_archive_with_its_files_and_no_file_of_it_alone(browser: Client, make: Make) -> None:
    archive = make("code.zip", is_archive=True)
    member = make("a.py", path="code.zip/src/a.py", archive=archive)
    browser.post(reverse("library-document-rename", args=[archive.id]), {"name": "tools"})
    browser.post(reverse("library-document-rename", args=[member.id]), {"name": "b.py"})
    member.refresh_from_db()
    assert (member.name, member.path) == ("a.py", "tools.zip/src/a.py")


@pytest.mark.weights
def test_it_moves_a_document_with_its_words_and_reads_nothing_again(
    browser: Client, alice: User, collection: Collection, django_capture_on_commit_callbacks: Any
) -> None:
    document = terms_document(collection)
    target = Collection.objects.create(owner=alice, name="Elsewhere")
    with django_capture_on_commit_callbacks(execute=True):
        browser.post(reverse("library-document-move", args=[document.id]), {"collection": target.id})
    document.refresh_from_db()
    assert (document.collection, document.state) == (target, DocumentState.PARSED)
    assert not Job.objects.exists()
    assert [hit.document for hit in LexicalIndex(lexical_path(target.id)).search("notice", None, 5)] == [str(document.id)]
    assert not LexicalIndex(lexical_path(collection.id)).search("notice", None, 5)


def test_it_moves_nothing_to_somebody_elses_collection_nor_while_it_is_parsed(browser: Client, alice: User, bob: User, make: Make) -> None:
    document, own = make("a.txt", state=DocumentState.PARSING), Collection.objects.create(owner=alice, name="Own")
    move = reverse("library-document-move", args=[document.id])
    assert browser.post(move, {"collection": Collection.objects.create(owner=bob, name="Bob's").id}).status_code == 404
    for wanted in (own.id, "", "x"):
        assert "message error" in browser.post(move, {"collection": wanted}, follow=True).content.decode()
    document.refresh_from_db()
    assert document.collection != own


def test_it_reads_a_document_again_and_gives_up_what_was_read_ahead(browser: Client, alice: User, make: Make) -> None:
    document = make("a.txt", state=DocumentState.READING)
    ahead = Job.objects.create(owner=alice, document=document, kind=JobKind.PREFILL, state=JobState.QUEUED)
    for _ in range(2):
        browser.post(reverse("upload-retry", args=[document.id]))
    document.refresh_from_db()
    ahead.refresh_from_db()
    assert (document.state, ahead.state) == (DocumentState.UPLOADED, JobState.CANCELLED)
    assert document.jobs.filter(kind=JobKind.PARSE, state=JobState.QUEUED).count() == 1


def test_it_points_out_the_same_file_in_this_collection_and_in_others(browser: Client, alice: User, bob: User, make: Make) -> None:
    document = make("a.txt", sha256="1" * 64)
    make("copy.txt", sha256="1" * 64)
    make("far.txt", sha256="1" * 64, collection=Collection.objects.create(owner=alice, name="Old"))
    make("foreign.txt", sha256="1" * 64, collection=Collection.objects.create(owner=bob, name="Bob's"))
    make("other.txt")
    listed = browser.get(reverse("library-collection", args=[document.collection_id])).content.decode()
    about = browser.get(reverse("library-about", args=[document.id])).content.decode()
    for page in (listed, about):
        assert "foreign" not in page
        assert "far.txt</a>" in page
        assert "Old" in page
    assert "2 times more" in about
    assert listed.count("The same file as") == 2


def test_it_says_what_a_document_takes_and_what_deleting_it_frees(browser: Client, collection: Collection, make: Make) -> None:
    document, twin = make("a.txt", token_count=10, indexed_token_count=10, stored_token_count=4), make("b.txt")
    document.folder.parsed.folder.mkdir(parents=True)
    document.folder.original.write_bytes(b"x" * 2048)
    document.folder.parsed.text.write_bytes(b"x" * 1024)
    store = ChunkStore(settings.LONGREAD_STORE, budget_bytes=10**6)
    keys = [document_key(str(row.id), collection.owner.salt) for row in (document, twin)]
    for name in (b"k" * 32, b"l" * 32):
        store.put("state", name, b"x" * 5104)
    store.refer(keys[0], {"state": [b"k" * 32, b"l" * 32]})
    store.refer(keys[1], {"state": [b"k" * 32]})
    store.close()
    about = browser.get(reverse("library-about", args=[document.id])).content.decode()
    assert ("3.0\xa0KB" in about, "10 of 10 tokens indexed" in about) == (True, True)
    for name, row in (("library-document-delete", document), ("library-collection-delete", collection)):
        page = browser.get(reverse(name, args=[row.id])).content.decode()
        assert "3.0\xa0KB" in page
        assert ("kept for other documents" in page) == (row is document)


def test_an_archive_s_page_looks_at_none_of_its_files_until_it_is_asked_to(
    browser: Client, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make("repo.zip", is_archive=True, state=DocumentState.READY)
    queries, looked_at = [], Mock(side_effect=os.scandir)
    for number in range(12):
        member = make(f"repo.zip/{number}.py", archive=archive, size_bytes=1024)
        member.folder.parsed.folder.mkdir(parents=True)
        member.folder.parsed.text.write_bytes(b"x" * 2048)
        with CaptureQueriesContext(connection) as asked, monkeypatch.context() as patched:
            patched.setattr("os.scandir", looked_at)
            page = browser.get(reverse("library-about", args=[archive.id])).content.decode()
        queries.append(len(asked))
    assert queries[-1] == queries[0] < 15
    assert not [call for call in looked_at.call_args_list if str(settings.LONGREAD_DOCUMENTS) in str(call)]
    assert "12 files" in page
    assert "12.0\xa0KB unpacked" in page
    assert 'href="?sizes=1#sizes"' in page
    assert "24.0\xa0KB" in browser.get(reverse("library-about", args=[archive.id]), {"sizes": "1"}).content.decode()


def test_it_looks_for_twins_in_one_query(
    browser: Client, collection: Collection, make: Make, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        make(f"{number}.txt", sha256="1" * 64)
    with django_assert_max_num_queries(22):
        browser.get(reverse("library-collection", args=[collection.id]))
