"""A sweep: every question put to every document of a collection alone, not to the best places of all.

So "which of these contracts", "how many", "nowhere mentioned" are answered from every document, and a document that has no answer says so.
Knows how the questions follow each other, and no model. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from engine.asked import Asked
from engine.events import AnswerEvent, AnswerOptions
from engine.failed import failed
from engine.prompt import Prompt

W = TypeVar("W")

SweepEvent: TypeAlias = tuple[str, int, AnswerEvent]
"""A document's id, a question's number from 0, and an event of the answer to it."""

# Questions whose words are searched and whose texts are read before the engine comes to them, so that it never waits for either.
AHEAD = 6


def each_document(prompts: Iterable[Prompt], questions: Sequence[str], options: AnswerOptions) -> Iterator[tuple[tuple[str, int], Asked]]:
    """Document by document, and of each all questions; each over a prompt that is this document alone."""
    for prompt in prompts:
        for document in prompt.documents:
            alone = replace(prompt, documents=(document,))
            for number, question in enumerate(questions):
                yield (document.id, number), Asked(alone, question, options)


def begun(answer: Callable[[Asked], Generator[W, Any, None]], asked: Asked) -> Generator[W, Any, None]:
    """The answer's steps; where they already broke while they were prepared, they say so, and this answer alone ends."""
    try:
        return answer(asked)
    except Exception as error:
        return _saying(failed(error))


def _saying(event: AnswerEvent) -> Generator[Any, Any, None]:
    yield event
