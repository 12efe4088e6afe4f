"""The words of every chunk, searchable: SQLite FTS5 with BM25, one row a chunk.

Several processes may write and read one index at a time. Knows no tokens and no model: words here are what people type.
Frequencies are those of the whole index, whatever documents a search is limited to. Imports no torch.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import PromptUnreadable

SCHEMA = """
CREATE TABLE IF NOT EXISTS places (id INTEGER PRIMARY KEY, document TEXT NOT NULL, chunk INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS places_document ON places (document);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text, tokenize = 'porter unicode61');
"""
BUSY_SECONDS = 30.0
MOST_TERMS = 64
STOP_TEXT = """
a about above after again all am an and any are as at be because been before being below between both but by can could did do does
doing down during each few for from further had has have having he her here hers him his how i if in into is it its itself just me more
most my no nor not now of off on once only or other our out over own same she should so some such than that the their them then there
these they this those through to too under until up very was we were what when where which while who whom why will with would you
your
"""
STOP_WORDS = frozenset(STOP_TEXT.split())


@dataclass(frozen=True, slots=True)
class LexicalHit:
    """A chunk that shares words with the question; a higher score is better."""

    document: str
    chunk: int
    score: float


class LexicalIndex:
    """One index file. Opening costs nothing: each call has its own connection, so threads and forks are safe."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, document_id: str, texts: Iterable[str]) -> None:
        """Replace the document's rows, all or none: one text a chunk, in order."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
            connection.execute("BEGIN IMMEDIATE")
            delete_rows(connection, document_id)
            for chunk, text in enumerate(texts):
                row = connection.execute("INSERT INTO places (document, chunk) VALUES (?, ?)", (document_id, chunk)).lastrowid
                connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (row, text))
            connection.commit()

    def remove(self, document_id: str) -> None:
        """Forget a document. One that is not there is no error."""
        if not self.path.is_file():
            return
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            delete_rows(connection, document_id)
            connection.commit()

    def search(self, question: str, document_ids: Collection[str] | None, limit: int) -> list[LexicalHit]:
        """The best chunks for any of the question's words, best first; None searches every document.

        The question is what a person typed and never fails. Raises PromptUnreadable where the index is missing or damaged.
        """
        terms = match_expression(question)
        if not terms or (document_ids is not None and not document_ids):
            return []
        if not self.path.is_file():
            raise PromptUnreadable(f"The word index {self.path.name} is missing. Parse the documents again.")
        only = "" if document_ids is None else "AND places.document IN (SELECT value FROM json_each(:documents))"
        query = f"""
            SELECT places.document, places.chunk, -bm25(words) AS score FROM words JOIN places ON places.id = words.rowid
            WHERE words MATCH :terms {only} ORDER BY score DESC, places.id LIMIT :limit"""  # noqa: S608 (only is one of two constants)
        with self._connection() as connection:
            rows = connection.execute(query, {"terms": terms, "documents": json.dumps(list(document_ids or ())), "limit": limit})
            return [LexicalHit(document, chunk, score) for document, chunk, score in rows]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                yield connection
        except sqlite3.DatabaseError as error:
            raise PromptUnreadable(
                f"The word index {self.path.name} cannot be used: {error}. If it stays so, parse the documents again."
            ) from error


def delete_rows(connection: sqlite3.Connection, document_id: str) -> None:
    connection.execute("DELETE FROM words WHERE rowid IN (SELECT id FROM places WHERE document = ?)", (document_id,))
    connection.execute("DELETE FROM places WHERE document = ?", (document_id,))


def match_expression(question: str) -> str:
    """The question as an FTS5 expression: its words, quoted, any of them. '' if it has none."""
    return " OR ".join(f'"{word}"' for word in terms(question)[:MOST_TERMS])


def terms(text: str) -> list[str]:
    """The words that tell something, in lower case, each once. Stop words are dropped unless there is nothing else."""
    words = list(dict.fromkeys(word.lower() for word in re.findall(r"\w+", text)))
    return [word for word in words if word not in STOP_WORDS] or words
