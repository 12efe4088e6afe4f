"""The pages of a document on their way to its text and page map: in files without a name until the last has come, so that memory does
not grow with the pages. Knows no format.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.model import ParsedPage, Reading
from ingest.prompt.page_map import word_rows
from ingest.prompt.word_file import WORD_ROW

_LENGTH_BYTES = 8


class WaitingPages:
    """Takes pages in order, and gives them back in that order as often as they are asked for, each without its words; the words by
    themselves, as rows (WORD_ROW) of the page's own text."""

    def __init__(self, folder: Path) -> None:
        self._pages = _Records(folder)
        self._words = _Records(folder)

    def add(self, page: ParsedPage) -> None:
        self._words.add(word_rows(page.words, page.number, 0).tobytes())
        told = json.dumps(asdict(replace(page, words=())), ensure_ascii=False)
        self._pages.add(told.encode("utf-8", errors="surrogatepass"))  # a damaged file's text may hold half a character

    def __iter__(self) -> Iterator[ParsedPage]:
        return map(_page, self._pages)

    @property
    def texts(self) -> Texts:
        return Texts(lambda: (page.text for page in self))

    def words(self) -> Iterator[NDArray[np.void]]:
        return (np.frombuffer(record, dtype=WORD_ROW) for record in self._words)


@dataclass(frozen=True, slots=True)
class Texts:
    """Each page's text, gone over as often as it takes."""

    begin: Callable[[], Iterator[str]]

    def __iter__(self) -> Iterator[str]:
        return self.begin()


def _page(record: bytes) -> ParsedPage:
    told = json.loads(record.decode("utf-8", errors="surrogatepass"))
    return ParsedPage(**told | {"words": (), "pictures": (), "reading": Reading(told["reading"])})


class _Records:
    """Byte strings in a file, each behind its length. Two who go over them at once do not disturb each other."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 -- closed with the process, or when nobody holds it

    def add(self, record: bytes) -> None:
        rest = memoryview(len(record).to_bytes(_LENGTH_BYTES) + record)
        while rest:
            rest = rest[self._file.write(rest) :]

    def __iter__(self) -> Iterator[bytes]:
        file, position = self._file.fileno(), 0
        while head := os.pread(file, _LENGTH_BYTES, position):
            length = int.from_bytes(head)
            yield os.pread(file, length, position + _LENGTH_BYTES)
            position += _LENGTH_BYTES + length
