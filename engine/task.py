"""One piece of work in the engine's thread: its steps, what they wait for, and where its events go. Knows no other work and no turn."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.steps import Forward, Telling
from engine.turns import Kind

logger = logging.getLogger(__name__)

# So many events in one turn: what is stored already is passed over in no time, and others must not wait for a million of it.
EVENTS_A_TURN = 64


@dataclass(frozen=True, slots=True)
class End:
    """The last thing in an outbox."""

    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class Request:
    """A Forward on its way: `fed` of its tokens have been through the model; it got nothing in the last `skipped` turns."""

    forward: Forward
    fed: int = 0
    skipped: int = 0
    logits: list[Tensor] = field(default_factory=list)

    @property
    def left(self) -> int:
        return len(self.forward.ids) - self.fed

    def next(self, tokens: int) -> Forward:
        """The request for so many of the tokens that are left."""
        return self.forward.part(self.fed, self.fed + tokens)

    def take(self, tokens: int, logits: Tensor) -> None:
        """So many more have been through."""
        self.fed, self.skipped = self.fed + tokens, 0
        self.logits.append(logits)

    def answer(self) -> Tensor:
        return self.logits[0] if len(self.logits) == 1 else torch.cat(self.logits)


class Outbox(Protocol):
    """Where one piece of work puts its events, from the engine's thread."""

    def put(self, item: Any) -> None:
        """Never waits."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """An outbox that shares its queue with others': what comes out is (number, event)."""

    queue: SimpleQueue[tuple[int, Any]]
    number: int

    def put(self, item: Any) -> None:
        self.queue.put((self.number, item))


@dataclass(slots=True, eq=False)
class Task:
    """`outbox` gets the events and then one End. `cancelled` is set by the thread that reads it, all else by the engine's."""

    steps: Telling[Any, Any]
    kind: Kind
    outbox: Outbox
    requests: list[Request] = field(default_factory=list)
    cancelled: bool = False
    ended: bool = False
    _begun: bool = False

    @property
    def can_go_on(self) -> bool:
        return not self.ended and not any(request.left for request in self.requests)

    def go_on(self, error: Exception | None = None) -> None:
        """To where it asks the model again, ends, or has said so much that others have their turn.

        `error`: what the model raised instead of an answer; the steps get it where they wait, and may clean up or do something else."""
        for _ in range(EVENTS_A_TURN):
            step = self._step(error)
            if self.ended:
                return
            if isinstance(step, tuple):
                self.requests = [Request(forward) for forward in step]
                return
            self.outbox.put(step)
            error = None

    def end(self, end: End) -> None:
        """Lets go of the steps, and of the caches that they hold."""
        self.ended, self.requests = True, []
        try:
            self.steps.close()
        except BaseException:
            logger.exception("Work that was ended broke while it cleaned up.")
        self.outbox.put(end)

    def _step(self, error: Exception | None) -> Any:
        requests, self.requests = self.requests, []
        try:
            if error is not None:
                return self.steps.throw(error)
            if self._begun:
                return self.steps.send([request.answer() for request in requests])
            self._begun = True
            return next(self.steps)
        except StopIteration as stop:
            self.end(End(stop.value))
        except BaseException as raised:
            self.end(End(error=raised))
        return None
