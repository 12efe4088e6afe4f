"""Texts without end, prompts made of them, records that stand in, and what is told of them; all of it small.
(bench/texts.py, library.py, tiers.py, asking.py, locate.py, needles.py, store.py)"""

from __future__ import annotations

import zipfile
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bench import locate, needles, store
from bench.asking import brute_force
from bench.facts import FACTS
from bench.library import HOSTS, Library, places_of_facts, with_facts
from bench.process import BenchFailed
from bench.texts import PIECE_CHARS, VARIABLE, changed, from_files, generated, pieces
from bench.tiers import Drawn
from engine.engine import Engine
from engine.lexical import LexicalIndex

PROSE = "The mate saw Ahab on deck. He gave 12 orders to Starbuck at once. Then Queequeg slept.\n\n"


def test_it_gives_each_place_its_turn_and_changes_what_comes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = "".join(PROSE.replace("12", str(number)) for number in range(500))
    (tmp_path / "novels").mkdir()
    (tmp_path / "novels" / "whale.txt").write_text("\ufeff" + book, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "technical.zip", "w") as archive:
        archive.writestr("a/pumps.rst", "A pump has a valve.\r\n\r\nIt leaks.")
        archive.writestr("a/picture.png", "no text")
    monkeypatch.setenv(VARIABLE, f"{tmp_path / 'novels'}:{tmp_path / 'technical.zip'}")
    first = list(islice(pieces(), 12))
    assert first == list(islice(pieces(), 12))
    assert [piece.name for piece in first[:3]] == ["whale, part 1", "pumps, part 1", "whale, part 2"]
    assert first[0].text.startswith("The mate")
    assert first[1].text == "A pump has a valve.\n\nIt leaks."
    assert all(len(piece.text) < 2 * PIECE_CHARS for piece in first)
    whale = [piece for piece in first if "whale" in piece.name]
    assert whale[0].text + whale[1].text + whale[2].text == book
    assert whale[3].name == "1/whale, part 1"
    assert len({piece.text for piece in whale}) == len(whale)


def test_it_says_what_is_wrong_with_the_places(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match="names no plain text"):
        next(from_files([tmp_path]))


def test_it_changes_names_numbers_and_order_and_nothing_else() -> None:
    other = changed(PROSE * 3, Random(1))
    assert other != PROSE * 3
    assert sorted(word for word in other.split() if word.islower()) == sorted(word for word in (PROSE * 3).split() if word.islower())
    assert other.count("\n\n") == 3


def test_it_generates_texts_that_differ() -> None:
    made = list(islice(generated(), 30))
    paragraphs = [paragraph for piece in made for paragraph in piece.text.split("\n\n") if paragraph]
    assert len(set(paragraphs)) == len(paragraphs)


def test_it_hides_each_fact_once() -> None:
    series = list(islice(with_facts(generated()), HOSTS + 1))
    whole = "".join(piece.text for piece in series)
    assert [whole.count(fact.text) for fact in FACTS] == [1] * len(FACTS)
    assert series[HOSTS] == list(islice(generated(), HOSTS + 1))[HOSTS]


@pytest.mark.weights
def test_a_longer_prompt_has_the_documents_of_a_shorter_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights_folder: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    library = Library(tmp_path)
    short, long = library.prompt(9_000), library.prompt(20_000)
    assert 9_000 <= short.tokens < 20_000 <= long.tokens
    assert {document.id for document in short.documents} < {document.id for document in long.documents}
    assert [document.id for document in library.prompt(20_000).documents] == [document.id for document in long.documents]
    facts = places_of_facts(long)
    assert len(facts) > len(places_of_facts(short)) > 0
    fact, (document, place) = next(iter(facts.items()))
    assert long.document(document).text()[place:].startswith(fact.text)
    (hit,) = LexicalIndex(long.lexical_path).search(fact.shared, None, 1)
    chunk = long.document(hit.document).chunk(hit.chunk)
    assert hit.document == document
    assert chunk.start_char <= place < chunk.end_char


def test_a_record_that_stands_in_has_its_tokens_own_vectors() -> None:
    ids = np.array([4, 2, 4, 7], dtype=np.int32)
    vectors = np.arange(8, dtype=np.int8).reshape(4, 2)
    order = np.argsort(ids, kind="stable")
    drawn = Drawn(vectors[order], np.searchsorted(ids[order], np.arange(10)).astype(np.int64), np.random.default_rng(0))
    one, two = drawn.records([np.array([4, 4, 2, 4], dtype=np.int32), np.array([7, 5], dtype=np.int32)])
    rows = np.frombuffer(one, dtype=np.int8).reshape(-1, 2).tolist()
    assert rows[2] == [2, 3]
    assert all(row in ([0, 1], [4, 5]) for row in (rows[0], rows[1], rows[3]))
    assert np.frombuffer(two, dtype=np.int8)[:2].tolist() == [6, 7]
    assert np.frombuffer(two, dtype=np.int8)[2:].tolist() in vectors.tolist(), "a token that was never indexed takes any"


