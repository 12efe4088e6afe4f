"""Training of a scan head on made-up data: a tiny random trunk, passages of random words, questions in other words for the same things."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.loading.scan_head import read_scan_head
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.prompt import TokenArray
from engine.scan import scan
from tests.engine.tiny import CONFIG, our_weights, reference_model
from training import scan_refit
from training.scan_corpus import Asked, Corpus, Passage
from training.scan_encodings import Encodings, Texts, Trunk
from training.scan_export import export
from training.scan_fit import Head, Material, Settings, fit, scores
from training.scan_measure import Outcome, fusion, outcomes, recall

LAYER, OTHER = 1, 2
PREFIX = np.array([3, 5, 7], dtype=np.int32)
NOTHING = np.empty(0, dtype=np.int32)
WORDS = 24  # passages are made of ids 10..33, questions say id + 24 for id
PASSAGES, TRAINED = 240, 180
SETTINGS = Settings(steps=150, questions=12, wrong=2, dropout=0.0, rate=2e-2)


def decoder() -> Decoder:
    return Decoder.from_weights(CONFIG, our_weights(reference_model(), CONFIG))


def trunk() -> Trunk:
    return Trunk(decoder(), PREFIX, (LAYER, OTHER))


def made_up(first: int, end: int) -> tuple[Corpus, list[TokenArray]]:
    """Passages first..end of one collection, and the ids of a question for each of three words of its passage."""
    random_ = random.Random(1)
    bodies = [random_.sample(range(10, 10 + WORDS), 6) for _ in range(PASSAGES)]
    questions = [[word + WORDS for word in random_.sample(body, 3)] for body in bodies]
    chosen = range(first, end)
    passages = [Passage(np.array([1, 2, *bodies[number]], dtype=np.int32), 2, (10 * number, 10 * number + 8)) for number in chosen]
    everywhere = range(len(passages))
    asked = [Asked("toy", place, (str(number),), everywhere, False, frozenset({place}), {}) for place, number in enumerate(chosen)]
    return Corpus(passages, asked), [np.array(questions[number], dtype=np.int32) for number in chosen]


def material(folder: Path, first: int, end: int) -> Material:
    corpus, questions = made_up(first, end)
    encodings = Encodings(folder, "tiny", (LAYER, OTHER), trunk)
    texts = Texts([passage.ids for passage in corpus.passages], NOTHING), Texts(questions, np.array([8], dtype=np.int32))
    for each in texts:
        assert encodings.encode(each, lambda *_: None) == len(each.ids)
    wordings = {asked.wordings[0]: row for row, asked in enumerate(corpus.asked)}
    return Material(
        corpus, encodings.load(texts[0], [LAYER]), dict(enumerate(range(end - first))), encodings.load(texts[1], [LAYER]), wordings
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encodings")


def first_by_scan(head: Head, apart: Material) -> float:
    return recall(outcomes(apart, head), (0.0, 1.0))["@1"]


def test_recall_rises_on_passages_that_were_held_back(folder: Path) -> None:
    train, apart = material(folder, 0, TRAINED), material(folder, TRAINED, PASSAGES)
    untrained = fit(train, replace(SETTINGS, steps=0), lambda *_: None)
    trained = fit(train, SETTINGS, lambda *_: None)
    assert first_by_scan(untrained, apart) < 0.1  # of 60 passages
    assert first_by_scan(trained, apart) > 0.3


def test_the_same_seed_gives_the_same_head(folder: Path) -> None:
    train = material(folder, 0, TRAINED)
    one, same, other = (fit(train, replace(SETTINGS, steps=3, seed=seed), lambda *_: None) for seed in (1, 1, 2))
    assert torch.equal(one.query, same.query)
    assert not torch.equal(one.query, other.query)


def of_documents(given: Material) -> Material:
    """The same passages, twenty to a document that is asked alone."""
    asked = [
        replace(each, document=place // 20, candidates=range(place // 20 * 20, place // 20 * 20 + 20), closed=True)
        for place, each in enumerate(given.corpus.asked)
    ]
    return replace(given, corpus=replace(given.corpus, asked=asked))


@pytest.mark.parametrize("key_rate", [0.0, 5e-3])
def test_a_head_goes_on_by_its_queries_or_by_both(folder: Path, key_rate: float) -> None:
    train, apart = material(folder, 0, TRAINED), material(folder, TRAINED, PASSAGES)
    first = fit(train, replace(SETTINGS, steps=40), lambda *_: None)
    kept, keys = first.query.detach().clone(), first.key.detach().clone()
    settings = scan_refit.Settings(steps=120, questions=12, rate=1e-2, key_rate=key_rate, dropout=0.0)
    further = scan_refit.refit(of_documents(train), first, settings, lambda *_: None)
    assert torch.equal(further.key, keys) == (not key_rate)
    assert torch.equal(first.query, kept)
    assert torch.equal(first.key, keys)
    assert first_by_scan(further, apart) > first_by_scan(first, apart)


def test_a_question_is_told_from_all_of_its_document_or_from_what_others_have(folder: Path) -> None:
    train = material(folder, 0, TRAINED)
    closed = of_documents(train)
    assert scan_refit.told_from(closed, closed.corpus.asked[20:22]) == list(range(20, 40))
    open_ones = [replace(asked, lexical={0: 1.0, 7: 0.5}) for asked in train.corpus.asked[3:5]]
    assert scan_refit.told_from(train, open_ones) == [0, 3, 4, 7]
    few = replace(train, place={place: place for place in (3, 4)})
    assert scan_refit.told_from(few, open_ones) == [3, 4], "what is not encoded is left out"


def test_a_text_is_encoded_as_the_engine_reads_it() -> None:
    """Alone after the prefix, and by the engine's own pass through the lower layers."""
    texts = [np.arange(10, 30, dtype=np.int32), np.arange(40, 45, dtype=np.int32)]
    got = trunk().normed(texts, np.array([8], dtype=np.int32))
    engine = decoder()
    for ids, each in zip(texts, got, strict=True):
        whole = torch.from_numpy(np.concatenate((PREFIX, [8], ids)).astype(np.int32))
        for layer in (LAYER, OTHER):
            expected = engine.inputs_of((layer,), whole, [Segment(engine.new_cache(len(whole), below=layer), len(whole))])
            torch.testing.assert_close(each[layer].float(), expected[-len(ids) :], rtol=1e-2, atol=1e-2)


