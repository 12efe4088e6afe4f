"""Numbers as lists write them: 4, d, D, iv, IV. Knows no format."""

from __future__ import annotations

from typing import Literal

Style = Literal["1", "a", "A", "i", "I"]
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"),
    (4, "iv"), (1, "i"),
)  # fmt: skip
_ROMAN_MOST = 4999


def numeral(number: int, style: Style) -> str:
    """`number` in a list's style; what a style cannot write (nought, a huge Roman number) in digits."""
    if style in ("a", "A") and number > 0:
        letters = chr(ord("a") + (number - 1) % 26) * min(1 + (number - 1) // 26, 9)  # after z comes aa, then bb, as Word counts
        return letters if style == "a" else letters.upper()
    if style in ("i", "I") and 0 < number <= _ROMAN_MOST:
        return _roman(number) if style == "i" else _roman(number).upper()
    return str(number)


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN:
        written += letters * (number // value)
        number %= value
    return written
