"""A question to read documents: the engine's events become one object, as design.md fixes it. Prints nothing and parses nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.access import get_engine
from engine.events import AnswerEvent, AnswerOptions, Done, Failed, Located, Quote
from engine.face import EngineFace
from engine.loading.bundled import default_folder
from engine.prompt import Prompt
from ingest.model import BY_OCR, Reading
from ingest.prompt.page_map import PageMap
from ingest.sources import Source

Answered = dict[str, Any]
"""The object that `ask --json` prints."""
_READ: dict[str, str] = {
    Reading.OCR: " (read by OCR)",
    Reading.UNCERTAIN: " (read by OCR, some words uncertain)",
    Reading.POOR: " (read by OCR, but badly: compare with the picture)",
}


class AnswerFailed(Exception):
    """The engine could not answer; `str(error)` says why and what to do."""


def home_folder() -> Path:
    """Where parsed files and stored state are kept: LONGREAD_HOME, else `var` of the checkout."""
    return Path(os.environ.get("LONGREAD_HOME") or Path(__file__).resolve().parents[1] / "var").resolve()


def model_folder() -> Path:
    """LONGREAD_MODEL, else the bundled model."""
    return Path(os.environ.get("LONGREAD_MODEL") or default_folder())


def open_engine(home: Path) -> EngineFace:
    """The engine that the settings name: a server's, or this machine's, which imports torch. Raises an EngineError."""
    return get_engine(model_folder(), home / "store")


def ask(
    engine: EngineFace,
    prompt: Prompt,
    sources: Mapping[str, Source],
    question: str,
    *,
    parse_s: float,
    watch: Callable[[AnswerEvent], None],
) -> Answered:
    """Asks and waits for the end; `watch` sees each event as it comes. `sources` by document id. Raises AnswerFailed."""
    answer = _Answer(SourcePlaces(sources))
    for event in engine.answer(prompt, question, options=AnswerOptions()):
        watch(event)
        answer.take(event)
    return answer.whole(parse_s)


@dataclass(slots=True)
class SourcePlaces:
    """Characters of documents to places, with each page map opened once."""

    sources: Mapping[str, Source]
    maps: dict[str, PageMap] = field(default_factory=dict)

    def place(self, document: str, start: int, end: int) -> Answered:
        source = self.sources[document]
        if document not in self.maps:
            self.maps[document] = PageMap.open(source.folder.parsed)
        place = self.maps[document].place(start, end)
        found: Answered = {"document": source.name, "page": place.page}
        if place.page is None:
            found |= {"path": source.path or source.name, "first_line": place.first_line, "last_line": place.last_line}
        elif source.path:
            found |= {"path": source.path}
        if place.reading in BY_OCR:
            found |= {"reading": place.reading.value}
        return found

    def located(self, located: Located) -> Answered:
        """A located passage as `ask --json` prints it."""
        place = self.place(located.document, located.start_char, located.end_char)
        scores = {"score": located.score, "lexical": located.lexical, "attention": located.attention}
        return place | scores | {"text": located.text}


@dataclass(slots=True)
class _Answer:
    """What has been seen of one answer."""

    places: SourcePlaces
    located: list[Answered] = field(default_factory=list)
    citations: list[Answered] = field(default_factory=list)
    done: Done | None = None

    def take(self, event: AnswerEvent) -> None:
        if isinstance(event, Located):
            self.located.append(self.places.located(event))
        elif isinstance(event, Quote):
            place = self.places.place(event.document, event.start_char, event.end_char)
            span = {"start_char": event.start_char, "end_char": event.end_char}
            self.citations.append(place | {"quote": event.text, **span, "verified": event.verified})
        elif isinstance(event, Failed):
            raise AnswerFailed(event.message)
        elif isinstance(event, Done):
            self.done = event

    def whole(self, parse_s: float) -> Answered:
        if self.done is None:
            raise AnswerFailed("The engine stopped before the answer was whole. Ask again.")
        done, usage, timings = self.done, self.done.usage, self.done.timings
        return {
            "answer": done.answer,
            "found": done.found,
            "confidence": done.confidence,
            "citations": self.citations,
            "located": self.located,
            "model": done.model,
            "mode": done.mode,
            "usage": {
                "prompt_tokens": usage.prompt_tokens,
                "chunks": usage.chunks,
                "read_tokens": usage.read_tokens,
                "indexed_tokens": usage.indexed_tokens,
            }
            | ({"named": list(usage.named)} if usage.named else {}),
            "timings": {
                "parse_s": round(parse_s, 4),
                "prefill_s": timings.prefill_s,
                "locate_s": timings.locate_s,
                "first_token_s": timings.first_token_s,
                "total_s": timings.total_s,
            },
        }


def place_name(cited: Answered) -> str:
    """A citation's or located passage's place in words: `contract.pdf, page 3` or `code.zip: fees.py, lines 3-9`."""
    path = cited.get("path")
    name = cited["document"] if path in (None, cited["document"]) else f"{cited['document']}: {path}"
    if cited["page"] is not None:
        return f"{name}, page {cited['page']}"
    return f"{name}, {_lines(cited['first_line'], cited['last_line'])}"


def doubts(cited: Answered) -> str:
    """What is to be said after a citation's place: '' of what stands there word for word in the file's own words."""
    return ("" if cited["verified"] else " (unverified)") + _READ.get(cited.get("reading", ""), "")


def _lines(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}-{last}"
