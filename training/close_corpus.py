"""Questions put to sentences, each with what stands before it, as `engine.close_reading` reads them: to one that answers, and to some that
look alike; where a document has no answer, to those that look most alike. Knows no model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from engine.close_reading import LONGEST_CHARACTERS, Window
from engine.read import overlap, stems_of
from engine.sentences import sentences
from engine.tokenizer import Tokenizer
from training.read_corpus import tokens_of
from training.scan_sources import Document, Question, Span

ALIKE = 7  # sentences that share most words with the question, of which the wrong ones are drawn
WRONG = 4  # with one that answers as many as the engine reads close
NEAR = 2500  # characters around the answer: an article put together of paragraphs has its own subjects elsewhere
SHORTEST = 8  # characters of a sentence that is worth reading
QUESTIONS, ABSENT = 40, 4  # of one document


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A sentence in its window; `spans`: first and last token of the answers in it, counted from the sentence's first; `overlap` as that of
    engine.read."""

    window: Window
    spans: tuple[Span, ...]
    overlap: float


@dataclass(frozen=True, slots=True)
class CloseTask:
    """A question in one wording, and the sentences that it is put to, in any order."""

    source: str
    wording: str
    shown: tuple[Shown, ...]

    @property
    def answered(self) -> bool:
        return any(each.spans for each in self.shown)


def close_tasks(
    documents: Sequence[Document],
    amounts: Mapping[str, int],
    each: Mapping[str, int],
    random_: random.Random,
    tokenizer: Tokenizer,
    wrong: Mapping[str, int] = MappingProxyType({}),
) -> list[CloseTask]:
    """About `amounts` of each source, in a random order; of one document no more than `each` of its source says. `wrong`: sentences beside
    one that answers, where they are not WRONG."""
    sources: dict[str, list[Document]] = {}
    for document in documents:
        sources.setdefault(document.source, []).append(document)
    made = []
    for source, own in sources.items():
        count = 0
        random_.shuffle(own)
        for document in own:
            if count >= amounts.get(source, 0):
                break
            tasks = list(
                put(document, _sampled(document, each.get(source, QUESTIONS), random_), random_, tokenizer, wrong.get(source, WRONG))
            )
            made += tasks
            count += len(tasks)
    random_.shuffle(made)
    return made


def put(
    document: Document, questions: Sequence[Question], random_: random.Random, tokenizer: Tokenizer, most_wrong: int = WRONG
) -> Iterator[CloseTask]:
    """Each question in one of its wordings; one whose answer stands in no sentence is left out."""
    places = list(sentences(document.text))
    for question in questions:
        wording = random_.choice(question.wordings)
        right = [place for place in places if any(answers(place, span) for span in question.spans)]
        if question.spans and not right:
            continue
        wrong = _wrong(document, wording, places, right, random_, most_wrong)
        chosen = random_.sample(both := ([random_.choice(right)] if right else []) + wrong, len(both))
        put_to = [(document.text, place, question.spans if place in right else ()) for place in chosen]
        task = task_of(document.source, wording, put_to, tokenizer)
        if task and bool(question.spans) == task.answered:
            yield task


def task_of(source: str, wording: str, sentences: Sequence[tuple[str, Span, Sequence[Span]]], tokenizer: Tokenizer) -> CloseTask | None:
    """The question put to sentences in this order, each a text, its place in it, and the answers there; None without a sentence."""
    made = tuple(_shown(text, place, spans, wording, tokenizer) for text, place, spans in sentences)
    return CloseTask(source, wording, made) if made else None


def _sampled(document: Document, most: int, random_: random.Random) -> list[Question]:
    present = [question for question in document.questions if question.spans]
    absent = [question for question in document.questions if not question.spans]
    return random_.sample(present, min(len(present), most)) + random_.sample(absent, min(len(absent), ABSENT))


def answers(place: Span, span: Span) -> bool:
    """Half of the shorter of the two stands in the other."""
    shared = min(place[1], span[1]) - max(place[0], span[0])
    return shared > 0 and shared >= 0.5 * min(place[1] - place[0], span[1] - span[0])


def _wrong(
    document: Document, wording: str, places: Sequence[Span], right: Sequence[Span], random_: random.Random, most: int
) -> list[Span]:
    """Of those that share most words with the question some, one more where none answers."""
    wrong = [place for place in places if place not in right and place[1] - place[0] > SHORTEST]
    if right and not document.closed:
        wrong = [place for place in wrong if abs(place[0] - right[0][0]) < NEAR] or wrong
    stems = stems_of(wording)
    alike = sorted(wrong, key=lambda place: -overlap(document.text[slice(*place)], stems) - 1e-6 * random_.random())[:ALIKE]
    return random_.sample(alike, min(len(alike), most if right else most + 1))


def _shown(text: str, place: Span, spans: Sequence[Span], wording: str, tokenizer: Tokenizer) -> Shown:
    start, end = place[0], min(place[1], place[0] + LONGEST_CHARACTERS)
    window = Window.of(text, start, end, tokenizer)
    tokens = tokens_of(spans, (window.start, end), window.body)
    inside = tuple((first - window.before, last - window.before) for first, last in tokens if first >= window.before)
    return Shown(window, inside, overlap(text[start:end], stems_of(wording)))
