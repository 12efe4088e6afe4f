"""An office that has used Longread for a while: ten people who share three collections of some dozen documents, with conversations and a
checklist, each signed in in several browsers. Made once through the application itself, and kept in var/bench.

    <folder>/home/          the application's data folder (LONGREAD_HOME)
    <folder>/office.json    what there is to look at (bench.people.Office), and each browser's cookies: written last
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from fpdf import FPDF

from bench.people import Office
from bench.process import ROOT, BenchFailed
from bench.texts import Piece, generated
from tests.processes import PASSWORD, Api, Longread, Visitor

OPERATOR = "olga"
PEOPLE = ("alice", "bob", "carla", "dmitri", "elif", "farid", "grace", "hana", "ivo")
SESSIONS_EACH = 6
BOOKS, BOOK_PAGES, LETTERS = 12, 20, 16
READY_SECONDS = 900
# Sessions last two weeks.
KEPT_SECONDS = 10 * 86400

QUESTIONS = (
    "Who measured the river gauge before dawn?",
    "What was sold at the market after the harvest?",
    "How much did the ferryman pay for the brass scale?",
    "Which entry tells of a map of the coast?",
    "Who hid seven barrels under the bridge?",
    "What did the midwife forget in the harbour?",
    "When was the northern gate mended?",
    "Who praised the old ledger?",
)
FOLLOW_UP = "And on the upper road?"
ABOUT_AGREEMENTS = ("How much notice is needed to terminate?", "Which law governs the agreement?", "When is the morning peak?")
CHECKLIST = ("Who paid the most?", "What was lost in the harbour?", "Which year is named first?", "What was mended?", "Who came at dawn?")


@dataclass(frozen=True, slots=True)
class Kept:
    """`browsers`: each one's cookies by name; the first of them are the operator's."""

    home: Path
    office: Office
    browsers: list[dict[str, str]]


def furnished() -> Kept:
    """The office as it is kept; made first where it is not there, by other rules, or too old for its sessions."""
    made_by = b"".join((ROOT / "bench" / name).read_bytes() for name in ("office.py", "texts.py"))
    folder = ROOT / "var" / "bench" / f"office-{hashlib.sha256(made_by).hexdigest()[:12]}"
    written = folder / "office.json"
    if not written.is_file() or time.time() - written.stat().st_mtime > KEPT_SECONDS:
        shutil.rmtree(folder, ignore_errors=True)
        _make(folder)
    said = json.loads(written.read_text(encoding="utf-8"))
    return Kept(folder / "home", Office(**said["office"]), said["browsers"])


def _make(folder: Path) -> None:
    print("office: accounts, documents, questions and a checklist are made, which takes some minutes", file=sys.stderr)
    (folder / "home").mkdir(parents=True)
    longread = Longread(folder / "home")
    longread.start()
    try:
        Visitor(longread.address).post("/setup/", {"username": OPERATOR, "password1": PASSWORD, "password2": PASSWORD})
        office = _filled(Api(longread, OPERATOR))
        _let_in(longread)
        browsers = [_signed_in(longread, name) for name in (OPERATOR, *PEOPLE) for _ in range(SESSIONS_EACH)]
    finally:
        longread.stop()
    said = json.dumps({"office": asdict(office), "browsers": browsers})
    (folder / "partial.json").write_text(said, encoding="utf-8")
    (folder / "partial.json").replace(folder / "office.json")


def _filled(api: Api) -> Office:
    """Collections with their documents read, questions answered and a sweep done. Raises BenchFailed."""
    records, letters, agreements = (api.post("/collections", {"name": name})["id"] for name in ("Records", "Letters", "Agreements"))
    for name, content in _books():
        api.upload(records, (name, content))
    for piece in islice(generated(), 1000, 1000 + LETTERS):
        api.upload(letters, (f"{piece.name}.txt", piece.text[:6000].encode()))
    api.upload(agreements, *_samples())
    rows = [row for collection in (records, letters, agreements) for row in _read(api, collection)]
    questions = [api.post(f"/collections/{records}/questions", {"question": text}) for text in QUESTIONS]
    questions += [api.post(f"/collections/{records}/questions", {"question": FOLLOW_UP, "follows": asked["id"]}) for asked in questions[:4]]
    questions += [api.post(f"/collections/{agreements}/questions", {"question": text}) for text in ABOUT_AGREEMENTS]
    sweep = api.post(f"/collections/{letters}/sweeps", {"questions": list(CHECKLIST)})
    for path in (*(f"/questions/{asked['id']}" for asked in questions), f"/sweeps/{sweep['id']}"):
        _until(api, path, "done")
    return Office(
        collections=[records, letters, agreements],
        documents=[(row["id"], row["page_count"]) for row in rows if not row["is_archive"]],
        questions=[asked["id"] for asked in questions],
        sweeps=[(letters, sweep["id"])],
    )


def _read(api: Api, collection: str) -> list[dict[str, Any]]:
    """The collection's documents when all of them are read ahead."""
    while True:
        rows: list[dict[str, Any]] = api.get(f"/collections/{collection}/documents?limit=100")["items"]
        if all(row["state"] == "ready" for row in rows):
            return rows
        _until(api, f"/documents/{next(row['id'] for row in rows if row['state'] != 'ready')}", "ready")


