"""Taking files in, reading them, and deleting them: rows, files, words and stored state. With the real tokenizer and broker."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import DjangoCaptureOnCommitCallbacks

from engine.lexical import LexicalIndex
from ingest.progress import Report
from ingest.render import AHEAD_AT_ONCE, PANE, image_path
from ingest.skipping import Reason
from ingest.storage import DocumentFolder
from tests.ingest import pdfs
from webapp.accounts.models import User
from webapp.core.model_files import lexical_path
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.running import Outcome, run_job
from webapp.library import forgetting
from webapp.library.models import Collection, Document, DocumentState
from webapp.library.services import document_delete
from webapp.library.skipped import skipped_lines
from webapp.upload import drawing, pipeline
from webapp.upload.services import FileOutcome, document_retry, files_accept, samples_add, shown_name

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker"), pytest.mark.weights]

Commit = DjangoCaptureOnCommitCallbacks


@pytest.fixture(autouse=True)
def nothing_waits() -> None:
    """No document that an earlier test deleted is left to forget."""
    shutil.rmtree(Path(settings.LONGREAD_DOCUMENTS) / "forget", ignore_errors=True)


def accept(collection: Collection, name: str, content: bytes) -> FileOutcome:
    (outcome,) = files_accept(collection=collection, files=[SimpleUploadedFile(name, content)])
    return outcome


def accepted(collection: Collection, name: str, content: bytes) -> Document:
    document = accept(collection, name, content).document
    assert document
    return document


def parse(document: Document) -> Document:
    job = document.jobs.get(kind=JobKind.PARSE)
    run_job(str(job.id), "test", pipeline.parse_document)
    document.refresh_from_db()
    return document


def zipped(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return target.getvalue()


class Store:
    """Stands in for the engine where it must forget: remembers which documents it was asked to."""

    def __init__(self) -> None:
        self.forgotten: list[tuple[list[str], str]] = []

    def forget(self, documents: list[str], salt: str) -> None:
        self.forgotten.append((documents, salt))


def test_it_refuses_an_empty_file_and_goes_on(collection: Collection) -> None:
    outcomes = files_accept(collection=collection, files=[SimpleUploadedFile("a.txt", b""), SimpleUploadedFile("b.txt", b"Some text.")])
    assert [bool(outcome.document) for outcome in outcomes] == [False, True]
    assert "empty" in outcomes[0].reason


def test_it_says_by_how_much_a_file_is_too_large(collection: Collection, settings: object) -> None:
    settings.LONGREAD_UPLOAD_BYTES = 1_000_000  # type: ignore[attr-defined]
    assert (
        "3.0 MB, 2.0 MB more than the 1.0 MB that are taken. Split it, or ask your operator to raise LONGREAD_UPLOAD_BYTES"
        in accept(collection, "a.txt", b"x" * 3_000_000).reason
    )


@pytest.mark.parametrize(
    ("raw", "shown"), [("../../etc/passwd", "passwd"), ("C:\\docs\\a.pdf", "a.pdf"), ("a\x00b\u202e.txt", "ab.txt"), ("///", "unnamed")]
)
def test_it_takes_a_name_for_people_and_never_for_a_path(collection: Collection, raw: str, shown: str) -> None:
    assert shown_name(raw) == shown
    document = accepted(collection, "x.txt", b"text")
    assert document.folder.original.parent.parent == Path(settings.LONGREAD_DOCUMENTS)


def test_it_makes_a_document_that_can_be_asked(collection: Collection) -> None:
    document = parse(accepted(collection, "terms.md", b"# Terms\n\nThe fee is 40 euros a month.\n"))
    assert (document.state, document.kind, document.chunk_count) == (DocumentState.PARSED, "text", 1)
    assert document.jobs.filter(kind=JobKind.PREFILL, state=JobState.QUEUED).count() == 1


def test_it_reads_a_document_twice_without_doubling_anything(collection: Collection) -> None:
    contract = (settings.BASE_DIR / "samples" / "contract.pdf").read_bytes()
    document = parse(accepted(collection, "contract.pdf", contract))
    pages = document.pages.count()
    Job.objects.filter(document=document, kind=JobKind.PARSE).update(state=JobState.QUEUED)
    assert (parse(document).pages.count(), pages) == (8, 8)


def test_it_shows_the_parser_s_reason_at_the_document(collection: Collection, django_capture_on_commit_callbacks: Commit) -> None:
    document = accepted(collection, "note.pdf", b"This is plain text.")
    with django_capture_on_commit_callbacks(execute=True):
        parse(document)
    document.refresh_from_db()
    assert document.state == DocumentState.FAILED
    assert "named .pdf but" in document.error


def test_it_makes_documents_of_an_archive_and_lists_what_it_skips(collection: Collection) -> None:
    content = zipped(app__main_dot_py=b"print(1)\n", app__logo_dot_png=b"\x89PNG", README_dot_md=b"# App\n")
    archive = parse(accepted(collection, "repo.zip", content))
    assert (archive.is_archive, archive.state) == (True, DocumentState.READY)
    assert sorted(archive.members.values_list("path", flat=True)) == ["repo.zip/README.md", "repo.zip/app/main.py"]
    assert [(path, reason) for path, reason, _ in skipped_lines(document=archive)] == [("app/logo.png", Reason.PICTURE)]


def test_it_refuses_an_archive_that_writes_outside(collection: Collection, django_capture_on_commit_callbacks: Commit) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("../../evil.txt", "x")
    document = accepted(collection, "evil.zip", target.getvalue())
    with django_capture_on_commit_callbacks(execute=True):
        parse(document)
    document.refresh_from_db()
    assert document.state == DocumentState.FAILED
    assert "evil.txt" in document.error
    assert not document.members.exists()


def test_it_offers_the_samples(alice: User) -> None:
    collection = samples_add(owner=alice)
    assert sorted(collection.documents.values_list("name", flat=True)) == ["code.zip", "contract.pdf", "handbook.md"]


def test_it_reads_a_failed_document_again(collection: Collection, django_capture_on_commit_callbacks: Commit) -> None:
    document = accepted(collection, "a.txt", b"Some text.")
    job = document.jobs.get()
    with django_capture_on_commit_callbacks(execute=True):
        run_job(str(job.id), "test", lambda job, report: 1 // 0)  # type: ignore[arg-type, return-value]
        document_retry(document=document)
    assert parse(document).state == DocumentState.PARSED


def test_it_leaves_nothing_of_a_deleted_document(
    collection: Collection, alice: User, django_capture_on_commit_callbacks: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = parse(accepted(collection, "terms.md", b"The fee is 40 euros a month, and the deposit is 80 euros.\n"))
    folder, document_id = document.folder, str(document.id)
    assert LexicalIndex(lexical_path(collection.id)).search("deposit", None, 5)
    with django_capture_on_commit_callbacks(execute=True):
        document_delete(document=document)
    assert not folder.folder.exists()
    assert not LexicalIndex(lexical_path(collection.id)).search("deposit", None, 5)
    store = Store()
    assert forgetting.forget(store) == 1  # type: ignore[arg-type]
    monkeypatch.setattr(forgetting, "SETTLED_S", -1)
    assert forgetting.forget(store) == 1, "once more, when nothing of it can be under way"  # type: ignore[arg-type]
    assert store.forgotten == [([document_id], alice.salt)] * 2
    assert forgetting.forget(store) == 0  # type: ignore[arg-type]
    assert not [path for path in Path(settings.LONGREAD_DOCUMENTS).rglob("*") if path.is_file() and document_id in str(path)]


def test_it_forgets_what_an_earlier_version_left_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(settings.LONGREAD_DOCUMENTS) / "forget" / "salt" / "document"
    (folder / "parsed").mkdir(parents=True)
    (folder / "parsed" / "ids.npy").write_bytes(b"tokens")
    monkeypatch.setattr(forgetting, "SETTLED_S", -1)
    store = Store()
    assert forgetting.forget(store) == 1  # type: ignore[arg-type]
    assert store.forgotten == [(["document"], "salt")]
    assert not folder.exists()


def test_it_leaves_nothing_of_a_document_deleted_while_it_is_read(
    collection: Collection, django_capture_on_commit_callbacks: Commit
) -> None:
    document = accepted(collection, "a.txt", b"Some text.")
    folder, job = document.folder, document.jobs.get()

    def deleted_midway(job: Job, report: Report) -> Outcome:
        with django_capture_on_commit_callbacks(execute=True):
            document_delete(document=document)
        folder.folder.mkdir(parents=True)
        folder.original.write_bytes(b"Some text.")
        return pipeline.parse_document(job, report)

    run_job(str(job.id), "test", deleted_midway)
    assert not folder.folder.exists()


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough of the disk is free for drawing ahead, however little this machine has."""
    monkeypatch.setattr(drawing, "FREE_BYTES", 0)


