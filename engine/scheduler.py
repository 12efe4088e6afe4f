"""One thread that runs the model for everybody: each turn takes what all admitted work waits for and packs it into one pass.

Work comes as steps (`engine.steps`) from any thread, and its events go back to that thread through a queue. `engine.turns` says who goes
in a turn. An error belongs to the work that caused it: where a packed pass fails, its members go one by one. Knows no prompt and no
store; what touches them runs in this thread too, so nothing of theirs needs a lock.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from engine.errors import EngineClosed
from engine.model.decoder import Decoder
from engine.rate import Rate
from engine.steps import Telling, by_depth, execute, result_of
from engine.task import Addressed, End, Request, Task
from engine.turns import ANSWERS_AT_ONCE, PREFILLS_AT_ONCE, SWEEPS_AT_ONCE, TURN_TOKENS, Kind, Waiting, share_out

logger = logging.getLogger(__name__)

E = TypeVar("E")
K = TypeVar("K")
T = TypeVar("T")
CLOSED = "The engine was closed before this was done. Start it again and try again."


@dataclass(frozen=True, slots=True)
class Load:
    """What the engine does now. `decode_tokens_per_second`: of all answers together, over the last seconds; None where none wrote."""

    answers_running: int
    answers_waiting: int
    sweeps_running: int
    sweeps_waiting: int
    prefills_running: int
    prefills_waiting: int
    decode_tokens_per_second: float | None


class Scheduler:
    """The callers' side. Every method may be called from any thread but the engine's own."""

    def __init__(
        self, decoder: Decoder, *, answers: int = ANSWERS_AT_ONCE, prefills: int = PREFILLS_AT_ONCE, turn_tokens: int = TURN_TOKENS
    ) -> None:
        most = {Kind.ANSWER: answers, Kind.SWEEP: SWEEPS_AT_ONCE, Kind.PREFILL: prefills}
        self._loop = _Loop(decoder, most, turn_tokens)
        self._lock, self._closed = threading.Lock(), False
        # A daemon, so that no exit waits for it for ever; the finalizer ends it in order where nobody calls `close`, at exit too.
        thread = threading.Thread(target=self._loop.run, daemon=True, name="engine")
        thread.start()
        self._finish = weakref.finalize(self, _finish, self._loop, thread)

    def stream(self, steps: Telling[E, T], *, kind: Kind = Kind.ANSWER) -> Generator[E, None, T]:
        """The events of the work as they come; its result is the generator's. The work begins at the first `next` and runs ahead of its
        reader; closing the generator ends it at its next turn. Raises what the steps raise, and EngineClosed when the engine is."""
        outbox: SimpleQueue[Any] = SimpleQueue()
        task = Task(steps, kind, outbox)
        self._put(task)
        try:
            while not isinstance(said := outbox.get(), End):
                yield said
        finally:
            task.cancelled = True
        if said.error is not None:
            raise said.error
        result: T = said.result
        return result

    def stream_all(self, works: Iterator[tuple[K, Telling[E, T]]], *, kind: Kind, ahead: int) -> Iterator[tuple[K, E | End]]:
        """The events of each of the works as they come, and its End, with the work's key. `works` is asked for the next one, in the
        caller's thread, while fewer than `ahead` are under way. Closing the iterator ends all at their next turn."""
        outbox: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        numbers, running = count(), dict[int, tuple[K, Task]]()
        try:
            while True:
                while len(running) < ahead and (work := next(works, None)) is not None:
                    (key, steps), number = work, next(numbers)
                    task = Task(steps, kind, Addressed(outbox, number))
                    running[number] = key, task
                    self._put(task)
                if not running:
                    return
                number, said = outbox.get()
                key, _ = running.pop(number) if isinstance(said, End) else running[number]
                yield key, said
        finally:
            for _, task in running.values():
                task.cancelled = True

    def run(self, steps: Telling[E, T]) -> T:
        """The work's result; its events are dropped. Raises as `stream` does."""
        return result_of(self.stream(steps))

    def call(self, function: Callable[[], T]) -> T:
        """Calls something quick in the engine's thread, between two turns. Raises what it raises, and EngineClosed when closed."""
        call = _Call(function)
        self._put(call)
        result: T = call.future.result()
        return result

    def load(self) -> Load:
        return self.call(self._loop.load)

    def close(self) -> None:
        """Ends the thread after the turn at hand, and all work with an EngineClosed. Closing twice is no error."""
        with self._lock:
            self._closed = True
        self._finish()

    def _put(self, item: Task | _Call) -> None:
        with self._lock:
            if self._closed:
                raise EngineClosed(CLOSED)
            self._loop.inbox.put(item)


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)

    def run(self) -> None:
        try:
            self.future.set_result(self.function())
        except BaseException as error:
            self.future.set_exception(error)


