"""Documents to train on and documents held back: of each source, and the longest contracts apart from the others."""

from __future__ import annotations

from training.read_sources import HELD, USED, split
from training.scan_sources import Document


def documents(source: str, count: int) -> list[Document]:
    return [Document(source, f"{source} {number}", "", (), closed=True) for number in range(count)]


def test_the_first_of_each_source_are_held_back() -> None:
    found = documents("contracts", 50) + documents("longest contracts", 42)
    train, held = split(found)
    assert [each.name for each in held] == [f"contracts {n}" for n in range(12)] + [f"longest contracts {n}" for n in range(6)]
    assert {each.name for each in train} == {each.name for each in found} - {each.name for each in held}


def test_the_longest_change_nothing_about_the_others() -> None:
    without = documents("contracts", 30) + documents("wikipedia", 10)
    train, held = split(without)
    more, more_held = split(without + documents("longest contracts", 20))
    assert [each for each in more if each.source != "longest contracts"] == train
    assert [each for each in more_held if each.source != "longest contracts"] == held


def test_what_is_held_back_and_used_is_said_of_the_same_sources() -> None:
    assert HELD.keys() == USED.keys()