def _until(api: Api, path: str, state: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while (said := api.get(path))["state"] != state:
        if said["state"] == "failed" or time.monotonic() > deadline:
            raise BenchFailed(f"{path} is {said['state']} and not {state}: {said.get('error') or 'it takes too long'}")
        time.sleep(1.0)


def _let_in(longread: Longread) -> None:
    """The others' accounts, who may read and change everything."""
    code = (
        "from webapp.accounts.models import User; from webapp.library.models import Collection;"
        "from webapp.library.members import member_put\n"
        f"for name in {PEOPLE!r}:\n"
        f"    User.objects.create_user(name, password={PASSWORD!r})\n"
        "    for row in Collection.objects.all(): member_put(collection=row, username=name, may_change=True)\n"
    )
    longread.manage("shell", "--verbosity=0", "-c", code)


def _signed_in(longread: Longread, name: str) -> dict[str, str]:
    visitor = Visitor(longread.address)
    visitor.post("/login/", {"username": name, "password": PASSWORD})
    cookies = {cookie.name: cookie.value or "" for cookie in visitor.cookies}
    if "sessionid" not in cookies:
        raise BenchFailed(f"{name} could not sign in")
    return cookies


def _books() -> Iterator[tuple[str, bytes]]:
    series = generated()
    for _ in range(BOOKS):
        piece = next(series)
        yield f"{piece.name}.pdf", _printed(piece, series)


def _printed(first: Piece, series: Iterator[Piece]) -> bytes:
    """A PDF of BOOK_PAGES pages, each with a heading, that begins with the piece."""
    pdf = FPDF(format="A4")
    pdf.set_auto_page_break(False)
    paragraphs = iter(first.text.split("\n\n"))
    for number in range(1, BOOK_PAGES + 1):
        pdf.add_page()
        pdf.set_font("Times", style="B", size=14)
        pdf.multi_cell(0, 10, f"Section {number}. Entries of the year {1500 + 7 * number}")
        pdf.set_font("Times", size=12)
        while pdf.get_y() < 130:
            paragraph = next(paragraphs, "")
            if not paragraph:
                paragraphs = iter(next(series).text.split("\n\n"))
                continue
            pdf.set_x(pdf.l_margin)
            pdf.multi_cell(0, 6.5, paragraph)
            pdf.ln(3)
    return bytes(pdf.output())


def _samples() -> Iterator[tuple[str, bytes]]:
    """What comes with Longread: a contract, a handbook, and code in an archive."""
    samples, packed = ROOT / "samples", io.BytesIO()
    yield from ((name, (samples / name).read_bytes()) for name in ("contract.pdf", "handbook.md"))
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted((samples / "code").rglob("*.py")):
            archive.write(file, file.relative_to(samples / "code"))
    yield "code.zip", packed.getvalue()