@pytest.mark.usefixtures("room")
def test_pictures_of_a_parsed_documents_pages_are_drawn_ahead_some_at_a_time(collection: Collection) -> None:
    pages = AHEAD_AT_ONCE + 1
    document = parse(accepted(collection, "book.pdf", pdfs.pages_of_text(*[[(72, 72, "Some words.")]] * pages)))
    drawn = drawing.drawn_of(str(document.jobs.get(kind=JobKind.PARSE).id))
    assert drawn == str(document.id)
    following = drawing.draw_pages(drawn, 1)
    assert following == pages
    assert drawing.draw_pages(drawn, following) == pages + AHEAD_AT_ONCE
    assert drawing.draw_pages(drawn, pages + AHEAD_AT_ONCE) is None
    assert {image_path(document.folder.images, page, PANE) for page in range(1, pages + 1)} <= set(document.folder.images.iterdir())


def test_nothing_is_drawn_ahead_of_a_text_or_of_what_could_not_be_read(collection: Collection) -> None:
    for name, content in (("a.txt", b"Some text."), ("b.pdf", b"%PDF-1.4 and nothing else")):
        document = parse(accepted(collection, name, content))
        assert drawing.drawn_of(str(document.jobs.get(kind=JobKind.PARSE).id)) is None


@pytest.mark.usefixtures("room")
def test_a_document_that_is_deleted_while_its_pages_are_drawn_leaves_nothing(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Commit
) -> None:
    document = parse(accepted(collection, "a.pdf", pdfs.pages_of_text([(72, 72, "Some words.")])))

    def deleted_meanwhile(folder: DocumentFolder, first: int, limits: object) -> int:
        with django_capture_on_commit_callbacks(execute=True):
            document_delete(document=document)
        folder.images.mkdir(parents=True)
        return first + 1

    monkeypatch.setattr(drawing, "draw_ahead", deleted_meanwhile)
    drawing.draw_pages(str(document.id), 1)
    assert not document.folder.folder.exists()


def test_pages_are_not_drawn_ahead_onto_a_disk_that_is_filling(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    document = parse(accepted(collection, "a.pdf", pdfs.pages_of_text([(72, 72, "Some words.")])))
    monkeypatch.setattr(drawing, "FREE_BYTES", 10**18)
    assert drawing.draw_pages(str(document.id), 1) is None
    assert not document.folder.images.exists()
