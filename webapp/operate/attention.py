"""What an operator should look at, in sentences that say what breaks and what helps. Knows only what it is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext

from webapp.core.templatetags.words import age, ago, counted, duration, size
from webapp.jobs.disk import Disk
from webapp.jobs.engine_figures import EngineFigures
from webapp.jobs.lives import WorkerInfo
from webapp.jobs.routes import BREAKS, QUEUES
from webapp.operate.waits import Waits

# Longer than this somebody wonders.
LONG_WAIT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Notice:
    """`urgent`: something does not work now."""

    title: str
    text: str
    urgent: bool = True


def notices(
    *, broker: bool, workers: Sequence[WorkerInfo], engines: Sequence[EngineFigures], disk: Disk, waits: Waits, failures: int
) -> list[Notice]:
    """The urgent ones first."""
    found = [*_broker(broker), *_workers(workers), *_engines(engines), *_disk(disk), *_waits(waits.oldest), *_failures(failures)]
    return sorted(found, key=lambda notice: not notice.urgent)


def _broker(answers: bool) -> Iterator[Notice]:
    if not answers:
        text = gettext("Nothing is parsed, read or answered until it does. Jobs stay queued and start by themselves when it is back.")
        yield Notice(gettext("The broker does not answer."), text)


def _workers(workers: Sequence[WorkerInfo]) -> Iterator[Notice]:
    living = {queue for worker in workers if worker.is_alive for queue in worker.queue.split(",")}
    for queue in QUEUES:
        if queue not in living:
            title = gettext("No worker of the queue “{queue}” lives.").format(queue=queue)
            yield Notice(title, f"{BREAKS[queue]} {gettext('Start one; what waits goes on by itself.')}")
    for worker in workers:
        if worker.is_dead:
            title = gettext("{worker} died {ago}.").format(worker=worker.name, ago=ago(worker.seen_at))
            yield Notice(title, " ".join(_death(worker)), not worker.successor)


def _death(worker: WorkerInfo) -> Iterator[str]:
    yield gettext("It was not told to stop.")
    if count := len(worker.left) + len(worker.jobs):
        yield gettext("It left {jobs}.").format(jobs=counted(count, "job"))
    else:
        yield gettext("It left nothing.")
    if worker.successor:
        yield gettext("Another of its name has taken its place.")


def _engines(engines: Sequence[EngineFigures]) -> Iterator[Notice]:
    for engine in engines:
        if engine.error:
            yield Notice(gettext("The engine of {worker} cannot be used.").format(worker=engine.worker), engine.error)
        elif engine.status and engine.status.store_refused:
            yield Notice(gettext("The store takes nothing more."), engine.status.store_refused)


def _disk(disk: Disk) -> Iterator[Notice]:
    if disk.is_low:
        title = gettext("Only {size} are free.").format(size=size(disk.free_bytes))
        yield Notice(title, gettext("Uploads may be refused and read documents not stored. Make room."))
    elif disk.is_filling and disk.full_in is not None:
        text = gettext("It takes {size} more each hour. Make room, or lower LONGREAD_STORE_BYTES.").format(size=size(disk.bytes_an_hour))
        title = gettext("The disk is full in about {time}.").format(time=duration(disk.full_in.total_seconds()))
        yield Notice(title, text)


def _waits(oldest: datetime | None) -> Iterator[Notice]:
    if oldest and timezone.now() - oldest > LONG_WAIT:
        title = gettext("Somebody has waited {time} for an answer to begin.").format(time=age(oldest))
        yield Notice(title, gettext("More engine workers, or a quicker model, answer sooner."))


def _failures(count: int) -> Iterator[Notice]:
    if count:
        title = gettext("{jobs} failed in the last day.").format(jobs=counted(count, "job"))
        yield Notice(title, gettext("Each is listed below with its reason."), urgent=False)
