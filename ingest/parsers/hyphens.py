"""Words that a line end cut in two: whether the hyphen was the typesetter's or is the word's own. Knows no format.

The document tells: a hyphen goes where the word stands whole elsewhere on the page or before, and nowhere with the hyphen. In contracts
and filings nearly all hyphens at line ends are the words' own ("wholly-owned"), so without that it stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST = re.compile(r"[^\W\d_]+$")
_FIRST = re.compile(r"[^\W\d_]+")


@dataclass(slots=True)
class Hyphens:
    """What has been seen of one document, page after page."""

    seen: set[str] = field(default_factory=set)

    def learn(self, text: str) -> None:
        """Takes in the words of a page, before any of its lines are asked about."""
        self.seen.update(_WORD.findall(text.lower()))

    def stays(self, before: str, after: str) -> bool:
        """Whether the hyphen belongs to the word that `before` (without it) ends with and `after` begins with."""
        first, rest = _LAST.search(before), _FIRST.match(after)
        if first is None or rest is None:
            return True
        one, other = first[0].lower(), rest[0].lower()
        return f"{one}-{other}" in self.seen or one + other not in self.seen
