"""A process of many people at their browsers, for so many seconds; answers with how long they waited, by kind of page.

It runs beside what it measures, so it says what it took itself: its processor time, and how late its own timers came, which every wait that
it measured has in it as well.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

from bench.following import END, differences, faults, kept, read_tokens, told
from bench.people import PAGES, Followed, Log, Office, Person, Visit, new_questions
from bench.process import Figures, Request, answer
from bench.scoring import percentile
from bench.session import Session

TICK_SECONDS = 0.05


def measure(request: Request) -> Figures:
    """`port`, `office` (people.Office), `browsing`, `operators` and `asking` (cookies, a person each), `pause_seconds`, `seed`,
    `warm_seconds`, in which nothing counts yet, and then `seconds`; and `database`, the application's file. What was lost or failed is
    written to the file `lost`."""
    log, began = Log(), time.monotonic() + request["warm_seconds"]
    ended = began + request["seconds"]
    asyncio.run(_all(request, log, ended))
    visits = [visit for visit in log.visits if began <= visit.at < ended]
    followed = [one for one in log.followed if one.asked_at < ended]
    counted = [one for one in followed if one.asked_at >= began]
    lost = list(_lost(followed, Path(request["database"])))
    failed = [visit for visit in visits if visit.status not in (200, 302)]
    said = [*lost, *(f"{visit.kind}: status {visit.status} after {visit.seconds:.1f} s" for visit in failed)]
    Path(request["lost"]).write_text("".join(f"{line}\n" for line in said), encoding="utf-8")
    took = resource.getrusage(resource.RUSAGE_SELF)
    return {
        **waits(visits),
        **streams(counted),
        "streams.begun": len(followed),
        "streams.lost": len(lost),
        "engine.read_tokens_per_s": read_tokens(Path(request["database"]), [one.answer for one in counted]) / request["seconds"],
        "pages.failed": len(failed),
        "requests_per_s": len(visits) / request["seconds"],
        "pages_per_s": sum(visit.kind in PAGES for visit in visits) / request["seconds"],
        "client.late_p95_ms": 1000 * (percentile(sorted(log.late), 95) or 0.0),
        "client.cpu_s": took.ru_utime + took.ru_stime,
    }


async def _all(request: Request, log: Log, ended: float) -> None:
    office, random = Office(**request["office"]), Random(request["seed"])  # noqa: S311 (no secret)
    questions = new_questions(Random(time.time_ns()))  # noqa: S311 (no secret)

    def person(cookies: dict[str, str]) -> Person:
        return Person(Session(request["port"], cookies), office, log, Random(random.random()), request["pause_seconds"])  # noqa: S311

    looking = [asyncio.create_task(person(cookies).browse()) for cookies in request["browsing"]]
    looking += [asyncio.create_task(person(cookies).watch()) for cookies in request["operators"]]
    looking += [asyncio.create_task(_tick(log))]
    asking = [asyncio.create_task(person(cookies).ask(questions, ended)) for cookies in request["asking"]]
    await asyncio.sleep(ended - time.monotonic())
    await asyncio.gather(*asking)  # each follows its last answer to the end
    for task in looking:
        task.cancel()
    for result in await asyncio.gather(*looking, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


async def _tick(log: Log) -> None:
    """Notes how late a timer of this process comes."""
    while True:
        due = time.monotonic() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        log.late.append(time.monotonic() - due)


def waits(visits: Iterable[Visit]) -> Figures:
    """`pages.p50_ms` and so on of all pages together, and `pages.KIND.p50_ms` of each kind, what belongs to pages included."""
    kinds: dict[str, list[float]] = {}
    for visit in visits:
        kinds.setdefault(visit.kind, []).append(1000 * visit.seconds)
    every = [seconds for kind, waited in kinds.items() if kind in PAGES for seconds in waited]
    figures = {f"pages.{name}": value for name, value in spread(every, "_ms")}
    for kind, waited in sorted(kinds.items()):
        figures |= {f"pages.{kind}.{name}": value for name, value in spread(waited, "_ms")} | {f"pages.{kind}.count": len(waited)}
    return figures | {"pages.count": len(every)}


def streams(followed: Sequence[Followed]) -> Figures:
    """How long people waited for the first located place, the first word (where nothing is found: the end, which says so) and the end."""
    figures: Figures = {"streams.ended": sum(not one.lost for one in followed)}
    for what, names in {"first_place": ("located",), "first_token": ("token", END), "end": (END,)}.items():
        waited = [seconds for one in followed if (seconds := one.seconds_to(*names)) is not None]
        figures |= {f"streams.{what}_{name}": value for name, value in spread(waited, "_s")}
    return figures


def spread(values: Iterable[float], unit: str) -> Iterator[tuple[str, float]]:
    """The percentiles that are told, by name; none of nothing."""
    ordered = sorted(values)
    for percent in (50, 95, 99):
        if (value := percentile(ordered, percent)) is not None:
            yield f"p{percent}{unit}", value


def _lost(followed: Iterable[Followed], database: Path) -> Iterator[str]:
    """Each stream that was cut off, told its events in the wrong order, or showed something else than what is kept; and why."""
    for one in followed:
        events = [event for _, event in one.events]
        wrong = [one.lost] if one.lost else faults(events) or differences(told(events), *kept(database, one.answer))
        if wrong:
            yield f"{one.answer}: {'; '.join(wrong)}"


if __name__ == "__main__":
    answer(measure)
