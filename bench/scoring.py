"""Scores of answers against gold answers, from the objects that `ask --json` prints. Asks nothing and reads no file.

A metric over no question at all is None: nothing was measured, which is neither 0 nor 1.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from engine.alike import plain

Answered = dict[str, Any]
Metrics = dict[str, float | None]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ENOUGH = 0.5  # of the shorter passage's words in one run: above chance, below what a chunk border may cut off


@dataclass(frozen=True, slots=True)
class Gold:
    """One question of a QA set. `answerable` False means that "not found" is right."""

    id: str
    question: str
    documents: tuple[str, ...] | None
    answerable: bool
    answers: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    pages: tuple[int, ...] = ()
    files: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: dict[str, Any]) -> Gold:
        """A line of questions.jsonl. Raises KeyError where id, question or answerable is missing."""
        documents = row.get("documents")
        several = {name: tuple(row.get(name) or ()) for name in ("answers", "quotes", "pages", "files")}
        return cls(row["id"], row["question"], None if documents is None else tuple(documents), bool(row["answerable"]), **several)


def normalised_answer(text: str) -> str:
    """As SQuAD's script does: lower case, no punctuation, no articles, single spaces. Typeset signs count as a keyboard's."""
    bare = "".join(character for character in _typed(text).lower() if character not in string.punctuation)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(answer: str, golds: Iterable[str]) -> float:
    """1.0 if the answer equals any gold answer once both are normalised."""
    return float(any(normalised_answer(answer) == normalised_answer(gold) for gold in golds))


def f1(answer: str, golds: Iterable[str]) -> float:
    """The best word F1 over the gold answers, words counted as often as they stand."""
    return max((_word_f1(normalised_answer(answer).split(), normalised_answer(gold).split()) for gold in golds), default=0.0)


def overlaps(passage: str, quote: str) -> bool:
    """True if one run of words stands in both texts that makes at least half of the shorter one. Case, white space and
    how signs are typeset do not count: gold quotes are often typed where the document has curly quotation marks.

    So a chunk that holds a quote overlaps it, as does one that a chunk border left with half of it, and a short citation out of a
    long gold quote.
    """
    one, two = _typed(passage).casefold().split(), _typed(quote).casefold().split()
    shorter = min(len(one), len(two))
    if not shorter:
        return False
    run = SequenceMatcher(None, one, two, autojunk=False).find_longest_match().size
    return run >= _ENOUGH * shorter


def _typed(text: str) -> str:
    return plain(unicodedata.normalize("NFKC", text))


def located_rank(gold: Gold, located: Iterable[Answered]) -> int | None:
    """The 1-based rank of the first located passage that is right: it overlaps a gold quote, or lies on a gold page or in a gold file."""
    return next((rank for rank, place in enumerate(located, 1) if _right(gold, place)), None)


def locate_shares(golds: Sequence[Gold], located: Sequence[Sequence[Answered]]) -> Metrics:
    """locate@1, @5 and @10: the share of the answerable questions with a gold place of which one is among the first so many passages."""
    pairs = zip(golds, located, strict=True)
    ranks = [located_rank(gold, places) for gold, places in pairs if gold.answerable and (gold.quotes or gold.pages or gold.files)]
    return {f"locate@{k}": mean(rank is not None and rank <= k for rank in ranks) for k in (1, 5, 10)}


def score(golds: Sequence[Gold], answers: Sequence[Answered], peak_mb: float) -> Metrics:
    """All metrics of design.md, section 6. `answers` in the order of `golds`.

    locate@k, em, f1, quote_hit and page_accuracy are shares of the answerable questions that have that kind of gold; one that was not
    found, or has no citation, counts as wrong there.
    """
    pairs = [(gold, answered) for gold, answered in zip(golds, answers, strict=True) if gold.answerable]
    answerable, found = [gold.answerable for gold in golds], [bool(answered["found"]) for answered in answers]
    first_tokens = sorted(answered["timings"]["first_token_s"] for answered in answers)
    return {
        **locate_shares(golds, [answered["located"] for answered in answers]),
        "em": _over(pairs, lambda gold: gold.answers, lambda gold, answered: exact_match(answered["answer"], gold.answers)),
        "f1": _over(pairs, lambda gold: gold.answers, lambda gold, answered: f1(answered["answer"], gold.answers)),
        "quote_hit": _over(pairs, lambda gold: gold.quotes, _quote_hit),
        "page_accuracy": _over(pairs, lambda gold: gold.pages, _on_page),
        "verified": mean(cited["verified"] for answered in answers for cited in answered["citations"]),
        "found_precision": mean(right for right, said in zip(answerable, found, strict=True) if said),
        "found_recall": mean(said for right, said in zip(answerable, found, strict=True) if right),
        "notfound_precision": mean(not right for right, said in zip(answerable, found, strict=True) if not said),
        "notfound_recall": mean(not said for right, said in zip(answerable, found, strict=True) if not right),
        "first_token_p50_s": percentile(first_tokens, 50),
        "first_token_p95_s": percentile(first_tokens, 95),
        "peak_mb": peak_mb,
    }


def mean(values: Iterable[float]) -> float | None:
    """The mean, or None of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else None


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile of ascending values, or None of nothing."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _over(
    pairs: Sequence[tuple[Gold, Answered]], has: Callable[[Gold], Sequence[object]], value: Callable[[Gold, Answered], float]
) -> float | None:
    return mean(value(gold, answered) for gold, answered in pairs if has(gold))


def _quote_hit(gold: Gold, answered: Answered) -> float:
    return float(any(overlaps(cited["quote"], quote) for cited in answered["citations"] for quote in gold.quotes))


def _on_page(gold: Gold, answered: Answered) -> float:
    return float(bool(answered["citations"]) and answered["citations"][0]["page"] in gold.pages)


def _right(gold: Gold, place: Answered) -> bool:
    if place["page"] is not None and place["page"] in gold.pages:
        return True
    if any(_same_file(place.get("path") or "", file) for file in gold.files):
        return True
    return any(overlaps(place["text"], quote) for quote in gold.quotes)


def _same_file(path: str, file: str) -> bool:
    """An archive often packs everything in one folder, which gold paths do not name."""
    return path == file or path.endswith(f"/{file}")


def _word_f1(answer: list[str], gold: list[str]) -> float:
    if not answer or not gold:
        return float(answer == gold)
    common = sum((Counter(answer) & Counter(gold)).values())
    return 2 * common / (len(answer) + len(gold))
