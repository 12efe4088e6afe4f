"""What was read is not read again: the same document, another order, one changed file. And two owners share nothing.

The way is the real one, from files through the prompt builder to the engine's prefill and answers; the model is small and random, and
every token that it is given is counted.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cache.store import ChunkStore
from engine.chat_format import ChatFormat
from engine.engine import Engine
from engine.events import AnswerOptions, Done
from engine.opening import Model
from engine.prefill import ChunkReader
from engine.prompt import Prompt
from engine.tokenizer import Tokenizer
from ingest.document import index_document, open_prompt, read_document
from ingest.storage import DocumentFolder
from tests.engine.fed import Fed
from tests.engine.tiny import CONFIG, tiny_decoder

pytestmark = pytest.mark.weights

FILES = 300
QUESTION = "Which toll does bridge 7 take from a cart?"


@pytest.fixture(scope="module")
def tokenizer(weights_folder: Path) -> Tokenizer:
    return Tokenizer.open(weights_folder)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Model:
    decoder = tiny_decoder(replace(CONFIG, vocab=len(tokenizer), context=2048, hidden=24, heads=3, kv_heads=1, ffn=16))
    return Model(decoder, tokenizer, ChatFormat(tokenizer), None, "tiny", bundled=False)


@pytest.fixture(scope="module")
def fed(model: Model) -> Fed:
    return Fed(model.decoder)


@pytest.fixture
def engine(model: Model, fed: Fed, shelf: Shelf, tmp_path: Path) -> Iterator[Engine]:
    """What it reads before any document of ours (the fixed prefix, worked examples) is read already."""
    engine = Engine(model, ChunkStore(tmp_path / "store"), "spans")
    asked(engine, shelf.asked({"hello.txt": "Hello. Bridges take tolls of carts.\n"}, "nobody"))
    fed.take()
    yield engine
    engine.close()


class Shelf:
    """Files read as uploads are: each into a folder of its own, once, then a prompt over them."""

    def __init__(self, root: Path, tokenizer: Tokenizer) -> None:
        self._root, self._tokenizer = root / str(uuid.uuid4()), tokenizer
        self._read: dict[tuple[str, str], DocumentFolder] = {}

    def prompt(self, files: dict[str, str], owner: str = "alice") -> Prompt:
        """One that can be prefilled; its words are not indexed."""
        documents = [(str(uuid.uuid4()), path, self._folder(path, text)) for path, text in files.items()]
        return open_prompt(documents, self._root / "no-index", owner)

    def asked(self, files: dict[str, str], owner: str) -> Prompt:
        """One that can be asked too."""
        index, prompt = self._root / f"{uuid.uuid4()}.sqlite3", self.prompt(files, owner)
        for document, (path, text) in zip(prompt.documents, files.items(), strict=True):
            index_document(index, document.id, self._folder(path, text))
        return replace(prompt, lexical_path=index)

    def _folder(self, path: str, text: str) -> DocumentFolder:
        if (path, text) not in self._read:
            folder = DocumentFolder(self._root, uuid.uuid4())
            folder.folder.mkdir(parents=True)
            folder.original.write_text(text, encoding="utf-8", newline="")
            read_document(path, path, folder, self._tokenizer)
            self._read[path, text] = folder
        return self._read[path, text]


@pytest.fixture
def shelf(tmp_path: Path, tokenizer: Tokenizer) -> Shelf:
    return Shelf(tmp_path, tokenizer)


def source(number: int) -> str:
    """One file of a repository; every thirtieth is long enough for several chunks."""
    functions = 24 if number % 30 == 7 else 1
    return "".join(
        f"def toll_{part}(carts: int) -> int:\n    fee = {number * 31 + part}\n    return carts * fee  # bridge {number}\n\n\n"
        for part in range(functions)
    )


@pytest.fixture(scope="module")
def repository() -> dict[str, str]:
    return {f"tolls/part{number % 9}/bridge{number}.py": source(number) for number in range(FILES)}


def chunks(prompt: Prompt) -> list[bytes]:
    return [chunk.ids.tobytes() for document in prompt.documents for chunk in document.chunks()]


def prefilled(engine: Engine, fed: Fed, prompt: Prompt) -> int:
    """Tokens that the model is given to prefill the prompt to its end, told chunk by chunk."""
    fed.take()
    events = list(engine.prefill(prompt))
    assert events[-1].tokens_done == prompt.tokens
    return fed.take()


def fresh(prompt: Prompt, *before: Prompt) -> list[bytes]:
    """The chunks that no earlier prompt had, each once."""
    old = {chunk for each in before for chunk in chunks(each)}
    return list(dict.fromkeys(chunk for chunk in chunks(prompt) if chunk not in old))


def tokens_of(chunks: Sequence[bytes]) -> int:
    return sum(len(chunk) // 4 for chunk in chunks)


def test_it_reads_no_document_again_and_no_other_order(
    engine: Engine, fed: Fed, shelf: Shelf, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    files = {f"bridge{number}.py": source(number) for number in (7, 8, 9)}
    first = shelf.prompt(files)
    assert prefilled(engine, fed, first) == first.tokens > 0
    assert prefilled(engine, fed, Shelf(tmp_path, tokenizer).prompt(files)) == 0, "uploaded once more, as other documents"
    assert prefilled(engine, fed, shelf.prompt(dict(reversed(files.items())))) == 0
    more = shelf.prompt({"first.py": source(50)} | files | {"last.py": source(51)})
    assert prefilled(engine, fed, more) == tokens_of(fresh(more, first)) > 0, "an added file costs itself"


def test_one_changed_file_of_a_repository_costs_its_changed_chunks(
    engine: Engine, fed: Fed, shelf: Shelf, repository: dict[str, str]
) -> None:
    before = shelf.prompt(repository)
    assert before.chunks > FILES
    assert prefilled(engine, fed, before) == before.tokens
    path = "tolls/part1/bridge37.py"
    assert path in repository
    changed = shelf.prompt(repository | {path: repository[path].replace("fee = 1147\n", "fee = 7411\n")})
    assert changed.chunks == before.chunks
    assert len(fresh(changed, before)) == 1, "no line was added: one chunk differs"
    assert prefilled(engine, fed, changed) == tokens_of(fresh(changed, before))
    longer = shelf.prompt(repository | {path: "# Tolls of bridge 37.\n" + repository[path]})
    own = next(document for document in longer.documents if document.name == path)
    assert 1 < len(fresh(longer, before, changed)) <= len(own), "a header names lines, so those below have moved"
    assert prefilled(engine, fed, longer) == tokens_of(fresh(longer, before, changed))
    assert prefilled(engine, fed, before) == 0, "and the old one is still there"


def asked(engine: Engine, prompt: Prompt) -> Done:
    done = list(engine.answer(prompt, QUESTION, options=AnswerOptions(threshold=0.0, max_tokens=4)))[-1]
    assert isinstance(done, Done)
    return done


def test_two_owners_with_the_same_file_share_nothing(engine: Engine, fed: Fed, shelf: Shelf, model: Model, tmp_path: Path) -> None:
    files = {f"bridge{number}.py": source(number) for number in (7, 8)}
    alices, bobs = shelf.asked(files, "alice"), shelf.asked(files, "bob")
    assert chunks(alices) == chunks(bobs)
    fed.take()
    first = asked(engine, alices)
    alices_first = fed.take()
    assert asked(engine, alices).answer == first.answer
    alices_second = fed.take()
    assert alices_first - alices_second == first.usage.read_tokens > 0, "her second question reads no chunk"
    assert prefilled(engine, fed, alices) == alices.tokens - first.usage.read_tokens
    kept = engine.status().store_chunks
    assert asked(engine, bobs).answer == first.answer
    assert fed.take() == alices_first, "his first question reads everything that hers did, though all of it is stored as hers"
    assert prefilled(engine, fed, bobs) == bobs.tokens - first.usage.read_tokens
    assert engine.status().store_chunks - kept == bobs.chunks


def test_two_owners_have_no_key_in_common(engine: Engine, shelf: Shelf, model: Model, tmp_path: Path) -> None:
    prompt = shelf.prompt({"bridge7.py": source(7)})
    reader = ChunkReader(model.decoder, model.chat.prefix, ChunkStore(tmp_path / "other"), "tiny")
    all_chunks = [chunk for document in prompt.documents for chunk in document.chunks()]
    alices, bobs = ({reader.key(chunk, owner) for chunk in all_chunks} for owner in ("alice", "bob"))
    assert len(alices) == len(bobs) == len(all_chunks) > 1
    assert not alices & bobs