def test_what_is_encoded_is_not_encoded_again(tmp_path: Path) -> None:
    texts = Texts([np.arange(10, 10 + size, dtype=np.int32) for size in (3, 9, 5)], NOTHING)
    Encodings(tmp_path, "tiny", (LAYER,), lambda: Trunk(decoder(), PREFIX, (LAYER,))).encode(texts, lambda *_: None)

    def refuse() -> Trunk:
        raise AssertionError("it is all there")

    again = Encodings(tmp_path, "tiny", (LAYER,), refuse)
    again.encode(texts, lambda *_: None)
    assert [len(again.load(texts, [LAYER])[number]) for number in range(3)] == [3, 9, 5]
    with pytest.raises(AssertionError, match="all there"):
        Encodings(tmp_path, "another model", (LAYER,), refuse).encode(texts, lambda *_: None)


def test_a_deadline_ends_encoding_between_files(tmp_path: Path) -> None:
    texts = Texts([np.arange(10, 14, dtype=np.int32)] * 3, NOTHING)
    assert Encodings(tmp_path, "tiny", (LAYER,), trunk).encode(texts, lambda *_: None, deadline=0.0) == 0
    assert not list(tmp_path.iterdir())


def test_the_engine_loads_the_file_and_scores_alike(folder: Path, tmp_path: Path) -> None:
    """Within what int8 leaves of a cosine."""
    train, path = material(folder, 0, TRAINED), tmp_path / "scan_head.safetensors"
    head = fit(train, replace(SETTINGS, steps=20), lambda *_: None)
    export(path, head, [LAYER], "tiny")
    loaded = read_scan_head("tiny", CONFIG, path=path)
    assert loaded is not None
    assert loaded.layers == (LAYER,)
    assert read_scan_head("another", CONFIG, path=path) is None
    question, passages = train.question("0"), [train.passages[row] for row in range(20)]
    records = {str(row).encode(): memoryview(loaded.keys(hidden.float()).numpy().tobytes()) for row, hidden in enumerate(passages)}
    got = scan([loaded.queries(question)], list(records), lambda key: records[key])[0]
    with torch.inference_mode():
        keys = head.keys(torch.cat(passages))
        expected = scores(head.queries(question), [len(question)], keys, [len(each) for each in passages])[0]
    np.testing.assert_allclose(got, expected.numpy(), atol=0.02)


def test_weights_of_words_and_scan_follow_what_tells() -> None:
    """Only the scan tells here: words say the same of every passage, or nothing."""
    random_ = torch.Generator().manual_seed(1)
    made = []
    for _ in range(60):
        features = torch.rand(12, 2, generator=random_)
        right = torch.zeros(12, dtype=torch.bool)
        right[features[:, 1].argmax()] = True
        made.append(Outcome("toy", features, right))
    words, scanned = fusion(made)
    assert scanned > 10 * abs(words)
    assert recall(made, (words, scanned))["@1"] > 0.95


def test_settings_can_be_kept_as_json() -> None:
    assert json.loads(json.dumps(SETTINGS.as_json()))["steps"] == 150
