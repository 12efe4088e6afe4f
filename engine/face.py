"""What every engine offers, whether the model runs here or on a server. Callers need no more than this. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from engine.events import AnswerEvent, AnswerOptions, EngineStatus, Located, PrefillEvent
from engine.prompt import Prompt
from engine.sweep import SweepEvent


class EngineFace(Protocol):
    """The public face of `engine.engine.Engine` and `engine.remote.engine.RemoteEngine`; their docstrings say what each does."""

    @property
    def name(self) -> str:
        """The model's name, as people see it."""

    def prefill(self, prompt: Prompt, *, deadline: float | None = None) -> Iterator[PrefillEvent]:
        """Do ahead what can be done before a question comes; after `deadline` (time.monotonic seconds) it ends. Nothing for a server."""

    def forget(self, documents: Sequence[str], salt: str) -> None:
        """Delete what is kept of these documents, by their ids, of the owner with this salt. Raises EngineError."""

    def locate(self, prompt: Prompt, question: str, *, limit: int = ...) -> list[Located]:
        """The chunks that may hold the answer, best first. Raises an EngineError."""

    def answer(self, prompt: Prompt, question: str, *, options: AnswerOptions | None = None) -> Iterator[AnswerEvent]:
        """Located, then tokens and quotes, then one Done or Failed. Closing the iterator stops the model."""

    def sweep(self, prompts: Iterable[Prompt], questions: Sequence[str], *, options: AnswerOptions | None = None) -> Iterator[SweepEvent]:
        """Every question put to every document of the prompts alone: events with the document's id and the question's number, each answer
        ending as `answer` does. Closing the iterator stops the model. Raises EngineClosed."""

    def status(self) -> EngineStatus:
        """Which model, where, and what is stored. Raises an EngineError where that cannot be told."""

    def close(self) -> None:
        """Let go of files and connections."""
