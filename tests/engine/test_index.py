"""The index tier: what a scan record is, in which order chunks are read, slices, and what becomes of a document's records. fp32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import index
from engine.cache.keys import chunk_key, chunk_keys, document_key
from engine.cache.store import ChunkStore
from engine.chat_format import Asked
from engine.errors import PromptUnreadable, StoreFull
from engine.events import PrefillEvent
from engine.index import MODE, Indexer
from engine.loading.load import load_model
from engine.model.decoder import Decoder
from engine.model.scan_head import ScanHead
from engine.prompt import ImageSegment, Prompt
from engine.runs import RunReader
from engine.steps import execute, run, stream
from tests.engine.checkpoints import save_random
from tests.engine.fed import Fed, tokens
from tests.engine.prompts import prompt_of_ids
from tests.engine.test_scan_head import head, reference

PREFIX, LAYERS, WIDTH = tokens(5, 1), (1, 2), 16
# Page after page: within the prefix's attention chunk of the random Llama 4, past it, past several.
CHUNKS = [tokens(length, seed) for seed, length in enumerate((3, 40, 11, 500, 700, 20), 10)]


class Model:
    def __init__(self, family: str, folder: Path) -> None:
        self.theirs: Any = save_random(family, folder)
        loaded = load_model(folder)
        self.decoder, self.fingerprint = Decoder.from_weights(loaded.config, loaded.decoder), loaded.fingerprint
        self.head: ScanHead = head(loaded.config.hidden, *LAYERS)
        self.fed = Fed(self.decoder)

    def indexer(self, store: ChunkStore, scan: ScanHead | None = None) -> Indexer:
        return Indexer(RunReader(self.decoder, store, self.fingerprint), PREFIX, scan or self.head, self.fingerprint)

    def expected(self, ids: np.ndarray[Any, Any]) -> torch.Tensor:
        """The record of a chunk, from transformers' hidden states."""
        hidden = reference(self.theirs, torch.from_numpy(np.concatenate((PREFIX, ids))), LAYERS)[len(PREFIX) :]
        unit = torch.nn.functional.normalize(hidden @ self.head.key.T, dim=-1)
        return torch.round(unit * 127)


