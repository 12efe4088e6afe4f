"""Several questions at once, through the web server, the broker and one engine worker with the real model, while it reads a book ahead."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from tests.processes import Api, Longread, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.weights]

CLAUSES = {
    "When does the lease begin?": "The lease begins on the third of March and runs for nine years without any further notice.",
    "Who pays for repairs of the roof?": "Repairs of the roof are paid for by the landlord, and repairs of the windows by the tenant.",
    "How much is the monthly rent?": "The monthly rent is 1,250 euros, payable in advance on the first working day of each month.",
    "Where are the keys handed over?": "The keys are handed over at the office of the caretaker in the yard behind the main building.",
}
BOOK = "\n\n".join(
    f"Chapter {number}. " + "The tide came in and the tide went out, and nobody took note of it. " * 30 for number in range(100)
)
PATIENCE_SECONDS = 5.0


def document(api: Api, collection: str, name: str, text: str, *states: str) -> dict[str, Any]:
    """Uploaded, and so far."""
    (upload,) = api.upload(collection, (name, text.encode()))

    def shown() -> dict[str, Any] | None:
        row = api.get(f"/documents/{upload['document']['id']}")
        return row if row["state"] in states and ("ready" in states or read_ahead(row)) else None

    return wait_for(shown, 90, f"the state {states} of {name}")


def read_ahead(row: dict[str, Any]) -> int:
    """Tokens, those of both tiers."""
    count: int = row["indexed_token_count"] + row["stored_token_count"]
    return count


def answered(api: Api, asked: dict[str, Any]) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        shown = api.get(f"/questions/{asked['id']}")
        return shown if shown["state"] not in {"waiting", "streaming"} else None

    return wait_for(ended, 120, "the end of an answer")


def test_it_answers_several_questions_together_and_does_not_wait_for_a_book(longread: Longread) -> None:
    api = Api(longread, "several")
    lease, shelf = (api.post("/collections", {"name": name})["id"] for name in ("Lease", "Books"))
    document(api, lease, "lease.txt", "\n\n".join(CLAUSES.values()), "ready")
    book = document(api, shelf, "book.txt", BOOK, "reading", "indexed")
    with ThreadPoolExecutor(len(CLAUSES)) as pool:
        asked = list(pool.map(lambda text: api.post(f"/collections/{lease}/questions", {"question": text}), CLAUSES))
    answers = [answered(api, question) for question in asked]
    still = api.get(f"/documents/{book['id']}")
    wait_for(lambda: read_ahead(api.get(f"/documents/{book['id']}")) > read_ahead(book), 60, "the book to be read on after the answers")
    longread.manage("shell", "-c", f"from webapp.library.models import Document; Document.objects.filter(id='{book['id']}').delete()")
    assert still["state"] in {"reading", "indexed"}, "the book was not read before the questions came"

    for clause, shown in zip(CLAUSES.values(), answers, strict=True):
        assert shown["state"] == "done", shown["error"]
        assert [cited["quote"] for cited in shown["answer"]["citations"]] == [clause]
        assert shown["answer"]["answer"] in clause
    jobs = [api.get(f"/jobs/{question['job']}") for question in asked]
    created, started, ended = ([datetime.fromisoformat(job[name]) for job in jobs] for name in ("created_at", "started_at", "ended_at"))
    waits = [(start - come).total_seconds() for start, come in zip(started, created, strict=True)]
    assert max(waits) < PATIENCE_SECONDS, waits
    assert max(started) < min(ended), "all of them ran at one time"