class _Loop:
    """The engine thread's side; None in the inbox ends it. Does not know its Scheduler, so that a forgotten one can go."""

    def __init__(self, decoder: Decoder, most: dict[Kind, int], turn_tokens: int) -> None:
        self.inbox: SimpleQueue[Task | _Call | None] = SimpleQueue()
        self._decoder, self._most, self._turn_tokens = decoder, most, turn_tokens
        self._queues: dict[Kind, deque[Task]] = {kind: deque() for kind in most}
        self._admitted: list[Task] = []
        self._decoded = Rate()

    def run(self) -> None:
        while self._take_in():
            try:
                self._turn()
            except Exception as error:
                logger.exception("The engine's own turn broke; all work in it ends.")
                self._end_all(error)
        self._end_all(EngineClosed(CLOSED))

    def load(self) -> Load:
        running = Counter(task.kind for task in self._admitted)
        waiting = {kind: len(queue) for kind, queue in self._queues.items()}
        return Load(
            answers_running=running[Kind.ANSWER],
            answers_waiting=waiting[Kind.ANSWER],
            sweeps_running=running[Kind.SWEEP],
            sweeps_waiting=waiting[Kind.SWEEP],
            prefills_running=running[Kind.PREFILL],
            prefills_waiting=waiting[Kind.PREFILL],
            decode_tokens_per_second=self._decoded.per_second(time.monotonic()),
        )

    def _take_in(self) -> bool:
        """New work and calls; waits for some where there is nothing to do. False: it is over."""
        idle = not self._admitted and not any(self._queues.values())
        while True:
            try:
                item = self.inbox.get(block=idle)
            except Empty:
                return True
            idle = False
            if item is None:
                return False
            if isinstance(item, _Call):
                item.run()
            else:
                self._queues[item.kind].append(item)

    def _turn(self) -> None:
        self._drop_cancelled()
        self._admit()
        for task in self._admitted:
            if task.can_go_on:
                task.go_on()
        self._admitted = [task for task in self._admitted if not task.ended]
        self._feed([(task, request) for task in self._admitted for request in task.requests if request.left])

    def _drop_cancelled(self) -> None:
        for tasks in (self._admitted, *self._queues.values()):
            for task in [task for task in tasks if task.cancelled]:
                tasks.remove(task)
                task.end(End())

    def _admit(self) -> None:
        for kind, queue in self._queues.items():
            running = sum(task.kind == kind for task in self._admitted)
            for _ in range(min(len(queue), self._most[kind] - running)):
                self._admitted.append(queue.popleft())

    def _feed(self, waiting: list[tuple[Task, Request]]) -> None:
        """One pass with what the policy takes of the requests; one more for those that do not go through all layers."""
        given = share_out([Waiting(request.left, task.kind, request.skipped) for task, request in waiting], self._turn_tokens)
        pack = [(task, request, tokens) for (task, request), tokens in zip(waiting, given, strict=True) if tokens]
        for _, request in waiting:
            request.skipped += 1
        if not pack:
            return
        started = time.monotonic()
        for group in by_depth([request.forward for _, request, _ in pack]):
            self._pass([pack[number] for number in group])
        now = time.monotonic()
        if decoded := sum(task.kind != Kind.PREFILL and len(request.forward.ids) == 1 for task, request, _ in pack):
            self._decoded.note(now, decoded, now - started)

    def _pass(self, pack: list[tuple[Task, Request, int]]) -> None:
        # What another pass of this turn broke has no requests any more.
        pack = [member for member in pack if member[1] in member[0].requests]
        if len(pack) == 1 or not self._together(pack):
            self._one_by_one(pack)

    def _together(self, pack: list[tuple[Task, Request, int]]) -> bool:
        """False where it failed; no cache has grown then."""
        try:
            answers = execute(self._decoder, [request.next(tokens) for _, request, tokens in pack])
        except Exception:
            logger.warning("A packed pass of %d failed; its members go one by one.", len(pack), exc_info=True)
            return False
        for (_, request, tokens), logits in zip(pack, answers, strict=True):
            request.take(tokens, logits)
        return True

    def _one_by_one(self, pack: list[tuple[Task, Request, int]]) -> None:
        """Each alone, and its own error to its own work."""
        for task, request, tokens in pack:
            if request not in task.requests:
                continue  # another of the same work failed
            try:
                (logits,) = execute(self._decoder, [request.next(tokens)])
            except Exception as error:
                task.go_on(error)
            else:
                request.take(tokens, logits)

    def _end_all(self, error: Exception) -> None:
        for tasks in (self._admitted, *self._queues.values()):
            _end(tasks, error)
            tasks.clear()


def _end(tasks: Iterable[Task], error: Exception) -> None:
    for task in tasks:
        if not task.ended:
            task.end(End(error=error))


def _finish(loop: _Loop, thread: threading.Thread) -> None:
    loop.inbox.put(None)
    if thread is not threading.current_thread():
        thread.join()
