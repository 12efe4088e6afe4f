"""The engine killed twenty times at random moments, while it answers and while it reads ahead: nothing of the store is wrong or lost, and
what is asked afterwards is answered as if nothing had happened. With a small random model, which is there in a moment."""

from __future__ import annotations

import multiprocessing
import random
import time
from contextlib import suppress
from pathlib import Path

import lmdb
import pytest

from engine.cache.folder import FILE
from engine.loading.bundled import fetch
from engine.loading.gguf_tokenizer import gguf_tokenizer_json
from engine.tokenizer import Tokenizer
from tests.engine.checkpoints import save_random
from tests.flow.asking import PROMPTS, run

pytestmark = [pytest.mark.slow, pytest.mark.weights]

KINDS = (b"state", b"scan")


# Each process is forked from one that has imported everything, and only that.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["__main__", "tests.flow.asking"])


class Asking:
    """One process of tests.flow.asking."""

    def __init__(self, folder: Path, store: str, *numbers: int) -> None:
        self.said, told = PROCESSES.Pipe(duplex=False)
        places = (folder / name for name in ("model", store, "texts"))
        self.process = PROCESSES.Process(target=run, args=(told, *places, list(numbers)))
        self.process.start()
        told.close()
        assert self.said.recv() == "open"

    def to_the_end(self) -> list[object]:
        answers = self._rest()
        self.process.join(60)
        assert self.process.exitcode == 0
        return answers

    def killed_after(self, seconds: float) -> bool:
        """Whether that came before its end."""
        time.sleep(seconds)
        self.process.kill()
        self.process.join(10)
        return not self._rest()

    def _rest(self) -> list[object]:
        answers = []
        with suppress(EOFError, ConnectionResetError):
            while True:
                answers.append(self.said.recv())
        return answers


def records(store: Path) -> dict[tuple[bytes, bytes], bytes]:
    """All that was written, as it lies on the disk."""
    with lmdb.open(str(store / FILE), subdir=False, max_dbs=8, readonly=True, lock=False) as env:
        found = {}
        for kind in KINDS:
            table = env.open_db(kind, create=False)
            with env.begin(table) as transaction:
                found |= {(kind, bytes(key)): bytes(value) for key, value in transaction.cursor()}
        return found


def test_it_answers_and_stores_the_same_after_twenty_kills(tmp_path: Path) -> None:
    vocabulary = gguf_tokenizer_json(fetch() / "model.gguf")
    save_random("llama", tmp_path / "model", num_hidden_layers=12, vocab_size=len(Tokenizer(vocabulary)), max_position_embeddings=2048)
    (tmp_path / "model" / "tokenizer.json").write_text(vocabulary, encoding="utf-8")
    every = range(PROMPTS)
    before = time.perf_counter()
    expected = Asking(tmp_path, "quiet", *every).to_the_end()
    seconds_each = (time.perf_counter() - before) / PROMPTS
    moments = random.Random(20)
    kills = [Asking(tmp_path, "disturbed", number).killed_after(moments.uniform(0, 0.6 * seconds_each)) for number in range(PROMPTS)]
    assert sum(kills) >= PROMPTS // 2, "the kills came too late to disturb anything"
    whole, found = records(tmp_path / "quiet"), records(tmp_path / "disturbed")
    assert 0 < len(found) < len(whole)
    assert found.items() <= whole.items()
    assert Asking(tmp_path, "disturbed", *every).to_the_end() == expected
    assert records(tmp_path / "disturbed") == whole