def test_the_peer_finds_what_maxsim_says() -> None:
    random = np.random.default_rng(1)
    vectors, query, starts = random.normal(size=(50, 8)).astype(np.float32), random.normal(size=(3, 8)).astype(np.float32), [0, 20, 21]
    expected = [float((query @ vectors[first:end].T).max(axis=1).mean()) for first, end in ((0, 20), (20, 21), (21, 50))]
    assert brute_force(vectors, np.array(starts), query) == pytest.approx(expected, rel=1e-5)


def asked(seconds: float, questions: int) -> dict[str, float]:
    names = ("locate_s", "first_token_s", "total_s", "disk_mb")
    return {f"{name}_{number}": seconds + number for name in names for number in range(questions)} | {"peak_mb": 900.0}


def found(tokens: float) -> dict[str, dict[str, float]]:
    many = len(locate.QUESTIONS) + 1
    return {
        "filled": {"tokens": tokens, "chunks": 3.0, "indexed_tokens": 1e5},
        "cold": asked(30.0, locate.COLD_QUESTIONS + 1),
        "on demand": asked(20.0, many),
        "stored": asked(10.0, many),
        "from disk": asked(40.0, 1),
        "peers": {"words_s": 0.1, "scan_s": 0.2, "numpy_s": 0.4, "peak_mb": 1.0},
    }


def test_it_gives_locates_figures_by_size() -> None:
    rates = {"index_tokens_per_s": 2500.0, "state_tokens_per_s": 1800.0}
    said = locate.told({"100K": found(1e5), "10M": found(1e7)}, rates, 100_000)
    figures = said.figures
    assert {"10M.first_token_s", "10M.peak_mb", "100K.peak_mb", "10M.disk_mb", "index_tokens_per_s"} <= set(figures)
    assert figures["10M.first_token_s"] == 13.0, "the median of the second question on"
    assert figures["10M.first_token_on_demand_s"] == 23.0
    assert figures["10M.first_token_cold_s"] == 31.5
    assert figures["10M.first_question_s"] == 10.0
    assert figures["10M.disk_from_disk_mb"] == 40.0
    names = [row.name for row in said.rows]
    assert "10M: first token, stored, 100 K indexed, others stood in for" in names
    assert "100K: first token, stored" in names
    scans = {row.name: row for row in said.rows}["10M: scan of every token"]
    assert scans.ratio == pytest.approx(2)


def test_it_takes_sizes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGREAD_BENCH_SIZES", "128K,2M")
    assert locate.chosen_sizes(locate.SIZES) == {"128K": 128_000, "2M": 2_000_000}
    monkeypatch.setenv("LONGREAD_BENCH_SIZES", "")
    assert locate.chosen_sizes(locate.SIZES) == locate.SIZES


def test_it_gives_the_shares_of_needles() -> None:
    hits = {f"{n}.{wording}.{way}": 0.0 for n in range(len(FACTS)) for wording in needles.WORDINGS for way in needles.WAYS}
    hits |= {f"{n}.other.scan": 1.0 for n in (0, 1)}
    figures = needles.told({"1M": hits}).figures
    assert figures["1M.other.scan"] == pytest.approx(2 / len(FACTS))
    assert figures["1M.other.scan_of_1"] == 1.0
    assert figures["1M.other.scan_of_2"] == 0.5
    assert figures["1M.shared.scan"] == figures["1M.other.fused"] == figures["1M.other.quoted"] == 0.0


def test_it_counts_the_bytes_of_a_token_in_scouts_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CHUNKS", 2)
    values, file = store.bytes_per_token()
    globals_ = sum(store.GLOBAL)
    exact = globals_ * 3 * (2 * 64 + 2) + store.SCAN_WIDTH  # int8 keys and values, a scale for each token's values
    assert exact < values < exact * 1.01, "and headers, and two numbers for each channel of a chunk"
    assert values < file < 2 * values
    assert values <= store.SCOUT.layers * 2 * 3 * 64 * 2 / 8


@pytest.mark.weights
def test_the_scan_alone_finds_nothing_where_nothing_is_indexed(engine: Engine, tmp_path: Path) -> None:
    assert engine.scan(Library(tmp_path).prompt(1_000), "?", 3) == []
