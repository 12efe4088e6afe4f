"""New versions of what is here already: only what has changed is parsed again, and nothing goes before what replaces it has been read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from ingest.held import held_folder
from ingest.limits import Limits
from ingest.progress import silent
from ingest.skipping import Reason
from ingest.storage import DocumentFolder
from tests.webapp.test_upload import accepted, zipped
from webapp.accounts.models import User
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.running import run_job
from webapp.jobs.signals import looked_after
from webapp.library.models import Collection, Document, DocumentState
from webapp.library.services import document_delete
from webapp.library.skipped import skipped_groups
from webapp.upload import pipeline, unpacking
from webapp.upload.services import FileOutcome, document_retry
from webapp.upload.unpacking import archive_expand
from webapp.upload.versions import earlier_forget, file_replace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker"), pytest.mark.weights]

Work = Callable[[], int]


@pytest.fixture
def work(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Work:
    """Parses what waits; returns how many files that were."""

    def parse() -> int:
        count = 0
        while job := Job.objects.filter(kind=JobKind.PARSE, state=JobState.QUEUED).order_by("created_at").first():
            with django_capture_on_commit_callbacks(execute=True):
                count += not job.document.is_archive if job.document else 0
                run_job(str(job.id), "test", pipeline.parse_document)
        return count

    return parse


def replaced(document: Document, name: str, content: bytes) -> FileOutcome:
    return file_replace(document=Document.objects.get(id=document.id), file=SimpleUploadedFile(name, content))


def paths(archive: Document) -> dict[str, Document]:
    return {member.path.partition("/")[2]: member for member in archive.members.all()}


def waiting_to_be_forgotten(owner: User) -> set[str]:
    return {path.name for path in (Path(settings.LONGREAD_DOCUMENTS) / "forget" / owner.salt).glob("*")}


REPO = {f"src__file{number}_dot_py": f"value = {number}\n".encode() for number in range(6)}
ZIPPED = zipped(**REPO)


def test_of_a_repository_with_one_changed_file_one_file_is_parsed(collection: Collection, work: Work) -> None:
    archive = accepted(collection, "repo.zip", ZIPPED)
    assert work() == 6
    before = paths(archive)
    Document.objects.filter(archive=archive).update(stored_token_count=7)
    changed = REPO | {"src__file3_dot_py": b"value = 33\n"}
    version = zipped(**changed)
    assert replaced(archive, "repo.zip", version).document == archive
    assert work() == 1
    after = paths(archive)
    assert [path for path in after if after[path].id != before[path].id] == ["src/file3.py"]
    assert after["src/file3.py"].folder.original.read_bytes() == b"value = 33\n"
    assert {member.stored_token_count for path, member in after.items() if path != "src/file3.py"} == {7}
    assert archive.folder.original.read_bytes() == version


def test_what_is_new_comes_and_what_is_gone_goes(collection: Collection, alice: User, work: Work) -> None:
    archive = accepted(collection, "repo.zip", ZIPPED)
    work()
    gone = paths(archive)["src/file0.py"]
    changed = {name: content for name, content in REPO.items() if "file0" not in name} | {"new_dot_py": b"new = 1\n"}
    replaced(archive, "repo.zip", zipped(**changed))
    assert work() == 1
    assert sorted(paths(archive)) == ["new.py", *(f"src/file{number}.py" for number in range(1, 6))]
    assert not gone.folder.folder.exists()
    assert str(gone.id) in waiting_to_be_forgotten(alice)


def test_a_changed_file_can_be_asked_until_its_new_version_can(collection: Collection, alice: User, work: Work) -> None:
    first = accepted(collection, "terms.md", b"# Terms\n\nThe fee is 40 euros.\n")
    work()
    outcome = replaced(first, "terms.md", b"# Terms\n\nThe fee is 50 euros.\n")
    second = outcome.document
    assert second is not None
    assert second.replaces == first.id
    first.refresh_from_db()
    assert first.is_askable
    assert work() == 1
    assert list(collection.documents.all()) == [second]
    assert not first.folder.folder.exists()
    assert str(first.id) not in waiting_to_be_forgotten(alice), "its state stays until what both have in common is kept for the new one"
    second.refresh_from_db()
    earlier_forget(document=second)
    assert str(first.id) in waiting_to_be_forgotten(alice)
    second.refresh_from_db()
    assert second.replaces is None


def test_state_is_forgotten_too_where_the_new_version_goes_before_it_was_read(
    collection: Collection, alice: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, work: Work
) -> None:
    first = accepted(collection, "a.txt", b"One.")
    work()
    second = replaced(first, "a.txt", b"Two.").document
    work()
    assert second is not None
    second.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        document_delete(document=second)
    assert {str(first.id), str(second.id)} <= waiting_to_be_forgotten(alice)


def test_the_same_bytes_again_are_not_read_again(collection: Collection, work: Work) -> None:
    text, archive = accepted(collection, "a.txt", b"Some text."), accepted(collection, "repo.zip", ZIPPED)
    work()
    jobs = Job.objects.count()
    assert replaced(text, "a.txt", b"Some text.").is_unchanged
    assert replaced(archive, "repo.zip", ZIPPED).is_unchanged
    assert Job.objects.count() == jobs
    assert not archive.folder.incoming.exists()


def test_a_new_version_that_cannot_be_read_takes_nothing_away(collection: Collection, work: Work) -> None:
    text = accepted(collection, "b.txt", b"Some text.")
    work()
    replaced(text, "b.pdf", b"Still text.")
    work()
    text.refresh_from_db()
    assert text.is_askable
    assert collection.documents.filter(name="b.pdf", state=DocumentState.FAILED).exists()


def test_a_hostile_new_version_of_an_archive_leaves_the_old_one(collection: Collection, work: Work) -> None:
    archive = accepted(collection, "repo.zip", ZIPPED)
    work()
    replaced(archive, "repo.zip", zipped(**REPO, good_dot_py=b"x = 1\n").replace(b"good.py", b"../x.py"))
    work()
    archive.refresh_from_db()
    assert archive.state == DocumentState.READY
    assert "was not taken over" in archive.error
    assert len(paths(archive)) == 6
    assert archive.folder.original.read_bytes() == ZIPPED
    assert not archive.folder.incoming.exists()


def test_an_archive_that_is_refused_half_way_leaves_nothing(collection: Collection, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "LONGREAD_LIMITS", Limits(archive_bytes=12))
    archive = accepted(collection, "repo.zip", zipped(a_dot_py=b"a = 1\n", b_dot_py=b"b = 10\n"))
    work()
    archive.refresh_from_db()
    assert (archive.state, archive.members.count()) == (DocumentState.FAILED, 0)
    assert [path.name for path in archive.folder.folder.iterdir()] == ["original"]


def test_what_a_worker_that_was_killed_had_half_made_goes_with_the_next_attempt(
    collection: Collection, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Nothing after it runs."""

    archive = accepted(collection, "repo.zip", ZIPPED)
    known = {path.name for path in Path(settings.LONGREAD_DOCUMENTS).iterdir()}
    with monkeypatch.context() as patched:
        patched.setattr(unpacking, "jobs_create", Mock(side_effect=Killed))
        patched.setattr(DocumentFolder, "delete", Mock())
        patched.setattr(Path, "unlink", Mock())
        with pytest.raises(Killed):
            archive_expand(archive, silent, Limits())
    left = [path for path in Path(settings.LONGREAD_DOCUMENTS).iterdir() if path.name not in known]
    assert len(left) == len(REPO)
    assert work() == len(REPO)
    assert not any(path.exists() for path in left)
    assert not archive.folder.making.exists()


