"""An engine worker killed in the middle of a sweep: the sweep ends whole, and says what an undisturbed one says."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.processes import ROOT, Api, Longread, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.weights]

DOCUMENTS = 4
# The same products are added up in another order where other questions are answered beside.
NEAR = partial(pytest.approx, abs=0.02)
QUESTIONS = [
    "How much notice is needed to terminate?",
    "Which law governs the agreement?",
    "How cold is the cold store kept?",
    "Who is the hangman?",
]


def uploaded(api: Api) -> str:
    """A collection of contracts and handbooks that can be asked, and a file that cannot."""
    collection = str(api.post("/collections", {"name": "Swept"})["id"])
    files = [(ROOT / "samples" / name).read_bytes() for name in ("contract.txt", "handbook.md")]
    made = api.upload(collection, *((f"{number}.txt", files[number % 2] + b"\n\nCopy %d." % number) for number in range(DOCUMENTS)))
    api.upload(collection, ("torn.pdf", b"%PDF-1.4 torn"))
    for row in made:
        path = f"/documents/{row['document']['id']}"
        wait_for(lambda path=path: api.get(path)["is_askable"], 60, "parsing")  # type: ignore[misc]
    wait_for(
        lambda: all(row["state"] != "uploaded" for row in api.get(f"/collections/{collection}/documents")["items"]), 60, "all being parsed"
    )
    return collection


def answers(api: Api, sweep: str) -> list[dict[str, Any]]:
    return list(api.get(f"/sweeps/{sweep}/cells?limit=200")["items"])


def said(cell: dict[str, Any]) -> dict[str, Any]:
    return {name: cell[name] for name in ("path", "question", "answer", "found", "citations", "error", "confidence")}


def ended(api: Api, sweep: str) -> dict[str, Any] | None:
    shown = api.get(f"/sweeps/{sweep}")
    return shown if shown["state"] in {"done", "stopped", "failed"} else None


def test_it_ends_whole_after_its_worker_was_killed(mortal: Longread) -> None:
    api = Api(mortal, "alice")
    collection = uploaded(api)
    sweep = api.post(f"/collections/{collection}/sweeps", {"questions": QUESTIONS})["id"]
    total = DOCUMENTS * len(QUESTIONS)
    before = wait_for(lambda: answers(api, sweep), 120, "the first answer")
    assert "The engine worker was killed by SIGKILL" in mortal.killed("-Q engine")
    mortal.start()
    assert 0 < len(before) <= len(answers(api, sweep)) < total, "it was killed in the middle"
    shown = wait_for(lambda: ended(api, sweep), 240, "the end of the sweep")
    assert shown["state"] == "done", shown
    covered = shown["coverage"]
    assert (covered["documents"], covered["documents_of"], covered["cells"], covered["failed"]) == (DOCUMENTS, DOCUMENTS + 1, total, [])
    assert [row["path"] for row in covered["left_out"]] == ["torn.pdf"]
    disturbed = answers(api, sweep)
    assert [cell for cell in disturbed if cell in before] == before, "what was answered stays as it was"
    again = api.post(f"/collections/{collection}/sweeps", {"questions": QUESTIONS})["id"]
    wait_for(lambda: ended(api, again), 240, "the end of the undisturbed sweep")
    undisturbed = answers(api, again)
    assert [said(cell) for cell in disturbed] == [said(cell) | {"confidence": NEAR(cell["confidence"])} for cell in undisturbed]
    assert sum(cell["found"] for cell in disturbed) >= DOCUMENTS // 2
