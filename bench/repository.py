"""A repository of thousands of files, uploaded to the application as `./run` starts it: how long until all of it can be asked, and how
quick pages and answers are while it is parsed, beside the same when it has been. Beside the whole way, the bare tokenizer over the files.

The files are Python code of what is installed here. LONGREAD_BENCH_REPOSITORY says how many.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import UUID

from bench.files import File
from bench.ingest import request
from bench.process import BenchFailed, Figures, measured
from bench.row import Measured, Row
from ingest.skipping import reason_to_skip
from tests.processes import PASSWORD, Api, Longread, Visitor, children, command_line

FILES = 7000
LARGEST = 200_000  # bytes: tables of characters and the like, which no repository has thousands of
LOOK_SECONDS = 2.0
ASK_SHARE = 0.5  # of the files are parsed: then a question is asked
MOST_SECONDS = 3600
QUESTION = "Which function opens a connection through a proxy?"
DONE = ("parsed", "reading", "indexed", "ready", "failed", "locked")
WORKER = "-Q ingest"


@dataclass(slots=True)
class Looks:
    """Seconds that each kind of page took, each time."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def take(self, visitor: Visitor, pages: dict[str, str]) -> None:
        for kind, path in pages.items():
            started = time.perf_counter()
            visitor.get(path)
            self.seconds.setdefault(kind, []).append(time.perf_counter() - started)

    def slowest(self, kind: str) -> float:
        return max(self.seconds[kind])


@dataclass(frozen=True, slots=True)
class Went:
    """`unpacked_s` and `parsed_s` since the upload began; `answer_s` of a question asked in the middle; how often progress had moved."""

    uploaded_s: float
    unpacked_s: float
    parsed_s: float
    answer_s: float
    files: int
    failed: int
    moves: int
    looks: Looks


def run() -> Measured:
    """All of it, in ten to thirty minutes."""
    with tempfile.TemporaryDirectory(prefix="longread-bench-") as root:
        files = list(islice(code_files(), int(os.environ.get("LONGREAD_BENCH_REPOSITORY", FILES))))
        archive = packed(files, Path(root) / "repository.tar.gz")
        longread = Longread(Path(root) / "home")
        longread.start()
        try:
            said = uploaded(longread, archive)
        finally:
            longread.stop()
        bare = measured("bench.readers.peers", request(files, reader="tokenizer"))
    return with_peer(said, bare, len(files))


def code_files() -> Iterator[File]:
    """In the order of their names, those that a repository's upload would not skip."""
    installed = Path(sysconfig.get_paths()["purelib"])
    for path in sorted(installed.rglob("*.py")):
        name = "repository/" + path.relative_to(installed).as_posix()
        if not path.is_symlink() and 0 < path.stat().st_size <= LARGEST and reason_to_skip(name) is None:
            yield File(name, path)


def packed(files: list[File], path: Path) -> Path:
    if not files:
        raise BenchFailed("There is no Python code installed beside Longread to make a repository of.")
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for file in files:
            archive.add(file.path, file.name, recursive=False)
    return path


def uploaded(longread: Longread, archive: Path) -> Measured:
    """The rows of the upload and of what people see meanwhile and afterwards."""
    visitor = Visitor(longread.address)
    visitor.post("/setup/", {"username": "bench", "password1": PASSWORD, "password2": PASSWORD})
    api = Api(longread, "bench")
    collection = api.post("/collections", {"name": "Repository"})["id"]
    went = followed(longread, visitor, api, collection, archive)
    peak = worker_mb(longread)
    after, pages = Looks(), seen(longread, collection)
    for _ in range(5):
        after.take(visitor, pages)
    later_s = answered_s(api, collection)
    return told(went, after, later_s, peak, archive.stat().st_size)


