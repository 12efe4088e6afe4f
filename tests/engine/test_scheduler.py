"""The engine's thread: what it packs together, who waits, whose error is whose, and how it ends. With a scripted decoder that remembers
what it was given, and with a tiny real one."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.errors import EngineError
from engine.model.attention import Segment
from engine.scheduler import Scheduler
from engine.steps import Forward, Steps, Telling, forward, run
from engine.task import EVENTS_A_TURN, End, Task
from engine.turns import PATIENCE_TURNS, SLICE_TOKENS, SWEEPS_AT_ONCE, TURN_TOKENS, Kind
from tests.architecture.source import ROOT
from tests.engine.test_steps import greedy
from tests.engine.tiny import tiny_decoder

BAD = 6666
SECONDS = 10.0


@dataclass(eq=False)
class Name:
    """Stands for a cache."""

    name: str


@dataclass
class Scripted:
    """A decoder whose logits are the ids themselves. It fails on BAD, and waits before each pass until it is `free`."""

    packs: list[dict[str, int]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)
    vocab: int = 1

    @property
    def config(self) -> Scripted:
        return self

    def read(self, ids: Tensor, segments: Sequence[Segment], features: Tensor | None) -> None:
        self(ids, segments, features)

    def __call__(self, ids: Tensor, segments: Sequence[Segment], features: Tensor | None, rows: Sequence[int] | None = None) -> Tensor:
        assert features is None
        self.packs.append({segment.cache.name: segment.tokens for segment in segments})  # type: ignore[attr-defined]
        assert self.free.wait(SECONDS)
        if BAD in ids:
            raise IndexError("no such token")
        return ids[:, None].float() if rows is None else ids[list(rows), None].float()

    def logits(self, hidden: Tensor) -> Tensor:
        self.rows.append(len(hidden))
        return hidden


class Reader(threading.Thread):
    """A caller: reads what the scheduler says of one piece of work to its end."""

    def __init__(self, scheduler: Scheduler, steps: Telling[Any, Any], kind: Kind = Kind.ANSWER) -> None:
        super().__init__(daemon=True)
        self.stream = scheduler.stream(steps, kind=kind)
        self.told: list[Any] = []
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            while True:
                self.told.append(next(self.stream))
        except StopIteration as end:
            self.result = end.value
        except BaseException as error:
            self.error = error

    def end(self) -> Reader:
        self.join(SECONDS)
        assert not self.is_alive(), "the work did not end"
        return self


@pytest.fixture
def decoder() -> Scripted:
    return Scripted()


@pytest.fixture
def scheduler(decoder: Scripted) -> Iterator[Scheduler]:
    scheduler = Scheduler(decoder, answers=4)  # type: ignore[arg-type]
    yield scheduler
    decoder.free.set()
    scheduler.close()


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def together(scheduler: Scheduler, decoder: Scripted, *works: Telling[Any, Any], prefill: Sequence[int] = ()) -> list[Reader]:
    """The works, all of them waiting when the engine's thread, which is kept busy until then, looks for some."""
    threading.Thread(target=lambda: scheduler.call(lambda: decoder.free.wait(SECONDS)), daemon=True).start()
    wait_until(lambda: scheduler._loop.inbox.qsize() == 0)
    readers: list[Reader] = []
    for number, steps in enumerate(works):
        readers.append(Reader(scheduler, steps, Kind.PREFILL if number in prefill else Kind.ANSWER))
        wait_until(lambda: scheduler._loop.inbox.qsize() == len(readers))
    decoder.free.set()
    return readers


def asking(name: str, requests: Sequence[Sequence[int]]) -> Telling[int, list[int]]:
    """Asks for one pass after another, wants and tells the last row of each."""
    cache, got = Name(name), []
    for ids in requests:
        logits = yield from forward(torch.tensor(ids), cache, range(len(ids) - 1, len(ids)))  # type: ignore[arg-type]
        got.append(int(logits[0, 0]))
        yield got[-1]
    return got


def test_it_packs_what_waits_into_one_pass(scheduler: Scheduler, decoder: Scripted) -> None:
    readers = together(scheduler, decoder, *(asking(name, [[7, 8, 9], [10], [11]]) for name in "abc"))
    assert [reader.end().told for reader in readers] == [[9, 10, 11]] * 3
    assert [reader.result for reader in readers] == [[9, 10, 11]] * 3
    assert decoder.packs == [{"a": 3, "b": 3, "c": 3}, *[{"a": 1, "b": 1, "c": 1}] * 2]
    assert decoder.rows == [3, 3, 3], "logits of the wanted rows only"


