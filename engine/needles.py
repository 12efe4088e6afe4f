"""Made-up passages, each with one fact that a question asks for, to find out which of a model's attention heads find things.

All facts have the same form and the passages the same words around them, so that only the head that sees what is asked about finds its
passage. Always the same text. Knows no model and no tokens. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

COUNT = 32
SENTENCES = 6

OWNER_TEXT = "baker surgeon captain weaver painter judge farmer printer miller dentist sculptor violinist gardener diver astronomer potter"
THING_TEXT = "ledger telescope umbrella compass violin lantern microscope sword globe teapot diary anchor mirror saddle helmet portrait"
OWNERS, THINGS = OWNER_TEXT.split(), THING_TEXT.split()
PLACES = (
    "under the oak bridge",
    "behind the iron stove",
    "inside the chapel tower",
    "above the barber shop",
    "beneath the marble stairs",
    "in the empty cistern",
    "at the ferry landing",
    "beside the salt mill",
)
FILLER = (
    "The committee met on {day} and agreed to wait for the next report.",
    "Rain kept the visitors away for most of {day}.",
    "Nobody could say how long the repairs would take after {day}.",
    "A new timetable was printed and pinned to the door on {day}.",
    "The minutes of {day} were read aloud and accepted without a vote.",
    "Two boats came in late on {day} and left again the same evening.",
    "On {day} the price of coal went up for the second time.",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# What asks nothing: whatever it finds, a question finds for the same reasons.
NOTHING = "Where is it kept?"


@dataclass(frozen=True, slots=True)
class Needle:
    """A passage, and a question that it alone answers."""

    passage: str
    question: str


def needles(count: int = COUNT) -> list[Needle]:
    """So many, of which no two are about the same thing of the same owner."""
    pairs = [(OWNERS[number % len(OWNERS)], THINGS[(number + number // len(OWNERS)) % len(THINGS)]) for number in range(count)]
    return [
        Needle(passage(number, owner, thing), f"Where is the {thing} of the {owner} kept?") for number, (owner, thing) in enumerate(pairs)
    ]


def passage(number: int, owner: str, thing: str) -> str:
    fact = f"The {thing} of the {owner} is kept {PLACES[number % len(PLACES)]}."
    fillers = [FILLER[(number + step) % len(FILLER)].format(day=DAYS[(number + step * step) % len(DAYS)]) for step in range(SENTENCES)]
    depth = number % (SENTENCES + 1)
    return " ".join([*fillers[:depth], fact, *fillers[depth:]])
