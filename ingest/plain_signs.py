"""Signs that look like a plain one become it, one for one, so that every offset stays: blanks of other kinds, hyphens, a Greek semicolon.

Browsers and word processors write PDFs in which a no-break space stands between all words and each semicolon is a Greek question mark. They
look the same to whoever reads. A tokenizer spells each as two rare tokens or three: such a page took twice as many as another, was cut into
twice as many chunks, few of them at a sentence's end, and was read by a model that hardly saw the like; no search that is typed finds it.
Knows no format. The blank of Chinese and Japanese texts, as wide as their characters, is theirs.
"""

from __future__ import annotations

import re

_BLANKS = "\u00a0\u2000-\u200a\u202f\u205f"
_HYPHENS = "\u2010\u2011"
_SEMICOLON = "\u037e"
_ODD = re.compile(f"[{_BLANKS}{_HYPHENS}{_SEMICOLON}]")
_PLAIN = {"\u2010": "-", "\u2011": "-", "\u037e": ";"}


def with_plain_signs(text: str) -> str:
    """As long as the text, and the same but for these signs."""
    return _ODD.sub(lambda odd: _PLAIN.get(odd[0], " "), text)
