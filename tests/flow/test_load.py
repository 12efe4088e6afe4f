"""A few seconds of the bench of load against the running application: people browse, somebody follows answers, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.browsing import measure
from bench.people import PAGES
from tests.processes import PASSWORD, Api, Longread, Visitor, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.weights]

LEASE = b"The monthly rent is 1,250 euros. The ferryman measured the river gauge in the harbour before entry 7, and paid 40 crowns for it."


def test_people_browse_while_answers_stream_and_none_is_lost(longread: Longread, tmp_path: Path) -> None:
    api = Api(longread, "load")
    collection = api.post("/collections", {"name": "Lease"})["id"]
    (upload,) = api.upload(collection, ("lease.txt", LEASE))
    document = upload["document"]["id"]
    wait_for(lambda: api.get(f"/documents/{document}")["state"] == "ready", 90, "the document is ready")
    question = api.post(f"/collections/{collection}/questions", {"question": "How much is the rent?"})["id"]
    sweep = api.post(f"/collections/{collection}/sweeps", {"questions": ["How much is the rent?"]})["id"]
    code = (
        f"from webapp.accounts.models import User; user = User.objects.get(username='load'); user.set_password({PASSWORD!r}); user.save()"
    )
    longread.manage("shell", "--verbosity=0", "-c", code)
    visitor = Visitor(longread.address)
    visitor.post("/login/", {"username": "load", "password": PASSWORD})
    cookies = {cookie.name: cookie.value for cookie in visitor.cookies}
    office = {"collections": [collection], "documents": [(document, 0)], "questions": [question], "sweeps": [(collection, sweep)]}
    people = {"browsing": [cookies] * 3, "operators": [], "asking": [cookies] * 2, "pause_seconds": 0.3, "seed": 5}
    files = {"database": str(longread.home / "longread.sqlite3"), "lost": str(tmp_path / "lost")}
    figures = measure({"port": longread.port, "office": office, "warm_seconds": 0, "seconds": 3} | people | files)
    assert (tmp_path / "lost").read_text() == ""
    assert (figures["streams.lost"], figures["pages.failed"]) == (0, 0)
    assert figures["streams.ended"] == figures["streams.begun"] > 0
    assert figures["pages.count"] == sum(figures.get(f"pages.{kind}.count", 0) for kind in PAGES) > 10
    assert figures["engine.read_tokens_per_s"] > 0
