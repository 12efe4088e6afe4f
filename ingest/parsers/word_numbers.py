"""The numbers that Word shows before paragraphs: "2.1", "(a)", "Article IV". They stand nowhere in the text: a paragraph names a list and a
level, and the list says how its levels count (ECMA-376 part 1, 17.9). Knows nothing else of Word."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ingest.parsers.numerals import Style, numeral
from ingest.parsers.package import Element, attribute, child, local

_STYLES: dict[str, Style] = {"lowerLetter": "a", "upperLetter": "A", "lowerRoman": "i", "upperRoman": "I"}
_PLACE = re.compile(r"%([1-9])")
_LEVELS = 9


@dataclass(frozen=True, slots=True)
class Level:
    """How one level of a list counts. `text` is its label, %1 to %9 standing for the numbers of the levels."""

    form: str
    text: str
    start: int
    restarts_after: int  # the level whose next number sets this one back; 0 for the one above
    digits_only: bool

    @property
    def is_bullet(self) -> bool:
        return self.form == "bullet"


@dataclass(slots=True)
class Numbers:
    """Counts the lists of one document. `label` must be called for each numbered paragraph in order."""

    lists: dict[str, dict[int, Level]]
    kinds: dict[str, str]  # list -> the abstract list whose count it shares
    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    restarted: dict[str, dict[int, int]] = field(default_factory=dict)  # list -> level -> where it starts anew

    @classmethod
    def of(cls, numbering: Element | None) -> Numbers:
        """Reads numbering.xml; without one there are no lists."""
        if numbering is None:
            return cls({}, {})
        abstract = {attribute(found, "abstractNumId") or "": _levels(found) for found in numbering if local(found) == "abstractNum"}
        numbers = cls({}, {})
        for found in (found for found in numbering if local(found) == "num"):
            name, kind = attribute(found, "numId") or "", attribute(child(found, "abstractNumId"), "val") or ""
            changed = {int(attribute(change, "ilvl") or 0): change for change in found if local(change) == "lvlOverride"}
            own = {level: _level(lvl) for level, change in changed.items() if (lvl := child(change, "lvl")) is not None}
            starts = {level: attribute(child(change, "startOverride"), "val") for level, change in changed.items()}
            numbers.lists[name] = abstract.get(kind, {}) | own
            numbers.kinds[name] = kind
            numbers.restarted[name] = {level: _whole(start, 1) for level, start in starts.items() if start is not None}
        return numbers

    def level(self, name: str, depth: int) -> Level | None:
        return self.lists.get(name, {}).get(depth)

    def label(self, name: str, depth: int) -> str:
        """The next label of a list at a level (from 0); '' for a bullet or a list that is not there."""
        level = self.level(name, depth)
        if level is None:
            return ""
        counts = self._counted(name, depth, level)
        if level.is_bullet or level.form == "none":
            return ""
        return _PLACE.sub(lambda place: self._number(name, int(place[1]) - 1, counts, level), level.text).strip()

    def _counted(self, name: str, depth: int, level: Level) -> dict[int, int]:
        counts = self.counts.setdefault(self.kinds[name], {})
        if name not in self.begun:  # a list that says where it starts does so once
            self.begun.add(name)
            for restarted, start in self.restarted[name].items():
                counts[restarted] = start - 1
        counts[depth] = counts.get(depth, level.start - 1) + 1
        for deeper in range(depth + 1, _LEVELS):
            below = self.level(name, deeper)
            if below is None or below.restarts_after == 0 or depth < below.restarts_after:
                counts.pop(deeper, None)
        return counts

    def _number(self, name: str, depth: int, counts: dict[int, int], asked: Level) -> str:
        level = self.level(name, depth)
        if level is None:
            return ""
        number = counts.setdefault(depth, level.start)
        if level.form == "decimalZero" and not asked.digits_only:
            return f"{number:02d}"
        return numeral(number, "1" if asked.digits_only else _STYLES.get(level.form, "1"))


def _levels(abstract: Element) -> dict[int, Level]:
    return {int(attribute(found, "ilvl") or 0): _level(found) for found in abstract if local(found) == "lvl"}


def _level(found: Element) -> Level:
    def said(name: str) -> str | None:
        return attribute(child(found, name), "val")

    digits = child(found, "isLgl")
    return Level(
        form=said("numFmt") or "decimal",
        text=said("lvlText") or "",
        start=_whole(said("start"), 0),
        restarts_after=_whole(said("lvlRestart"), 0),
        digits_only=digits is not None and attribute(digits, "val") not in ("0", "false"),
    )


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and re.fullmatch(r"-?\d{1,9}", text) else otherwise
