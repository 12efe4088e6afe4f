"""Made-up facts to be found: a needle put into a plain text, and look-ups in tables of keys and values. Knows no library and no model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.prompt import TokenArray
from engine.tokenizer import Tokenizer
from ingest.prompt.wording import text_header

THINGS = ("gate", "ledger", "locker", "vault", "archive", "greenhouse", "cellar", "ferry", "workshop", "observatory", "boiler", "mailbox")
PLACES = (
    "Aldgate",
    "Brookhaven",
    "Cairnwell",
    "Dunmore",
    "Elmstead",
    "Farleigh",
    "Glenhurst",
    "Harrowby",
    "Inverlea",
    "Kestrel",
    "Larkfield",
)
OWNERS = ("Mira Holt", "Jonas Vey", "Ada Quill", "Tomas Berg", "Lena Orsay", "Felix Marsh", "Nora Stein", "Ivo Kranz", "Ruth Adair")
# What is said, what may be asked, and the answer.
FACTS = (
    (
        "The access code of the {thing} at {place} is {number}.",
        ("What is the access code of the {thing} at {place}?", "How do I get into the {thing} at {place}?"),
        "{number}",
    ),
    (
        "{owner} keeps the key of the {thing} at {place}.",
        ("Who keeps the key of the {thing} at {place}?", "Whom do I ask to open the {thing} at {place}?"),
        "{owner}",
    ),
    (
        "The {thing} at {place} was last inspected on day {number}.",
        ("When was the {thing} at {place} last inspected?", "How recent is the check of the {thing} at {place}?"),
        "day {number}",
    ),
    (
        "At {place}, the {thing} costs {number} crowns a month.",
        ("How much is the {thing} at {place} a month?", "What does one pay for the {thing} at {place}?"),
        "{number} crowns",
    ),
)
LINES = 12, 30


@dataclass(frozen=True, slots=True)
class Fact:
    """Two that are `about` the same may say different things of it."""

    about: str
    sentence: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Holding:
    """A chunk with a fact in it: tokens first..end are its sentence."""

    ids: TokenArray
    header_tokens: int
    first: int
    end: int


def fact(random_: random.Random) -> Fact:
    said, asked, answer = random_.choice(FACTS)
    names = {"thing": random_.choice(THINGS), "place": random_.choice(PLACES), "owner": random_.choice(OWNERS)}
    made = names | {"number": str(random_.randint(100, 99_999))}
    return Fact(
        said.format(**made | {"number": "", "owner": ""}), said.format(**made), random_.choice(asked).format(**made), answer.format(**made)
    )


def with_needle(tokenizer: Tokenizer, ids: TokenArray, header_tokens: int, sentence: str, random_: random.Random) -> Holding:
    """The chunk, cut at its end by as much as the sentence needs."""
    own = tokenizer.encode(f" {sentence}")
    body = ids[header_tokens : max(header_tokens + 1, len(ids) - len(own))]
    ends = [place for place, id in enumerate(body[:-1].tolist(), 1) if tokenizer.token_bytes(id).rstrip().endswith(b".")] or [len(body)]
    first = header_tokens + random_.choice(ends)
    made = np.concatenate([ids[:first], own, ids[first : header_tokens + len(body)]]).astype(np.int32)
    return Holding(made, header_tokens, first, first + len(own))


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    value: str


def rows(random_: random.Random) -> list[Row]:
    """A table's rows, no key twice."""
    keys = dict.fromkeys(f"{random_.choice(THINGS)}-{random_.randint(100, 99_999)}" for _ in range(random_.randint(*LINES)))
    return [Row(key, f"{random_.getrandbits(24):06x}") for key in keys]


def with_row(tokenizer: Tokenizer, table: Sequence[Row], row: Row, number: int) -> Holding:
    """A table as a chunk, and where in it one of its rows stands."""
    header = tokenizer.encode(text_header(f"table {number}.txt", ""))
    lines = [tokenizer.encode(f"{each.key}: {each.value}\n") for each in table]
    place = table.index(row)
    first = len(header) + sum(map(len, lines[:place]))
    return Holding(np.concatenate([header, *lines]).astype(np.int32), len(header), first, first + len(lines[place]))
