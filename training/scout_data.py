"""Prepares the library that Scout Mini is trained on: `python -m training.scout_data --data FOLDER --out FILE.npz`.

FOLDER holds the data sets (training/scan_sources.py names them) and plain texts in zip files, those that there are. Documents that other
parts of the training hold back to measure with are left out, or with `--held-back` they are all there is: for training/scout_measure.py.
Some minutes, once; FILE is all that training needs beside the base model.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from zlib import crc32

from engine.loading.bundled import fetch
from engine.tokenizer import Tokenizer
from training.read_sources import HELD, TOGETHER
from training.scan_sources import Document, contracts, documents, paragraphs, passages, statements
from training.scout_code import code_documents
from training.scout_library import Library, Making
from training.scout_noise import noisy

HELD_SEED = 1  # that of the other parts
NOISY = 0.1  # of the documents with pages
PLAIN_ZIPS = ("novels.zip", "technical-text.zip")
MOST_PLAIN_CHARACTERS = 400_000  # of one text

PLAIN = "plain"
HELD_PLAIN = 20  # one plain text in so many

Taken = Callable[[str, str], bool]


def library_from(folder: Path, tokenizer: Tokenizer, seed: int, taken: Taken, *, code: int, told: Callable[[str], None]) -> Library:
    """Of the documents that are `taken`, by source and name, the first `code` files of the standard library that have something to ask, and
    the plain texts. `told` hears what is being done. Raises FileNotFoundError for an empty folder."""
    random_ = random.Random(seed)  # noqa: S311 (a sample, no secret)
    found = [each for each in with_questions(folder, random_) if taken(each.source, each.name)]
    found += code_documents(code, random_)
    with tempfile.TemporaryDirectory() as scratch:
        making = Making(tokenizer, random_, Path(scratch))
        for source, own in groupby(found, key=lambda document: document.source):
            told(source)
            making.add_source([spoiled(document, random_) for document in own])
        for document in plain_texts(folder):
            if taken(document.source, document.name):
                told(document.name)
                making.add_plain(document)
        return making.done()


def with_questions(folder: Path, random_: random.Random) -> Iterator[Document]:
    """Those of the data sets that are there; reddit and reviews, whose terms are unclear, are not used."""
    sources: dict[str, Callable[[Path], Iterable[Document]]] = {
        "contracts.jsonl.gz": contracts,
        "contract_nli.json": statements,
        "wikipedia.jsonl.gz": lambda path: paragraphs(path, "wikipedia", random_, closed=False, each=8),
        "policies.jsonl.gz": lambda path: paragraphs(path, "policies", random_, closed=True, each=8),
        "covid.jsonl.gz": lambda path: paragraphs(path, "covid", random_, closed=True, each=40),
        "web-questions-oracle.jsonl.gz": lambda path: passages(path, random_),
    }
    there = {path: read for name, read in sources.items() if (path := folder / name).is_file()}
    if not there:
        raise FileNotFoundError(f"{folder} holds none of {', '.join(sources)}. Give the folder of the training data.")
    for path, read in there.items():
        yield from read(path)


def spoiled(document: Document, random_: random.Random) -> Document:
    """One in ten documents with pages as a bad scan has them; questions are about the same places."""
    if not document.paged or random_.random() > NOISY:
        return document
    text, moved = noisy(document.text, random_)
    questions = (replace(each, spans=tuple((moved[start], moved[end]) for start, end in each.spans)) for each in document.questions)
    return replace(document, text=text, questions=tuple(questions))


def plain_texts(folder: Path) -> Iterator[Document]:
    for name in PLAIN_ZIPS:
        if (folder / name).is_file():
            with zipfile.ZipFile(folder / name) as archive:
                for member in sorted(each for each in archive.namelist() if not each.endswith("/")):
                    text = archive.read(member).decode("utf-8", "replace").replace("\r\n", "\n")[:MOST_PLAIN_CHARACTERS]
                    yield Document(PLAIN, Path(member).name, text, (), closed=False)


def held_back(folder: Path) -> Taken:
    """Whether a document is one of those that the scan head and the reading head are measured on, or of the plain texts held back."""
    found = documents(folder, random.Random(HELD_SEED))  # noqa: S311 (a sample, no secret)
    counts = HELD | {"web": HELD["web"] * TOGETHER}
    of_source = {source: [each for each in found if each.source == source] for source in counts}
    names = {(source, each.name) for source, own in of_source.items() for each in own[: counts[source]]}

    def held(source: str, name: str) -> bool:
        return crc32(name.encode()) % HELD_PLAIN == 0 if source == PLAIN else (source, name) in names

    return held


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder of the training data")
    made.add_argument("--out", type=Path, required=True)
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--code", type=int, default=300, help="files of the standard library, at most")
    made.add_argument("--held-back", action="store_true", help="the documents held back, and no code")
    asked = made.parse_args()
    held, code = held_back(asked.data), 0 if asked.held_back else asked.code

    def taken(source: str, name: str) -> bool:
        return held(source, name) == bool(asked.held_back)

    library = library_from(asked.data, Tokenizer.open(fetch()), asked.seed, taken, code=code, told=lambda name: print(name, flush=True))
    library.save(asked.out)
    print(f"{len(library.ids):,} tokens in {len(library):,} chunks, {len(library.tasks):,} tasks, {asked.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
