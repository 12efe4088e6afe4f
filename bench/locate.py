"""How long a search by words takes over many chunks, beside a scan of the same SQLite rows with LIKE."""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bench.row import Row
from engine.lexical import LexicalIndex, terms

CHUNKS = 20_000  # about eight million tokens
WORDS = 280  # in a chunk
VOCABULARY = 30_000
QUESTION = "When may word7 terminate word1900 or word25000?"
ROUNDS = 5


def run() -> list[Row]:
    """One measurement, in about a minute, most of it for making the index."""
    with tempfile.TemporaryDirectory() as folder:
        index, rows = LexicalIndex(Path(folder) / "index.sqlite3"), Path(folder) / "rows.sqlite3"
        before = time.perf_counter()
        index.put("d", texts())
        made = time.perf_counter() - before
        with closing(sqlite3.connect(rows)) as connection:
            connection.execute("CREATE TABLE chunks (text TEXT)")
            connection.executemany("INSERT INTO chunks VALUES (?)", ((text,) for text in texts()))
            connection.commit()
            peer = quickest(lambda: scan(connection))
        ours = quickest(lambda: index.search(QUESTION, None, 16))
    return [
        Row(f"search {CHUNKS:,} chunks by words", ours * 1e3, "ms", "LIKE over the same rows", peer * 1e3),
        Row("index chunks by words", CHUNKS / made, "chunks/s"),
    ]


def texts() -> Iterator[str]:
    """Words as rare as in a language: the n-th is n times rarer than the first."""
    words, weights = [f"word{n}" for n in range(1, VOCABULARY)], [1 / n for n in range(1, VOCABULARY)]
    random_ = random.Random(5)  # noqa: S311 (a sample, no secret)
    return (" ".join(random_.choices(words, weights, k=WORDS)) for _ in range(CHUNKS))


def scan(connection: sqlite3.Connection) -> list[tuple[int]]:
    wanted = terms(QUESTION)
    where = " OR ".join("text LIKE ?" for _ in wanted)
    return connection.execute(f"SELECT rowid FROM chunks WHERE {where} LIMIT -1", [f"%{term}%" for term in wanted]).fetchall()  # noqa: S608


def quickest(work: Callable[[], object]) -> float:
    """Seconds of the quickest of ROUNDS."""
    seconds = []
    for _ in range(ROUNDS):
        before = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - before)
    return min(seconds)