def test_a_list_of_half_made_documents_that_was_cut_off_takes_nothing_away(collection: Collection, work: Work) -> None:
    archive = accepted(collection, "repo.zip", ZIPPED)
    archive.folder.making.write_text('["', encoding="utf-8")
    assert work() == len(REPO)
    archive.folder.making.write_text(json.dumps([str(member.id) for member in archive.members.all()]), encoding="utf-8")
    document_retry(document=archive)
    work()
    assert all(member.folder.original.exists() for member in archive.members.all())


def test_what_was_being_unpacked_and_received_is_swept_where_nobody_works_in_it() -> None:
    home = Path(settings.LONGREAD_HOME)
    left = [home / "unpack-left", home / "receive-left"]
    for folder in left:
        folder.mkdir()
        (folder / "file").write_text("half")
    with held_folder(home, "unpack-held") as held:
        looked_after.send(sender=None)
        assert held.exists()
    assert not any(folder.exists() for folder in left)


def test_a_file_of_an_archive_and_what_is_being_parsed_cannot_be_replaced(collection: Collection, work: Work) -> None:
    archive = accepted(collection, "repo.zip", ZIPPED)
    assert "being parsed" in replaced(archive, "repo.zip", zipped(a_dot_py=b"a = 1\n")).reason
    work()
    member = paths(archive)["src/file0.py"]
    assert "part of an archive" in replaced(member, "file0.py", b"x").reason


def test_everything_that_was_left_out_is_listed_with_its_reason(collection: Collection, alice: User, work: Work) -> None:
    files = {f"node_modules__a__f{number}_dot_js": b"x" for number in range(3)}
    archive = accepted(collection, "repo.zip", zipped(**files, main_dot_py=b"x = 1\n", logo_dot_png=b"\x89PNG", void_dot_txt=b""))
    work()
    archive.refresh_from_db()
    assert archive.skipped_count == 5
    assert archive.notes == ["3 files were skipped: vendored", "1 file was skipped: picture", "1 file was skipped: empty"]
    groups = {group.reason: [line.path for line in group.lines] for group in skipped_groups(document=archive)}
    assert groups == {Reason.VENDORED: ["node_modules/"], Reason.PICTURE: ["logo.png"], Reason.EMPTY: ["void.txt"]}
    browser = Client()
    browser.force_login(alice)
    page = browser.get(reverse("library-skipped", args=[archive.id])).content.decode()
    assert "node_modules/" in page
    assert "3 files" in page
    listing = browser.get(reverse("library-collection", args=[collection.id])).content.decode()
    assert reverse("library-skipped", args=[archive.id]) in listing


def test_the_page_of_a_collection_can_ask_what_is_here_and_where_a_new_version_goes(
    collection: Collection, alice: User, work: Work
) -> None:
    text = accepted(collection, "a.txt", b"Some text.")
    work()
    browser = Client()
    browser.force_login(alice)
    here = browser.get(reverse("upload-here", args=[collection.id]), {"name": ["a.txt", "b.txt"]}).json()
    assert here == {"a.txt": reverse("upload-replace", args=[text.id])}
    answer = browser.post(here["a.txt"], {"file": SimpleUploadedFile("a.txt", b"Some text.")}, headers={"accept": "application/json"})
    assert answer.json() == {"files": [{"name": "a.txt", "accepted": True, "unchanged": True, "reason": ""}]}
    shutil.rmtree(Path(settings.LONGREAD_DOCUMENTS) / "forget", ignore_errors=True)