def followed(longread: Longread, visitor: Visitor, api: Api, collection: str, archive: Path) -> Went:
    """Uploads, and looks at the pages until every file is parsed."""
    started = time.perf_counter()
    api.upload(collection, (archive.name, archive.read_bytes()))
    uploaded_s = time.perf_counter() - started
    unpacked_s = answer_s = 0.0
    looks, moves, before = Looks(), 0, -1
    while True:
        waiting, done, failed, is_unpacked = states(longread)
        passed = time.perf_counter() - started
        moves, before = moves + (done != before), done
        unpacked_s = unpacked_s or (passed if is_unpacked else 0.0)
        if is_unpacked and not waiting:
            return Went(uploaded_s, unpacked_s, passed, answer_s, done, failed, moves, looks)
        if passed > MOST_SECONDS:
            raise BenchFailed(f"After {MOST_SECONDS} s {waiting} files were not parsed yet.")
        print(f"repository: {done:,} files parsed, {waiting:,} wait, {passed:,.0f} s", file=sys.stderr)
        if is_unpacked and not answer_s and done >= ASK_SHARE * (done + waiting):
            answer_s = answered_s(api, collection)
        looks.take(visitor, seen(longread, collection))
        time.sleep(LOOK_SECONDS)


def seen(longread: Longread, collection: str) -> dict[str, str]:
    """The pages that somebody opens meanwhile."""
    with closing(database(longread)) as rows:
        (archive,) = rows.execute("SELECT id FROM library_document WHERE archive_id IS NULL").fetchone()
    document = f"/documents/{UUID(archive)}"
    return {
        "home": "/",
        "the collection": f"/collections/{collection}/",
        "the jobs": "/jobs/",
        "the archive": f"{document}/",
        "about the archive": f"{document}/about",
        "its skipped files": f"{document}/skipped",
    }


def states(longread: Longread) -> tuple[int, int, int, bool]:
    """How many files wait, are parsed and have failed, and whether the archive is unpacked."""
    with closing(database(longread)) as rows:
        members = dict(rows.execute("SELECT state, COUNT(*) FROM library_document WHERE archive_id IS NOT NULL GROUP BY state").fetchall())
        (state,) = rows.execute("SELECT state FROM library_document WHERE archive_id IS NULL").fetchone()
    done = sum(members.get(name, 0) for name in DONE)
    return sum(members.values()) - done, done, members.get("failed", 0), state in ("ready", "failed")


def database(longread: Longread) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{longread.home}/longread.sqlite3?mode=ro", uri=True, timeout=30)


def answered_s(api: Api, collection: str) -> float:
    started = time.perf_counter()
    id = api.post(f"/collections/{collection}/questions", {"question": QUESTION})["id"]
    while api.get(f"/questions/{id}")["state"] not in ("done", "failed", "stopped"):
        time.sleep(0.2)
    return time.perf_counter() - started


def worker_mb(longread: Longread) -> float:
    """The most memory that a process of the ingest worker held."""
    assert longread.process
    pids = [pid for part in children(longread.process.pid) if WORKER in command_line(part) for pid in (part, *children(part))]
    statuses = [Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace") for pid in pids]
    lines = [line for status in statuses for line in status.splitlines() if line.startswith("VmHWM")]
    return max((int(line.split()[1]) / 1024 for line in lines), default=0.0)


def told(went: Went, after: Looks, later_s: float, peak_mb: float, size: int) -> Measured:
    rows = [
        Row(f"upload of {size / 1e6:,.0f} MB", went.uploaded_s, "s"),
        Row("until the archive is unpacked", went.unpacked_s, "s"),
        Row(f"until {went.files:,} files can be asked", went.parsed_s, "s"),
        Row("the ingest worker's largest process", peak_mb, "MB"),
        *(Row(f"{page}, slowest", went.looks.slowest(page), "s", "afterwards", after.slowest(page)) for page in after.seconds),
        Row("a question meanwhile", went.answer_s, "s", "afterwards", later_s),
    ]
    figures: Figures = {
        "files": went.files,
        "failed": went.failed,
        "progress_moves": went.moves,
        "uploaded_s": went.uploaded_s,
        "unpacked_s": went.unpacked_s,
        "parsed_s": went.parsed_s,
        "answer_s": went.answer_s,
        "answer_after_s": later_s,
        "peak_mb": peak_mb,
    }
    return Measured(rows, figures | {f"{kind}.slowest_s": went.looks.slowest(kind) for kind in after.seconds})


def with_peer(said: Measured, bare: Figures, files: int) -> Measured:
    rate = said.figures["files"] / said.figures["parsed_s"]
    peer = files / bare["seconds"]
    return Measured([*said.rows, Row("files from upload to prompt", rate, "files/s", "the tokenizer alone, one core", peer)], said.figures)
