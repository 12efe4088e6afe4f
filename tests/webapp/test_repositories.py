"""Repositories by their address on pages and in the API, fetched from a real server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from ingest.git import fetch_tar
from ingest.skipping import Reason
from tests.ingest.git_server import HOST, GitServer, commit, git, git_server
from tests.webapp.test_versions import Work, paths, work
from webapp.accounts.models import User
from webapp.jobs.models import Job
from webapp.library.models import Collection, Document, DocumentState
from webapp.library.skipped import skipped_lines
from webapp.upload import repositories
from webapp.upload.repositories import RepositoryRefused, repository_add
from webapp.upload.services import document_retry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker"), pytest.mark.weights]
__all__ = ["work"]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    with git_server(tmp_path_factory.mktemp("git")) as server:
        monkeypatch.setattr(django_settings, "LONGREAD_GIT_HOSTS", [f"{HOST}:{server.port}"])
        trusted = {"GIT_SSL_CAINFO": str(server.certificate)}
        here = partial(fetch_tar, resolve=lambda host, port: ["127.0.0.1"], trusted=trusted)
        monkeypatch.setattr(repositories, "fetch_tar", here)
        yield server


def test_a_repository_is_fetched_and_again_costs_what_has_changed(
    collection: Collection, server: GitServer, work: Work, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    files = {f"src/f{number}.py": f"x = {number}\n" for number in range(4)} | {".gitignore": "*.md\n", "kept.md": "# Kept\n"}
    first = commit(server.folder / "project", files)
    document = repository_add(collection=collection, address=server.address("project"))
    assert work() == 6
    document.refresh_from_db()
    assert (document.name, document.state, document.git_commit) == ("project", DocumentState.READY, first)
    before = paths(document)
    assert sorted(before) == sorted(files)
    with django_capture_on_commit_callbacks(execute=True):
        document_retry(document=document)
    assert work() == 0, "nothing has changed"
    second = commit(server.folder / "project", files | {"src/f1.py": "x = 11\n"})
    assert repository_add(collection=collection, address=server.address("project")) == document
    assert work() == 1
    document.refresh_from_db()
    assert (document.state, document.git_commit) == (DocumentState.READY, second)
    after = paths(document)
    assert [path for path in after if after[path] != before[path]] == ["src/f1.py"]


def test_its_submodules_and_what_lies_elsewhere_are_listed_as_skipped(collection: Collection, server: GitServer, work: Work) -> None:
    repository = server.folder / "whole"
    part = commit(server.folder / "part", {"b.py": "b = 1\n"})
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    modules = '[submodule "part"]\n\tpath = lib/part\n\turl = https://git.example.org/part\n'
    commit(repository, {"a.py": "x = 1\n", "long.pdf": pointer, ".gitmodules": modules})
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{part},lib/part")
    git(repository, "commit", "--quiet", "--message", "With a part")
    document = repository_add(collection=collection, address=server.address("whole"))
    work()
    assert sorted(paths(document)) == [".gitmodules", "a.py"]
    listed = {path: (reason, why) for path, reason, why in skipped_lines(document=document)}
    assert listed == {
        "long.pdf": (Reason.BINARY, "it only points to a file elsewhere (Git LFS)"),
        "lib/part": (Reason.SUBMODULE, "it is a repository of its own (a submodule), which is not fetched"),
    }


def test_where_it_cannot_be_fetched_any_more_what_was_here_stays(collection: Collection, server: GitServer, work: Work) -> None:
    commit(server.folder / "project", {"a.py": "x = 1\n"})
    document = repository_add(collection=collection, address=server.address("project"))
    work()
    (server.folder / "project").rename(server.folder / "gone")
    document_retry(document=Document.objects.get(id=document.id))
    work()
    document.refresh_from_db()
    assert document.state == DocumentState.READY
    assert "no such repository" in document.error
    assert list(paths(document)) == ["a.py"]


def test_by_itself_nothing_is_fetched_and_no_page_speaks_of_it(collection: Collection, alice: User) -> None:
    with pytest.raises(RepositoryRefused, match="not fetched"):
        repository_add(collection=collection, address="https://github.com/a/b")
    browser = Client()
    browser.force_login(alice)
    page = browser.get(reverse("library-collection", args=[collection.id])).content.decode()
    assert reverse("upload-repository", args=[collection.id]) not in page
    assert not Job.objects.exists()


def test_the_page_offers_what_the_operator_allows(collection: Collection, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django_settings, "LONGREAD_GIT_HOSTS", ["github.com", "gitlab.com"])
    browser = Client()
    browser.force_login(alice)
    address = reverse("library-collection", args=[collection.id])
    assert "github.com, gitlab.com" in browser.get(address).content.decode()
    send = reverse("upload-repository", args=[collection.id])
    refused = browser.post(send, {"address": "https://evil.org/x"}, follow=True).content.decode()
    assert "evil.org are not fetched here" in refused
    browser.post(send, {"address": "https://github.com/owner/name"})
    document = collection.documents.get()
    assert (document.name, document.git_url) == ("name", "https://github.com/owner/name")
    about = browser.get(reverse("library-about", args=[document.id])).content.decode()
    assert "Fetch the newest commit" in about