def test_it_takes_in_a_new_question_while_another_streams(scheduler: Scheduler, decoder: Scripted) -> None:
    decoder.free.set()
    seen = list[int]()

    def long() -> Telling[int, None]:
        cache = Name("long")
        while len(seen) < 100_000 and not (decoder.packs and "short" in decoder.packs[-1]):
            yield from forward(torch.tensor([1]), cache)  # type: ignore[arg-type]
            seen.append(1)
            yield 1

    stream = scheduler.stream(long())
    next(stream)
    assert scheduler.run(asking("short", [[1], [2]])) == [1, 2]
    assert {"long": 1, "short": 1} in decoder.packs
    assert len(list(stream)) < 100_000


def test_it_feeds_a_long_request_in_slices_beside_short_ones(scheduler: Scheduler, decoder: Scripted) -> None:
    long = list(range(1, 1501))

    def wanting() -> Steps[list[int]]:
        logits = yield from forward(torch.tensor(long), Name("long"), range(500, 1100))  # type: ignore[arg-type]
        return logits[:, 0].int().tolist()

    one, two = together(scheduler, decoder, wanting(), asking("short", [[5]] * 3))
    assert one.end().result == long[500:1100]
    assert two.end().told == [5, 5, 5]
    assert decoder.packs[:2] == [{"long": TURN_TOKENS - 1, "short": 1}] * 2
    assert sum(pack.get("long", 0) for pack in decoder.packs) == 1500


def test_it_answers_several_requests_of_one_step_in_their_order(scheduler: Scheduler, decoder: Scripted) -> None:
    def several() -> Steps[list[list[int]]]:
        sizes = (300, 2, 400)
        answers = yield tuple(Forward(torch.full((size,), size), Name(str(size)), range(size - 2, size)) for size in sizes)  # type: ignore[arg-type]
        return [logits.flatten().int().tolist() for logits in answers]

    (reader,) = together(scheduler, decoder, several())
    assert reader.end().result == [[300, 300], [2, 2], [400, 400]]


def test_it_admits_so_many_and_lets_the_others_wait_in_order(scheduler: Scheduler, decoder: Scripted) -> None:
    readers = together(scheduler, decoder, *(asking(name, [[1]] * 3) for name in "abcdefg"))
    for reader in readers:
        assert reader.end().result == [1, 1, 1]
    assert [sorted(pack) for pack in decoder.packs] == [*[["a", "b", "c", "d"]] * 3, *[["e", "f", "g"]] * 3]


def test_it_says_what_runs_and_what_waits(scheduler: Scheduler, decoder: Scripted) -> None:
    works = [*(asking(name, [[1]] * 50) for name in "abcdef"), asking("book", [[1]]), asking("other book", [[1]])]

    def counting() -> Telling[int, None]:
        yield from works[0]
        yield 1

    loads = []
    original = scheduler._loop._feed
    scheduler._loop._feed = lambda waiting: (loads.append(scheduler._loop.load()), original(waiting))  # type: ignore[method-assign, assign]
    readers = together(scheduler, decoder, counting(), *works[1:], prefill=(6, 7))
    for reader in readers:
        reader.end()
    load = loads[2]
    assert (load.answers_running, load.answers_waiting, load.prefills_running, load.prefills_waiting) == (4, 2, 1, 1)
    rate = scheduler.load().decode_tokens_per_second
    assert rate is not None
    assert rate > 0


def test_it_gives_reading_ahead_a_slice_now_and_then_and_all_when_nobody_asks(scheduler: Scheduler, decoder: Scripted) -> None:
    book, answer = together(scheduler, decoder, asking("book", [[1] * 4000]), asking("answer", [[1]] * 20), prefill=(0,))
    book.end(), answer.end()
    shared = [pack.get("book", 0) for pack in decoder.packs if "answer" in pack]
    assert len(shared) == 20, "no token of the answer waits for the book"
    assert shared == [0 if turn % (PATIENCE_TURNS + 1) < PATIENCE_TURNS else SLICE_TOKENS for turn in range(20)]
    assert decoder.packs[-2]["book"] == TURN_TOKENS
    assert sum(pack.get("book", 0) for pack in decoder.packs) == 4000


def test_it_does_not_let_others_wait_for_what_says_much(scheduler: Scheduler, decoder: Scripted) -> None:
    said = list[int]()

    def talking() -> Telling[int, None]:
        for number in range(100 * EVENTS_A_TURN):
            said.append(number)
            yield number

    def looking() -> Steps[int]:
        yield from forward(torch.tensor([1]), Name("a"))  # type: ignore[arg-type]
        return len(said)

    talk, look = together(scheduler, decoder, talking(), looking(), prefill=(0,))
    assert look.end().result <= 2 * EVENTS_A_TURN
    assert talk.end().told == list(range(100 * EVENTS_A_TURN))


