"""The numbers that OpenDocument shows before list items and headings: they stand in list styles, not in the text (ODF 1.3, 16.28 to 16.34).
Knows nothing else of OpenDocument."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.parsers.numerals import Style, numeral
from ingest.parsers.package import Element, attribute, local

_DEEPEST = 10
_STYLES: dict[str, Style] = {"a": "a", "A": "A", "i": "i", "I": "I"}


@dataclass(frozen=True, slots=True)
class Level:
    """How one level counts: `form` '' for no number, `shown` how many levels its label has."""

    form: str
    prefix: str
    suffix: str
    shown: int
    start: int


Levels = dict[int, Level]
"""By depth, from 1. A bullet is a level without a form."""


def list_styles(roots: Iterable[Element]) -> dict[str, Levels]:
    """The list styles of a document by name, and its numbering of headings under ''."""
    found: dict[str, Levels] = {}
    for root in roots:
        for style in root.iter("{*}list-style", "{*}outline-style"):
            name = "" if local(style) == "outline-style" else attribute(style, "name") or ""
            found[name] = {
                whole(attribute(level, "level"), 1): _level(level) for level in style if local(level).endswith("-level-style-number")
            } | {whole(attribute(level, "level"), 1): _level(level) for level in style if local(level) == "outline-level-style"}
    return found


def _level(found: Element) -> Level:
    return Level(
        form=attribute(found, "num-format") or "",
        prefix=attribute(found, "num-prefix") or "",
        suffix=attribute(found, "num-suffix") or "",
        shown=whole(attribute(found, "display-levels"), 1),
        start=whole(attribute(found, "start-value"), 1),
    )


@dataclass(slots=True)
class Counter:
    """Counts one list, or the headings."""

    levels: Levels
    counts: dict[int, int] = field(default_factory=dict)

    def label(self, depth: int, start: int | None = None) -> str | None:
        """The next label at a depth from 1; None for a bullet."""
        level = self.levels.get(depth)
        begin = 1 if level is None else level.start
        self.counts[depth] = self.counts.get(depth, begin - 1) + 1 if start is None else start
        for deeper in range(depth + 1, _DEEPEST + 1):
            self.counts.pop(deeper, None)
        if level is None or not level.form:
            return None
        shown = range(max(1, depth - level.shown + 1), depth + 1)
        numbers = ".".join(number for deep in shown if (number := self._number(deep)))
        return f"{level.prefix}{numbers}{level.suffix}".strip()

    def _number(self, depth: int) -> str:
        level = self.levels.get(depth)
        if level is None or not level.form:
            return ""
        return numeral(self.counts.get(depth, level.start), _STYLES.get(level.form, "1"))


def whole(text: str | None, otherwise: int) -> int:
    """An attribute that is a number."""
    return int(text) if text and len(text) < 10 and text.isascii() and text.isdigit() else otherwise
