"""Which language a page is written in, told by its script and its small words. Says nothing rather than guess."""

from __future__ import annotations

import re
from collections import Counter

# The words that are frequent in one of them and rare in the others.
_SMALL_WORDS = {
    "en": "the of and to in that is for with shall by this not are or which any such be it",
    "de": "der die und das den von zu mit ist des im nicht ein eine auf für dem sich oder werden",
    "fr": "le les et des est dans une du que pour par qui sur au plus ce sont avec ou aux",
    "es": "el los y del las que en por con una para se su al como es más o sus lo",
    "it": "il di che e la per un è non della del con i gli le dei nel alla sono da",
    "pt": "o os e do da em que não uma dos das com ao por no na se para mais ou",
    "nl": "het een van en de dat niet op te zijn voor met is aan door bij of wordt die ook",
    "da": "og at det er til af en den på som med for ikke der i et de har om kan",
    "sv": "och att det är av som en på för med till den inte ett om i har de kan eller",
}
_LANGUAGE_OF: dict[str, list[str]] = {}
for _language, _words in _SMALL_WORDS.items():
    for _word in _words.split():
        _LANGUAGE_OF.setdefault(_word, []).append(_language)
_WORD = re.compile(r"[^\W\d_]+")
_HITS_LEAST = 6  # small words of the language that leads
_LEAD = 1.3  # times those of the next
_KANA, _HAN, _HANGUL, _CYRILLIC, _GREEK = (
    re.compile(characters) for characters in ("[\u3040-\u30ff]", "[\u3400-\u9fff]", "[\uac00-\ud7af]", "[\u0400-\u04ff]", "[\u0370-\u03ff]")
)
_SCRIPT_SHARE = 0.2  # of the letters


def language_of(text: str) -> str:
    """A code such as "en", or '' where it is not sure. Cyrillic is not told apart."""
    letters = sum(map(len, _WORD.findall(text)))
    if letters == 0:
        return ""
    shares = {code: len(script.findall(text)) / letters for code, script in (("ja", _KANA), ("zh", _HAN), ("ko", _HANGUL), ("el", _GREEK))}
    if shares["ja"] > _SCRIPT_SHARE / 2:  # Japanese has Chinese characters too
        return "ja"
    script = max(shares, key=lambda code: shares[code])
    if shares[script] > _SCRIPT_SHARE:
        return script
    return "" if len(_CYRILLIC.findall(text)) > _SCRIPT_SHARE * letters else _by_small_words(text)


def _by_small_words(text: str) -> str:
    hits = Counter(language for word in _WORD.findall(text.lower()) for language in _LANGUAGE_OF.get(word, ()))
    first, second = [*hits.most_common(2), ("", 0), ("", 0)][:2]
    return first[0] if first[1] >= _HITS_LEAST and first[1] >= _LEAD * second[1] else ""
