"""Reading ahead in slices: which state a document is in after each, whatever the engine's tiers, the store's room and a broken job are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile

from engine.errors import StoreFull
from engine.events import EngineStatus, PrefillEvent, Tier
from ingest.progress import silent
from webapp.jobs.models import Job, JobKind
from webapp.jobs.running import Outcome
from webapp.library.models import Collection, Document, DocumentState
from webapp.library.selectors import collection_counts
from webapp.upload import pipeline
from webapp.upload.services import files_accept

pytestmark = pytest.mark.django_db
TOKENS = 100


@dataclass
class TwoTiers:
    """An engine that tells what it is told to: (tier, tokens done) a slice; None is a full store."""

    slices: list[list[tuple[Tier, int] | None]]
    store_bytes: int = 0
    index_bytes: int = 0
    states: list[str] = field(default_factory=list)

    def prefill(self, prompt: Any, *, deadline: float | None) -> Iterator[PrefillEvent]:
        assert deadline is not None
        (document,) = prompt.documents
        self.states.append(Document.objects.get(id=document.id).state)
        for step in self.slices.pop(0):
            if step is None:
                raise StoreFull("no room")
            yield PrefillEvent(document.id, 0, 1, step[1], TOKENS, tier=step[0])

    def status(self) -> EngineStatus:
        return EngineStatus("m", "cpu", "float32", "isolated", self.store_bytes, 1000, 0, store_index_bytes=self.index_bytes)


@pytest.fixture
def document(collection: Collection) -> Document:
    """Parsed."""
    (outcome,) = files_accept(collection=collection, files=[SimpleUploadedFile("a.txt", b"The fee is 40 euros a month.\n")])
    assert outcome.document is not None
    pipeline.parse_document(outcome.document.jobs.get(), silent)
    return outcome.document


def read_on(document: Document, engine: TwoTiers) -> tuple[DocumentState, Outcome]:
    job = Job.objects.get(document=document, kind=JobKind.PREFILL)
    outcome = pipeline.prefill_document(job, silent, engine)  # type: ignore[arg-type]
    document.refresh_from_db()
    return DocumentState(document.state), outcome


def test_it_goes_from_parsed_through_indexed_to_ready(document: Document) -> None:
    engine = TwoTiers([[("index", 40)], [("index", 100), ("full", 10)], [("index", 100), ("full", 70)], [("index", 100), ("full", 100)]])
    seen = [read_on(document, engine) for _ in range(4)]
    indexed, ready = (DocumentState.INDEXED, Outcome.MORE), (DocumentState.READY, Outcome.DONE)
    assert seen == [(DocumentState.READING, Outcome.MORE), indexed, indexed, ready]
    assert engine.states == ["reading", "reading", "indexed", "indexed"]
    assert (document.indexed_token_count, document.stored_token_count) == (100, 100)


def test_a_model_without_a_scan_head_never_says_indexed(document: Document) -> None:
    engine = TwoTiers([[("full", 50)], [("full", 100)]])
    assert [read_on(document, engine)[0] for _ in range(2)] == [DocumentState.READING, DocumentState.READY]
    assert read_on(document, TwoTiers([[]])) == (DocumentState.READY, Outcome.DONE), "nor one that reads nothing ahead"


@pytest.mark.parametrize(
    ("slice_", "state"),
    [
        ([("index", 40), None], DocumentState.PARSED),
        ([("index", 100), None], DocumentState.INDEXED),
        ([("index", 100), ("full", 30), None], DocumentState.INDEXED),
        ([("full", 30), None], DocumentState.PARSED),
        ([None], DocumentState.PARSED),
    ],
)
def test_a_full_store_ends_it_without_alarm(document: Document, slice_: list[tuple[Tier, int] | None], state: DocumentState) -> None:
    assert read_on(document, TwoTiers([slice_])) == (state, Outcome.DONE)
    assert (document.error, document.is_askable) == ("", True)


def test_states_of_others_keep_no_document_from_being_indexed(document: Document) -> None:
    assert read_on(document, TwoTiers([[("index", 40)]], store_bytes=990)) == (DocumentState.READING, Outcome.MORE)
    assert read_on(document, TwoTiers([[("index", 40)]], store_bytes=990, index_bytes=950)) == (DocumentState.PARSED, Outcome.DONE)
    assert read_on(document, TwoTiers([[("index", 100), ("full", 5)]], store_bytes=990)) == (DocumentState.INDEXED, Outcome.DONE)


def test_its_collection_says_what_is_indexed(document: Document, collection: Collection) -> None:
    read_on(document, TwoTiers([[("index", 100), ("full", 5)]], store_bytes=990))
    counts = collection_counts(collection=collection)
    assert (counts.indexed, counts.indexed_tokens, counts.state) == (1, 100, "indexed 1 of 1")


def test_documents_of_an_older_version_are_parsed_and_read_again(document: Document) -> None:
    migrations = [import_module(f"webapp.{name}") for name in ("library.migrations.0002_tiers", "jobs.migrations.0003_read_again")]
    job = Job.objects.get(document=document, kind=JobKind.PREFILL)
    for state, has_job in (("ready", False), ("indexed", False), ("reading", True)):
        job.delete()
        job = Job.objects.create(owner=document.collection.owner, kind=JobKind.PREFILL, label="a", document=document)
        Job.objects.filter(id=job.id).update(state="queued" if has_job else "done")
        Document.objects.filter(id=document.id).update(state=state, stored_token_count=9)
        migrations[0].parsed(apps, None)
        migrations[1].read_again(apps, None)
        document.refresh_from_db()
        assert (document.state, document.stored_token_count) == (DocumentState.PARSED, 0)
        assert Job.objects.filter(document=document, kind=JobKind.PREFILL, state="queued").count() == 1
        Job.objects.filter(document=document, kind=JobKind.PREFILL).exclude(id=job.id).delete()
