"""Work that waits its turn in a worker: one at a time, each name once, nobody else's thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from webapp.core import lane as lanes
from webapp.core.lane import Lane

SECONDS = 5.0


class Held:
    """Work that is held until it is let go, and remembers who did what."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.done: list[str] = []
        self.running = 0
        self.most = 0

    def work(self, name: str) -> Callable[[], None]:
        def run() -> None:
            self.running += 1
            self.most = max(self.most, self.running)
            assert self.free.wait(SECONDS)
            self.running -= 1
            self.done.append(name)

        return run


@pytest.fixture
def held() -> Held:
    return Held()


def put(lane: Lane, held: Held, *names: str) -> None:
    for name in names:
        lane.put(name, held.work(name))


def ended(lane: Lane, held: Held) -> list[str]:
    held.free.set()
    wait_until(lambda: not lane._waiting and not held.running)
    lane.end()
    lane.join()
    return held.done


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_does_one_at_a_time_in_order_and_never_in_the_caller_s_thread(held: Held) -> None:
    lane = Lane("test")
    put(lane, held, "a", "b", "c")
    assert ended(lane, held) == ["a", "b", "c"]
    assert held.most == 1


def test_it_lets_a_name_wait_once_and_come_again_after_its_turn(held: Held) -> None:
    lane = Lane("test")
    put(lane, held, "a")
    wait_until(lambda: held.running)
    put(lane, held, "b", "b", "a", "b")
    assert ended(lane, held) == ["a", "b", "a"]


def test_it_goes_on_after_work_that_breaks(held: Held) -> None:
    lane = Lane("test")
    lane.put("broken", lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    put(lane, held, "good")
    assert ended(lane, held) == ["good"]


def test_it_says_what_still_waits(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "KEEP_SECONDS", 0.0)
    kept: list[list[str]] = []
    lane = Lane("test", keep=kept.append)
    put(lane, held, "a")
    wait_until(lambda: held.running)
    put(lane, held, "b", "c")
    ended(lane, held)
    assert kept == [["c"]]


def test_it_ends_with_the_work_at_hand_when_the_worker_shuts_down(held: Held) -> None:
    lane = Lane("test")
    put(lane, held, "a", "b")
    wait_until(lambda: held.running)
    lanes.end_lanes()
    held.free.set()
    lanes.join_lanes()
    assert held.done == ["a"]
    assert lane._thread is not None
    assert not lane._thread.is_alive()
