"""Freed pages of an LMDB file, overwritten. What is deleted stays in the file, in pages that are free, until something else needs them; so
zeros are stored, a page each, until no free page is left, and then dropped.

A page that an open reading still sees is not free yet and keeps its bytes. Knows no record.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import lmdb

TABLE = b"zeros"
HEADER_BYTES = 16  # LMDB's own, at the head of each page
# So many in one transaction; others write between two. Little at first, since pages that open readings still see count as free, and for
# each of those the file grows.
FIRST_PAGES, MOST_PAGES, LEAST_PAGES = 64, 4096, 8


def scrub(env: lmdb.Environment, table: Any, free_pages: int) -> None:
    """Overwrite the free pages, about so many. The file may grow by a few pages each time. Raises lmdb.Error."""
    page = bytes(env.stat()["psize"] - HEADER_BYTES)
    clear(env, table)  # and so the pages that the last transaction freed can be taken
    written = piece = grown = 0
    most = FIRST_PAGES
    try:
        with suppress(lmdb.MapFullError):
            # A few pages are taken for the list of free ones, so a little growth does not mean that none is left.
            while 2 * grown <= piece:
                piece, last = max(LEAST_PAGES, min(most, free_pages - written)), env.info()["last_pgno"]
                with env.begin(write=True) as transaction:
                    for number in range(written, written + piece):
                        transaction.put(number.to_bytes(8, "big"), page, append=True, db=table)
                written, grown, most = written + piece, env.info()["last_pgno"] - last, min(2 * most, MOST_PAGES)
    finally:
        for _ in range(2):  # so that the next transaction can take what the first of these freed
            clear(env, table)
        env.sync(True)


def clear(env: lmdb.Environment, table: Any) -> None:
    """Drop the zeros, those of a process that ended on the way too; a transaction in any case."""
    with env.begin(write=True) as transaction:
        transaction.drop(table, delete=False)
        transaction.put(b"cleared", b"", db=table)
        transaction.delete(b"cleared", db=table)
