"""Plain text without end, for long prompts: pieces of the files that LONGREAD_BENCH_TEXTS names (folders or zip archives, with the
system's path separator between them), else sentences made here. Where all pieces were had once they come again, each time changed:
other names, other numbers, the sentences of a paragraph in another order. So no two stretches of it are equal. Knows no tokens.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, zip_longest
from pathlib import Path
from random import Random

from bench.process import BenchFailed

VARIABLE = "LONGREAD_BENCH_TEXTS"
PIECE_CHARS = 20_000
SUFFIXES = {".txt", ".md", ".rst"}

SENTENCE_END = re.compile(r"(?<=[a-z][.!?])\s+(?=[A-Z])")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A document to be: `name` tells where it is from."""

    name: str
    text: str


def pieces() -> Iterator[Piece]:
    """Without end, the same each time. Raises BenchFailed if the variable names nothing that can be read."""
    named = [Path(place) for place in os.environ.get(VARIABLE, "").split(os.pathsep) if place]
    return from_files(named) if named else generated()


def from_files(places: list[Path]) -> Iterator[Piece]:
    """Pieces of each place in turn, and in each of them of one file after another; then all again, changed."""
    once = [piece for turn in zip_longest(*map(_of_place, places)) for piece in turn if piece is not None]
    if not once:
        raise BenchFailed(f"{VARIABLE} names no plain text: {', '.join(map(str, places))}. Give folders or zip archives of .txt files.")
    yield from once
    for turn in count(1):
        for number, piece in enumerate(once):
            yield Piece(f"{turn}/{piece.name}", changed(piece.text, Random(f"{turn} {number}")))  # noqa: S311 (no secret)


def changed(text: str, random: Random) -> str:
    """The same text with its names given to others of them, its numbers replaced, and each paragraph's sentences in another order."""
    names = sorted(set(_NAME.findall(text)))
    others = dict(zip(names, random.sample(names, len(names)), strict=True))
    text = _NUMBER.sub(lambda match: str(random.randrange(10 ** len(match[0]))), text)
    text = re.sub(r"\b[A-Z][a-z]{2,}\b", lambda match: others.get(match[0], match[0]), text)
    return "\n\n".join(_shuffled(paragraph, random) for paragraph in text.split("\n\n"))


def _shuffled(paragraph: str, random: Random) -> str:
    sentences = SENTENCE_END.split(paragraph)
    return " ".join(random.sample(sentences, len(sentences)))


def _of_place(place: Path) -> Iterator[Piece]:
    """The first piece of every file, then the second of every file that has one, and so on."""
    files = sorted(_files(place))
    Random(7).shuffle(files)  # noqa: S311 (no secret)
    cut = [[Piece(f"{name}, part {number}", part) for number, part in enumerate(_cut(text), 1)] for name, text in files]
    return (piece for turn in zip_longest(*cut) for piece in turn if piece is not None)


def _files(place: Path) -> Iterator[tuple[str, str]]:
    if zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            for name in archive.namelist():
                if Path(name).suffix in SUFFIXES:
                    yield Path(name).stem, _decoded(archive.read(name))
    elif place.is_dir():
        for file in place.rglob("*"):
            if file.suffix in SUFFIXES:
                yield file.stem, _decoded(file.read_bytes())


def _decoded(content: bytes) -> str:
    return content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")


def _cut(text: str) -> Iterator[str]:
    """Parts of about PIECE_CHARS that end with a paragraph where one is near."""
    start = 0
    while start < len(text):
        end = text.find("\n\n", start + PIECE_CHARS, start + 2 * PIECE_CHARS)
        end = end + 2 if end >= 0 else min(len(text), start + PIECE_CHARS)
        yield text[start:end]
        start = end


# Sentences of our own, for who has no texts at hand.
_PEOPLE = "the miller|a clerk|the abbot|two sisters|the ferryman|an apprentice|the notary|a travelling painter|the midwife|every guard"
_DEEDS = "measured|sold|drew|mended|counted|described|lost|borrowed|weighed|forgot|praised|hid"
_THINGS = (
    "the old ledger|a brass scale|seven barrels|the river gauge|a letter|the northern gate|some linen|a map of the coast|the mill wheel"
)
_PLACES = "in the harbour|near the chapel|at the market|on the upper road|behind the granary|by candlelight|under the bridge"
_WHENS = "before dawn|in the year of the flood|on a Tuesday|after the harvest|for the third time|while it snowed|to general surprise"
_TOWNS = "Arlen|Bresk|Cordane|Dunmere|Elvath|Farrowby|Gullane|Hestor|Ivell|Jorvane|Kelderby|Lynsted|Morrow|Nethercott|Orme|Pellan"


def generated() -> Iterator[Piece]:
    """Records of towns that never were."""
    for number in count():
        random = Random(number)  # noqa: S311 (no secret)
        town = random.choice(_TOWNS.split("|"))
        paragraphs: list[str] = []
        while sum(map(len, paragraphs)) < PIECE_CHARS:
            paragraphs.append(" ".join(_sentence(random, town) for _ in range(random.randrange(3, 9))) + "\n\n")
        yield Piece(f"Records of {town}, volume {number}", "".join(paragraphs))


def _sentence(random: Random, town: str) -> str:
    who, did, what, where, when = (random.choice(words.split("|")) for words in (_PEOPLE, _DEEDS, _THINGS, _PLACES, _WHENS))
    orders = (
        f"{when}, {who} of {town} {did} {what} {where}.",
        f"{who} {did} {what} {where} {when}, and paid {random.randrange(2, 900)} crowns for it.",
        f"{where}, {who} {did} {what}; the entry is number {random.randrange(10_000)} of {1500 + random.randrange(400)}.",
    )
    sentence = random.choice(orders)
    return sentence[0].upper() + sentence[1:]
