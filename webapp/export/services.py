"""Exports that a worker makes: asked for, written, and deleted when their day is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import get_language, gettext, override

from ingest.progress import Progress, Report
from webapp.accounts.models import User
from webapp.export.blocks import Block, ExportRefused, Heading, Sheet
from webapp.export.forms import FORMS, Content, Taken, file_name, file_response
from webapp.export.models import FOLDER, KEPT, Export, Source
from webapp.export.sizes import at_once, require_short
from webapp.export.sources import taken_of
from webapp.jobs.models import ENDED, Job, JobKind
from webapp.jobs.running import Outcome
from webapp.jobs.services import job_cancel, job_create, job_fail
from webapp.jobs.signals import looked_after
from webapp.library.models import Collection

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 5
REPORT_SECONDS = 0.5
One = TypeVar("One")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be taken home: the row that it is of, the row's collection, and the thing itself."""

    source: Source
    id: UUID
    collection: Collection
    taken: Taken


def export_make(*, owner: User, wanted: Wanted, form: str, pages: bool) -> HttpResponseBase | Export:
    """The file, where that takes no longer than a page may take, and otherwise the export that a worker makes. Raises ExportRefused, and
    KeyError for a form that there is not."""
    if at_once(wanted.taken, form, pages=pages):
        return file_response(wanted.taken, form, pages=pages)
    return export_begin(owner=owner, wanted=wanted, form=form, pages=pages)


@transaction.atomic
def export_begin(*, owner: User, wanted: Wanted, form: str, pages: bool) -> Export:
    """Queues it; or is the one that is under way already, where there is such a one. Raises ExportRefused."""
    working = Export.objects.filter(owner=owner).exclude(job__state__in=ENDED).select_related("job")
    same = working.filter(source=wanted.source, source_id=wanted.id, form=form, pages=pages).first()
    if same is not None:
        return same
    if working.count() >= MOST_AT_ONCE:
        said = gettext("{n} files are being made for you already. Wait for one, or delete one.")
        raise ExportRefused(said.format(n=MOST_AT_ONCE))
    require_short(wanted.taken, form)
    name = file_name(wanted.taken, form)
    return Export.objects.create(
        owner=owner,
        collection=wanted.collection,
        job=job_create(owner=owner, kind=JobKind.EXPORT, label=name),
        source=wanted.source,
        source_id=wanted.id,
        form=form,
        pages=pages,
        language=get_language() or settings.LANGUAGE_CODE,
        title=wanted.taken.title[:255],
        file_name=name,
    )


def export_write(job: Job, report: Report) -> Outcome:
    """The work of an EXPORT job. A file that is only half written has another name."""
    export = Export.objects.select_related("owner", "collection").filter(job=job).first()
    if export is None:
        return Outcome.DONE  # deleted while it waited
    try:
        with override(export.language):
            content = FORMS[export.form].write(_watched(taken_of(export), report), export.pages)
            size = _keep(content, export.file)
    except ExportRefused as error:
        job_fail(job=job, error=str(error))
        return Outcome.DONE
    if not Export.objects.filter(id=export.id).update(size_bytes=size, expires_at=timezone.now() + KEPT):
        export.file.unlink(missing_ok=True)
    return Outcome.DONE


def export_delete(*, export: Export) -> None:
    """Stops what is still being made."""
    job_cancel(job=export.job)
    export.delete()


def exports_forget() -> int:
    """Deletes those whose day is over, and files without a row. Returns how many rows went."""
    old = list(Export.objects.filter(expires_at__lte=timezone.now()))
    for export in old:
        export.delete()
    _forget_strays()
    return len(old)


def _forget_strays() -> None:
    """What went with its collection while it was written, or was left half written by a dead worker."""
    oldest = time.time() - KEPT.total_seconds()
    for file in (Path(settings.LONGREAD_HOME) / FOLDER).glob("*"):
        try:
            if file.stat().st_mtime < oldest:
                file.unlink()
        except FileNotFoundError:
            continue  # written to its end, or deleted, in this moment


@receiver(post_delete, sender=Export)
def export_gone(instance: Model, **_: object) -> None:
    """However the row went."""
    if isinstance(instance, Export):
        transaction.on_commit(lambda: instance.file.unlink(missing_ok=True))


@receiver(looked_after)
def look_after(**_: object) -> None:
    exports_forget()


def _keep(content: Content, target: Path) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".half")
    pieces: Iterable[str | bytes] = [content] if isinstance(content, str | bytes) else content
    try:
        with half.open("wb") as file:
            for piece in pieces:
                file.write(piece.encode() if isinstance(piece, str) else piece)
            size = file.tell()
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
    return size


def _watched(taken: Taken, report: Report) -> Taken:
    """The same, but it says how far it is as it is written, and stops where the job was cancelled."""
    watch = _Watch(taken, report)
    return replace(taken, sheet=lambda: watch.sheet(taken.sheet()), blocks=lambda pages: watch.blocks(taken.blocks(pages)))


class _Watch:
    def __init__(self, taken: Taken, report: Report) -> None:
        self.taken, self.report = taken, report
        self.done, self.told_at = 0, 0.0
        self._tell()

    def sheet(self, sheet: Sheet) -> Sheet:
        return Sheet(sheet.head, self._each(sheet.rows))

    def blocks(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            if isinstance(block, Heading) and block.level == 2:
                self._step()
            yield block

    def _each(self, rows: Iterable[One]) -> Iterator[One]:
        for row in rows:
            self._step()
            yield row

    def _step(self) -> None:
        self.done += 1
        if time.monotonic() - self.told_at >= REPORT_SECONDS:
            self._tell()

    def _tell(self) -> None:
        self.told_at = time.monotonic()
        self.report(Progress("writing", min(self.done, self.taken.parts), self.taken.parts, self.taken.unit))