def test_it_packs_a_sweep_s_works_some_at_a_time_and_lets_an_answer_go_first(scheduler: Scheduler, decoder: Scripted) -> None:
    names, asked = [f"cell {number}" for number in range(9)], list[str]()

    def works() -> Iterator[tuple[str, Telling[int, list[int]]]]:
        for name in names:
            asked.append(name)
            yield name, asking(name, [[1, 2], [3]])

    told, held = list[tuple[str, object]](), threading.Event()

    def sweep() -> None:
        for key, said in scheduler.stream_all(works(), kind=Kind.SWEEP, ahead=6):
            told.append((key, said))
            held.wait(SECONDS)

    reader = threading.Thread(target=sweep, daemon=True)
    reader.start()
    wait_until(lambda: decoder.packs)
    assert asked == names[:6], "no more are prepared than may be under way"
    answer = Reader(scheduler, asking("answer", [[5]] * 2))
    wait_until(lambda: scheduler._loop.inbox.qsize() == 1)
    decoder.free.set(), held.set()
    assert answer.end().told == [5, 5]
    reader.join(SECONDS)
    assert decoder.packs[0] == dict.fromkeys(names[:SWEEPS_AT_ONCE], 2)
    assert decoder.packs[1:3] == [{"answer": 1}] * 2, "it takes whole turns while somebody waits"
    assert [key for key, said in told if isinstance(said, End)] == names
    assert [said for key, said in told if key == names[7]][:2] == [2, 3]


def test_it_ends_all_of_a_sweep_when_its_reader_closes(scheduler: Scheduler, decoder: Scripted) -> None:
    decoder.free.set()
    stream = scheduler.stream_all(((number, asking(str(number), [[1]] * 100_000)) for number in range(9)), kind=Kind.SWEEP, ahead=6)
    next(stream)
    load = scheduler.load()
    assert (load.sweeps_running, load.sweeps_waiting, load.answers_running) == (SWEEPS_AT_ONCE, 2, 0)
    stream.close()  # type: ignore[attr-defined]
    wait_until(lambda: scheduler.load().sweeps_running == scheduler.load().sweeps_waiting == 0)


def test_it_drops_work_and_its_caches_when_its_reader_closes(scheduler: Scheduler, decoder: Scripted) -> None:
    decoder.free.set()
    caches = list[weakref.ref[Name]]()
    cleaned = threading.Event()

    def endless() -> Telling[int, None]:
        cache = Name("endless")
        caches.append(weakref.ref(cache))
        try:
            while True:
                yield from forward(torch.tensor([1]), cache)  # type: ignore[arg-type]
                yield 1
        finally:
            cleaned.set()

    stream = scheduler.stream(endless())
    next(stream)
    stream.close()
    assert cleaned.wait(SECONDS)
    wait_until(lambda: scheduler.load().answers_running == 0)
    gc.collect()
    assert caches[0]() is None
    assert scheduler.run(asking("next", [[3]])) == [3]


def test_it_never_begins_what_was_closed_while_it_waited(scheduler: Scheduler) -> None:
    begun = list[int]()

    def late() -> Telling[int, None]:
        begun.append(1)
        yield 1

    outbox = SimpleQueue[Any]()
    scheduler._put(Task(late(), Kind.ANSWER, outbox, cancelled=True))
    assert isinstance(outbox.get(timeout=SECONDS), End)
    assert not begun


def test_it_gives_an_error_to_the_work_that_caused_it(scheduler: Scheduler, decoder: Scripted) -> None:
    def broken() -> Telling[int, None]:
        yield from forward(torch.tensor([1]), Name("broken"))  # type: ignore[arg-type]
        raise KeyError("mine")

    bad, good = together(scheduler, decoder, broken(), asking("good", [[1], [2], [3]]))
    assert isinstance(bad.end().error, KeyError)
    assert good.end().result == [1, 2, 3]


def test_it_fails_only_the_bad_one_of_a_packed_pass(scheduler: Scheduler, decoder: Scripted) -> None:
    works = [asking("a", [[1], [2]]), asking("bad", [[BAD]]), asking("c", [[3], [4]])]
    a, bad, c = together(scheduler, decoder, *works)
    assert isinstance(bad.end().error, IndexError)
    assert (a.end().result, c.end().result) == ([1, 2], [3, 4])
    assert decoder.packs == [{"a": 1, "bad": 1, "c": 1}, {"a": 1}, {"bad": 1}, {"c": 1}, {"a": 1, "c": 1}]


