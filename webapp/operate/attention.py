"""What an operator should look at, in sentences that say what breaks and what helps. Knows only what it is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from webapp.core.templatetags.words import age, counted, duration, size
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
        text = "Nothing is parsed, read or answered until it does. Jobs stay queued and start by themselves when it is back."
        yield Notice("The broker does not answer.", text)


def _workers(workers: Sequence[WorkerInfo]) -> Iterator[Notice]:
    living = {queue for worker in workers if worker.is_alive for queue in worker.queue.split(",")}
    for queue in QUEUES:
        if queue not in living:
            yield Notice(f"No worker of the queue “{queue}” lives.", f"{BREAKS[queue]} Start one; what waits goes on by itself.")
    for worker in workers:
        if worker.is_dead:
            left = f" It left {counted(len(worker.left) + len(worker.jobs), 'job')}." if worker.left or worker.jobs else " It left nothing."
            after = " Another of its name has taken its place." if worker.successor else ""
            yield Notice(f"{worker.name} died {age(worker.seen_at)} ago.", f"It was not told to stop.{left}{after}", not worker.successor)


def _engines(engines: Sequence[EngineFigures]) -> Iterator[Notice]:
    for engine in engines:
        if engine.error:
            yield Notice(f"The engine of {engine.worker} cannot be used.", engine.error)
        elif engine.status and engine.status.store_refused:
            yield Notice("The store takes nothing more.", engine.status.store_refused)


def _disk(disk: Disk) -> Iterator[Notice]:
    if disk.is_low:
        yield Notice(f"Only {size(disk.free_bytes)} are free.", "Uploads may be refused and read documents not stored. Make room.")
    elif disk.is_filling and disk.full_in is not None:
        text = f"It takes {size(disk.bytes_an_hour)} more each hour. Make room, or lower LONGREAD_STORE_BYTES."
        yield Notice(f"The disk is full in about {duration(disk.full_in.total_seconds())}.", text)


def _waits(oldest: datetime | None) -> Iterator[Notice]:
    if oldest and timezone.now() - oldest > LONG_WAIT:
        yield Notice(
            f"Somebody has waited {age(oldest)} for an answer to begin.", "More engine workers, or a quicker model, answer sooner."
        )


def _failures(count: int) -> Iterator[Notice]:
    if count:
        yield Notice(f"{counted(count, 'job')} failed in the last day.", "Each is listed below with its reason.", urgent=False)
