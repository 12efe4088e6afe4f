"""Several answers at once, each read in a thread of its own, as one iterator. Knows no server and no prompt. Imports no torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from queue import SimpleQueue
from typing import Generic, TypeVar

from engine.events import AnswerEvent
from engine.failed import failed

K = TypeVar("K")
Answering = Callable[[], Iterator[AnswerEvent]]


def side_by_side(answers: Iterator[tuple[K, Answering]], at_once: int) -> Generator[tuple[K, AnswerEvent], None, None]:
    """The events of all of them as they come, each with its answer's key; what breaks one ends that one with a Failed.

    Closing the generator closes each answer at its next event and begins no other.
    """
    reading = _Reading(answers)
    threads = [threading.Thread(target=reading.run, daemon=True, name="sweep") for _ in range(at_once)]
    try:
        for thread in threads:
            thread.start()
        while threads:
            said = reading.said.get()
            if said is None:
                threads.pop()
            else:
                yield said
    finally:
        reading.ended.set()


class _Reading(Generic[K]):
    """What the threads share. `said` gets the events, and a None from each thread that has nothing more to do."""

    def __init__(self, answers: Iterator[tuple[K, Answering]]) -> None:
        self.said: SimpleQueue[tuple[K, AnswerEvent] | None] = SimpleQueue()
        self.ended = threading.Event()
        self._answers, self._lock = answers, threading.Lock()

    def run(self) -> None:
        try:
            while not self.ended.is_set() and (answer := self._next()) is not None:
                self._read(*answer)
        finally:
            self.said.put(None)

    def _next(self) -> tuple[K, Answering] | None:
        with self._lock:
            return next(self._answers, None)

    def _read(self, key: K, answering: Answering) -> None:
        try:
            with closing(answering()) as events:  # type: ignore[type-var]
                for event in events:
                    if self.ended.is_set():
                        return
                    self.said.put((key, event))
        except Exception as error:
            self.said.put((key, failed(error)))