def test_it_tells_the_steps_of_the_model_s_error_where_they_wait(scheduler: Scheduler, decoder: Scripted) -> None:
    def careful() -> Telling[str, str]:
        try:
            yield (Forward(torch.tensor([BAD]), Name("bad")), Forward(torch.tensor([1]), Name("sibling")))  # type: ignore[arg-type]
        except IndexError:
            yield "tried"
        logits = yield from forward(torch.tensor([5]), Name("again"), range(1))  # type: ignore[arg-type]
        return f"got {int(logits[0, 0])}"

    (reader,) = together(scheduler, decoder, careful())
    assert (reader.end().told, reader.result) == (["tried"], "got 5")


def test_it_calls_in_its_own_thread_and_raises_in_the_caller_s(scheduler: Scheduler) -> None:
    assert scheduler.call(threading.current_thread).name == "engine"
    with pytest.raises(ZeroDivisionError):
        scheduler.call(lambda: 1 // 0)


def test_it_ends_all_work_when_it_is_closed(scheduler: Scheduler, decoder: Scripted) -> None:
    running = [Reader(scheduler, asking(name, [[1]] * 100_000)) for name in "abcdefg"]
    wait_until(lambda: decoder.packs)
    decoder.free.set()
    scheduler.close()
    scheduler.close()
    assert all(isinstance(reader.end().error, EngineError) for reader in running)
    for refused in (lambda: scheduler.run(asking("late", [[1]])), lambda: scheduler.call(list), scheduler.load):
        with pytest.raises(EngineError, match="closed"):
            refused()


def test_it_ends_its_thread_when_it_is_forgotten(decoder: Scripted) -> None:
    scheduler = Scheduler(decoder)  # type: ignore[arg-type]
    thread = scheduler.call(threading.current_thread)
    del scheduler
    gc.collect()
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_it_holds_up_no_exit() -> None:
    code = """
import torch
from engine.scheduler import Scheduler
from engine.steps import forward
from tests.engine.tiny import tiny_decoder

decoder = tiny_decoder()
def endless():
    cache = decoder.new_cache()
    while True:
        yield from forward(torch.tensor([1]), cache)
        yield "going"
scheduler = Scheduler(decoder)
stream = scheduler.stream(endless())
print(next(stream))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "going\n", "")


@pytest.mark.parametrize("turn_tokens", [TURN_TOKENS, 7])
def test_it_writes_together_what_it_writes_alone(turn_tokens: int) -> None:
    """Token for token in fp32, prompts of unequal lengths, whole or in slices."""
    decoder = tiny_decoder()
    prompts = [
        torch.randint(1, decoder.config.vocab, (size,), generator=torch.Generator().manual_seed(size)) for size in (3, 11, 40, 5, 90, 1)
    ]
    alone = [run(greedy(decoder, ids, 24), decoder) for ids in prompts]
    scheduler = Scheduler(decoder, turn_tokens=turn_tokens)
    readers = [Reader(scheduler, greedy(decoder, ids, 24)) for ids in prompts]
    assert [reader.end().result for reader in readers] == alone
    assert len({tuple(tokens) for tokens in alone}) == len(alone), "six different answers"
    scheduler.close()


def test_it_loses_no_token_where_every_packed_pass_breaks_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with too little memory for all at once: what the broken passes wrote into the caches must not count."""
    decoder = tiny_decoder()
    prompts = [torch.arange(size) % 90 + 1 for size in (4, 300, 9)]
    alone = [run(greedy(decoder, ids, 8), decoder) for ids in prompts]
    layer, broken = decoder.layers[1].forward, list[int]()

    def breaking(x: Tensor, places: object, segments: Sequence[Segment]) -> Tensor:
        if len(segments) > 1:
            broken.append(len(segments))
            raise RuntimeError("out of memory")
        mixed: Tensor = layer(x, places, segments)
        return mixed

    monkeypatch.setattr(decoder.layers[1], "forward", breaking)
    scheduler = Scheduler(decoder, turn_tokens=40)
    readers = [Reader(scheduler, greedy(decoder, ids, 8)) for ids in prompts]
    assert [reader.end().result for reader in readers] == alone
    assert broken
    scheduler.close()


def test_it_gives_the_logits_that_a_pass_alone_gives() -> None:
    """Largest difference over slices of 7 tokens of three sequences at once: under 1e-4 in fp32."""
    decoder = tiny_decoder()
    prompts = [torch.arange(size) % decoder.config.vocab for size in (33, 80, 21)]

    def all_rows() -> Steps[list[Tensor]]:
        answers = yield tuple(Forward(ids, decoder.new_cache(), range(len(ids))) for ids in prompts)
        return answers

    scheduler = Scheduler(decoder, turn_tokens=7)
    for ids, logits in zip(prompts, scheduler.run(all_rows()), strict=True):
        expected = decoder.logits(decoder(ids, [Segment(decoder.new_cache(), len(ids))]))
        assert (logits - expected).abs().max() < 1e-4
    scheduler.close()