@pytest.fixture(scope="module", params=["llama4_text", "llama"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(request.param, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model("llama", tmp_path_factory.mktemp("model"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChunkStore]:
    store = ChunkStore(tmp_path / "store", 50 << 20)
    yield store
    store.close()


def prompt(salt: str = "alice") -> Prompt:
    return prompt_of_ids(CHUNKS[:4], CHUNKS[4:], salt=salt)


def events(model: Model, indexer: Indexer, asked: Prompt, deadline: float | None = None) -> list[PrefillEvent]:
    return list(stream(indexer.prefill(asked, deadline), model.decoder))


def records(store: ChunkStore, indexer: Indexer, asked: Prompt) -> list[bytes | None]:
    return [store.get("scan", key) for document in asked.documents for key in indexer.keys(document, asked.salt)]


def test_a_record_is_a_vector_a_token_of_the_chunk_read_alone_after_the_prefix(model: Model, store: ChunkStore) -> None:
    indexer = model.indexer(store)
    told = events(model, indexer, prompt())
    for record, ids in zip(records(store, indexer, prompt()), CHUNKS, strict=True):
        assert record is not None
        found = torch.frombuffer(bytearray(record), dtype=torch.int8).view(len(ids), WIDTH)
        assert (found - model.expected(ids)).abs().max() <= 1, "but for what lies on the edge between two bytes"
    assert told[0] == PrefillEvent("d0", 0, 6, 0, 1274, tier="index")
    assert told[-1] == PrefillEvent("d1", 6, 6, 1274, 1274, tier="index")


def test_it_reads_several_chunks_together_and_none_twice(llama: Model, store: ChunkStore) -> None:
    indexer = llama.indexer(store)
    llama.fed.take()
    told = events(llama, indexer, prompt())
    assert llama.fed.take() == len(PREFIX) + 1274
    assert [event.chunks_done for event in told] == [0, 4, 6], "up to 1,024 tokens a batch"
    assert events(llama, indexer, prompt()) == [replace(told[-1], document="d0")]
    assert llama.fed.take() == 0


def test_it_goes_on_where_a_deadline_ended_it(llama: Model, store: ChunkStore) -> None:
    indexer = llama.indexer(store)
    first = stream(indexer.prefill(prompt(), deadline=0.0), llama.decoder)
    assert [event.tokens_done for event in first] == [0, 554]
    assert [event.tokens_done for event in events(llama, indexer, prompt(), 0.0)] == [554, 1274]


def test_it_says_whether_all_is_indexed(llama: Model, store: ChunkStore) -> None:
    indexer = llama.indexer(store)
    assert run(indexer.prefill(prompt(), deadline=0.0), llama.decoder) is False
    assert run(indexer.prefill(prompt(), deadline=0.0), llama.decoder) is True
    assert run(indexer.prefill(prompt()), llama.decoder) is True
    empty = replace(prompt(), documents=())
    assert events(llama, indexer, empty) == []


def test_what_is_asked_about_goes_first(llama: Model, store: ChunkStore) -> None:
    indexer, asked = llama.indexer(store), prompt()
    indexer.want(asked, [asked.document("d1").chunk(1), asked.document("d0").chunk(3)])
    stream_ = stream(indexer.prefill(asked), llama.decoder)
    next(stream_)
    next(stream_)
    stored = [record is not None for record in records(store, indexer, asked)]
    assert stored == [True, True, True, True, False, True], "the wanted ones, and as many others as find room beside them"
    stream_.close()


def test_its_keys_say_what_a_record_depends_on(llama: Model, store: ChunkStore) -> None:
    document = prompt().documents[0]
    keys = llama.indexer(store).keys(document, "alice")
    assert len(set(keys)) == len(CHUNKS[:4])
    assert not set(keys) & set(llama.indexer(store).keys(document, "bob"))
    assert not set(keys) & set(llama.indexer(store, replace(llama.head, fingerprint="another")).keys(document, "alice"))
    other = prompt_of_ids([CHUNKS[5], CHUNKS[2], CHUNKS[0]]).documents[0]
    assert llama.indexer(store).keys(other, "alice")[1:] == [keys[2], keys[0]], "neither its place nor its neighbours count"


def test_many_keys_are_those_of_one_chunk_each() -> None:
    image = ImageSegment(Path("page.png"), "digest", 3, 9, (1, 1))
    document = prompt_of_ids(CHUNKS, images={1: (image,), 4: (image, image)}).documents[0]
    common: dict[str, Any] = {"model": "m", "mode": MODE, "salt": "alice", "prefix": PREFIX}
    one_by_one = [
        chunk_key(**common, chunk=chunk.ids, images=[f"{each.digest} {each.first_token}" for each in chunk.images])
        for chunk in document.chunks()
    ]
    assert chunk_keys(**common, document=document, numbers=range(len(document))) == one_by_one
    assert chunk_keys(**common, document=document, numbers=[4, 1]) == [one_by_one[4], one_by_one[1]]


def test_it_stops_at_the_budget_and_keeps_what_it_has(llama: Model, tmp_path: Path) -> None:
    small = ChunkStore(tmp_path / "small", 700 * WIDTH)
    indexer = llama.indexer(small)
    with pytest.raises(StoreFull, match=r"holds 554 of this prompt's 1,274 tokens"):
        events(llama, indexer, prompt())
    assert [record is not None for record in records(small, indexer, prompt())] == [True, True, True, True, False, False]
    small.close()


def test_a_document_that_goes_takes_its_records_and_no_others(llama: Model, store: ChunkStore) -> None:
    indexer = llama.indexer(store)
    both = prompt_of_ids(CHUNKS[:3], CHUNKS[2:4])
    events(llama, indexer, both)
    store.release(document_key("d0", "alice"))
    first, second = ([record is not None for record in records(store, indexer, replace(both, documents=(one,)))] for one in both.documents)
    assert (first, second) == ([False, False, True], [True, True]), "what both had stays for the other"


def test_a_chunk_of_another_model_says_so(llama: Model, store: ChunkStore) -> None:
    with pytest.raises(PromptUnreadable, match="another model"):
        events(llama, llama.indexer(store), prompt_of_ids([tokens(4) + np.int32(10**6)]))


QUESTION = Asked(np.concatenate((tokens(6, 3), tokens(8, 4), tokens(4, 5))), 6, 14)


def damage(store: ChunkStore, key: bytes) -> None:
    """Another bit in a record, as a disk might give it."""
    with store._env.begin(write=True) as transaction:
        stored = bytearray(transaction.get(key, db=store._tables.values["scan"]))
        stored[30] ^= 0x10
        transaction.put(key, bytes(stored), db=store._tables.values["scan"])
    store._verified["scan"].discard(key)  # as in a process that has not seen it yet


@pytest.mark.parametrize("torn", [(1,), (0, 4, 5), range(6)], ids=["one", "some", "all"])
def test_a_damaged_record_is_made_again_for_the_question_that_meets_it(
    llama: Model, store: ChunkStore, torn: Sequence[int], caplog: pytest.LogCaptureFixture
) -> None:
    indexer = llama.indexer(store)
    events(llama, indexer, prompt())
    keys = [key for document in prompt().documents for key in indexer.keys(document, "alice")]
    whole, expected = records(store, indexer, prompt()), run(indexer.scan(prompt(), QUESTION), llama.decoder)
    llama.fed.take()
    for number in torn:
        damage(store, keys[number])
    scanned = run(indexer.scan(prompt(), QUESTION), llama.decoder)
    assert expected is not None
    assert scanned is not None
    assert scanned.attention.tolist() == expected.attention.tolist()
    assert scanned.indexed_tokens == 1274
    assert llama.fed.take() == len(QUESTION.ids) + sum(len(CHUNKS[number]) for number in torn)
    assert records(store, indexer, prompt()) == whole
    assert "is damaged; it is dropped and read again" in caplog.text
    store.release(document_key("d0", "alice"))
    store.release(document_key("d1", "alice"))
    assert store.stats().bytes == 0, "made again for the sake of its document"


def test_another_owner_s_index_costs_what_the_first_s_did(llama: Model, store: ChunkStore) -> None:
    """In tokens that the model is given, so nobody's time tells what others have."""
    cost = {}
    for owner in ("alice", "bob"):
        indexer = llama.indexer(store)
        llama.fed.take()
        run(indexer.scan(prompt(owner), QUESTION), llama.decoder)
        asked_first = llama.fed.take()
        told = events(llama, indexer, prompt(owner))
        cost[owner] = asked_first, [event.tokens_done for event in told], llama.fed.take()
    assert cost["bob"] == cost["alice"] == (0, [0, 554, 1274], len(PREFIX) + 1274)
    assert store.stats().kinds["scan"].records == 2 * len(CHUNKS)


def test_what_is_stored_while_its_document_is_forgotten_goes_the_next_time(llama: Model, store: ChunkStore) -> None:
    indexer = llama.indexer(store)
    reading = stream(indexer.prefill(prompt()), llama.decoder)
    next(reading)
    store.release(document_key("d0", "alice"))
    store.release(document_key("d1", "alice"))
    list(reading)
    assert store.stats().kinds["scan"].records == len(CHUNKS)
    store.release(document_key("d0", "alice"))
    store.release(document_key("d1", "alice"))
    assert store.stats().kinds["scan"].records == 0


def test_it_scans_all_that_is_indexed_for_a_question(model: Model, store: ChunkStore) -> None:
    indexer = model.indexer(store)
    assert run(indexer.scan(prompt(), QUESTION), model.decoder) is None
    run(indexer.prefill(prompt(), deadline=0.0), model.decoder)
    scanned = run(indexer.scan(prompt(), QUESTION), model.decoder)
    assert scanned is not None
    assert (scanned.indexed_chunks, scanned.indexed_tokens) == (4, 554)
    assert np.isnan(scanned.attention).tolist() == [False] * 4 + [True] * 2
    hidden = reference(model.theirs, torch.from_numpy(np.concatenate((PREFIX, QUESTION.ids))), LAYERS)[len(PREFIX) + QUESTION.first :]
    queries = hidden @ model.head.query.T
    for number, ids in enumerate(CHUNKS[:4]):
        best = (queries @ (model.expected(ids) / 127).T).amax(1)
        expected = float(best.sum() / queries.norm(dim=-1).sum())
        assert float(scanned.attention[number]) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("seconds", "turns"), [(0.0, 6), (60.0, 0)])
def test_others_have_a_turn_after_a_while_and_not_after_so_many_chunks(
    llama: Model, store: ChunkStore, monkeypatch: pytest.MonkeyPatch, seconds: float, turns: int
) -> None:
    """A turn takes half a second where something is read ahead, and a prompt may have 60,000 chunks."""
    indexer = llama.indexer(store)
    run(indexer.prefill(prompt()), llama.decoder)
    monkeypatch.setattr(index, "HELD_CHUNKS", 1)
    monkeypatch.setattr(index, "SLICE_SECONDS", seconds)
    steps, answers, given = indexer.scan(prompt(), QUESTION), None, 0
    with suppress(StopIteration):
        while True:
            wanted = steps.send(answers)  # type: ignore[arg-type]
            given += not wanted
            answers = execute(llama.decoder, wanted) if wanted else []
    assert given == turns
