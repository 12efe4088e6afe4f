"""Documents to train on and documents held back: of each source, and the longest contracts apart from the others."""

from __future__ import annotations

import argparse

import pytest

from training.read_sources import HELD, USED, front, named, split
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


def test_only_so_many_of_the_named_sources_are_taken() -> None:
    train = documents("contracts", 5) + documents("wikipedia", 4) + documents("web", 3)
    chosen = front(train, dict([named("wikipedia=2"), named("contracts=9")]))
    assert [each.name for each in chosen] == [f"contracts {n}" for n in range(5)] + ["wikipedia 0", "wikipedia 1"]
    assert front(train, {}) == train


def test_an_unknown_source_is_refused_with_those_there_are() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"poems=3: there are the sources contracts, .*wikipedia.*contracts=40"):
        named("poems=3")
