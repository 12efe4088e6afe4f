"""Page images in prefill: an isolated chunk and an exact prompt with drawn pages, beside transformers with the same pixel values. fp32."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from engine.cache.codec import Plain
from engine.cache.store import ChunkStore
from engine.errors import PromptUnreadable
from engine.exact import ExactReader
from engine.loading.load import load_model
from engine.model.decoder import Decoder
from engine.model.image_reader import ImageReader
from engine.model.images import read_image, tile_pixels
from engine.model.vision import Vision
from engine.prefill import ChunkReader
from engine.prompt import Chunk, ImageSegment, Prompt, TokenArray
from engine.runs import Spent
from engine.scheduler import Scheduler
from engine.steps import run, stream
from engine.tiling import ImageTokens, choose_tiling, layout
from engine.turns import Kind
from tests.engine.checkpoints import PATCH_TOKEN, save_random
from tests.engine.fed import Fed, expected, logits_after, same, tokens
from tests.engine.prompts import prompt_of_ids

IMAGE_TOKENS = ImageTokens(start=121, end=122, image=123, patch=PATCH_TOKEN, tile_x=124, tile_y=125)
PREFIX, QUESTION = tokens(5, 1), tokens(30, 2)
SEEN = 100 * 1e-4  # another picture changes logits by more than this


class Model:
    """A random Llama 4 that sees, as both sides have it."""

    def __init__(self, folder: Path) -> None:
        self.theirs: Any = save_random("llama4", folder)
        loaded = load_model(folder)
        assert loaded.config.vision is not None
        self.config, self.fingerprint = loaded.config.vision, loaded.fingerprint
        self.decoder = Decoder.from_weights(loaded.config, loaded.decoder)
        self.vision = Vision.from_weights(self.config, loaded.config.hidden, loaded.vision)
        self.fed = Fed(self.decoder)

    def reader(self, store: ChunkStore, *, sees: bool = True) -> ChunkReader:
        vision = self.vision if sees else None
        return ChunkReader(self.decoder, PREFIX, store, self.fingerprint, vision=vision, codec=Plain(torch.float32))

    def exact(self, store: ChunkStore) -> ExactReader:
        return ExactReader(self.reader(store).runs, PREFIX)

    def tiling(self, path: Path) -> Any:
        image = read_image(path)
        return choose_tiling(image.shape[2], image.shape[1], self.config.image_size, self.config.max_tiles)

    def expected(self, ids: TokenArray, images: tuple[ImageSegment, ...]) -> Tensor:
        pixels = [tile_pixels(read_image(image.path), self.tiling(image.path), self.config.image_size) for image in images]
        return expected(self.theirs, np.concatenate((PREFIX, ids, QUESTION)), len(QUESTION), pixel_values=torch.cat(pixels).float())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChunkStore]:
    store = ChunkStore(tmp_path / "store", 50 << 20)
    yield store
    store.close()


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The image files of which features are computed, in order."""
    paths: list[Path] = []
    features = ImageReader.features

    def counted(self: ImageReader, segment: ImageSegment) -> Tensor:
        paths.append(segment.path)
        return features(self, segment)

    monkeypatch.setattr(ImageReader, "features", counted)
    return paths


def draw(path: Path, size: tuple[int, int], words: str) -> Path:
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    pen.text((4, 4), words, fill="black")
    pen.rectangle((size[0] // 2, size[1] // 3, size[0] - 3, size[1] - 5), fill=(180, 30, 90))
    image.save(path)
    return path


def chunk_of(model: Model, *parts: TokenArray | Path) -> Chunk:
    """A chunk of texts' ids and page images in this order."""
    ids: list[TokenArray] = []
    images = []
    for part in parts:
        first = sum(map(len, ids))
        if isinstance(part, Path):
            tiles = model.tiling(part).tiles
            ids.append(layout(tiles, model.config.tokens_per_tile, IMAGE_TOKENS))
            digest = hashlib.sha256(part.read_bytes()).hexdigest()
            images.append(ImageSegment(part, digest, first, first + len(ids[-1]), tiles))
        else:
            ids.append(part)
    return Chunk("d0", 0, np.concatenate(ids), 0, 0, 0, tuple(images))


@pytest.fixture
def pages(tmp_path: Path) -> list[Path]:
    """Of one tile, of two, and of 3 x 2, which is longer than an attention chunk."""
    sizes = [(50, 40), (100, 50), (100, 150)]
    return [draw(tmp_path / f"{number}.png", size, f"page {number}") for number, size in enumerate(sizes)]


@pytest.fixture
def chunk(model: Model, pages: list[Path]) -> Chunk:
    made = chunk_of(model, tokens(4, 3), pages[0], tokens(9, 4), pages[1], pages[2], tokens(10, 5))
    assert [image.tiles for image in made.images] == [(1, 1), (1, 2), (3, 2)]
    assert len(layout((3, 2), model.config.tokens_per_tile, IMAGE_TOKENS)) > 2 * 16
    return made


def opened(model: Model, store: ChunkStore, chunk: Chunk) -> Tensor:
    cache = run(model.reader(store).open(chunk, "alice", len(QUESTION), Spent()), model.decoder)
    return logits_after(model.decoder, cache, QUESTION)


def prompt_of(chunks: list[Chunk]) -> Prompt:
    return prompt_of_ids([chunk.ids for chunk in chunks], images={number: chunk.images for number, chunk in enumerate(chunks)})


def test_an_isolated_chunk_is_seen_as_transformers_sees_it(model: Model, store: ChunkStore, chunk: Chunk, looked: list[Path]) -> None:
    theirs = model.expected(chunk.ids, chunk.images)
    same(opened(model, store, chunk), theirs)
    assert looked == [image.path for image in chunk.images]
    model.fed.take()
    same(opened(model, store, chunk), theirs)
    assert len(looked) == 3, "the store holds what was seen"
    assert model.fed.take() == len(PREFIX) + len(QUESTION)


def test_a_whole_prompt_is_seen_as_transformers_sees_it(
    model: Model, store: ChunkStore, chunk: Chunk, pages: list[Path], looked: list[Path]
) -> None:
    chunks = [chunk_of(model, tokens(8, 7)), chunk, chunk_of(model, pages[1], tokens(21, 8))]
    prompt = prompt_of(chunks)
    shifted = (*chunk.images, *chunks[2].images)
    theirs = model.expected(prompt.documents[0].ids, shifted)
    told = list(stream(model.exact(store).prefill(prompt), model.decoder))
    assert told[-1].tokens_done == prompt.tokens
    assert looked == [*pages, pages[1]], "each image once, though one lies in several units"
    model.fed.take()
    cache = run(model.exact(store).open(prompt, len(QUESTION)), model.decoder)
    same(logits_after(model.decoder, cache, QUESTION), theirs)
    assert model.fed.take() == len(QUESTION)
    assert len(looked) == 4


def test_a_store_that_is_opened_again_needs_no_image(model: Model, tmp_path: Path, chunk: Chunk, looked: list[Path]) -> None:
    prompt = prompt_of([chunk])
    first = ChunkStore(tmp_path / "store", 50 << 20)
    list(stream(model.exact(first).prefill(prompt), model.decoder))
    list(stream(model.reader(first).prefill(prompt), model.decoder))
    first.close()
    looked.clear()
    again, theirs = ChunkStore(tmp_path / "store", 50 << 20), model.expected(chunk.ids, chunk.images)
    for image in chunk.images:
        image.path.unlink()
    cache = run(model.exact(again).open(prompt, len(QUESTION)), model.decoder)
    same(logits_after(model.decoder, cache, QUESTION), theirs)
    same(opened(model, again, chunk), theirs)
    assert looked == []


@pytest.mark.parametrize("units", range(1, 6))
def test_it_goes_on_in_the_middle_of_an_image(model: Model, store: ChunkStore, chunk: Chunk, units: int) -> None:
    prompt, theirs = prompt_of([chunk]), model.expected(chunk.ids, chunk.images)
    for _ in range(units):
        list(stream(model.exact(store).prefill(prompt, deadline=0.0), model.decoder))
    model.fed.take()
    cache = run(model.exact(store).open(prompt, len(QUESTION)), model.decoder)
    assert model.fed.take() == len(PREFIX) + len(chunk.ids) - 16 * units
    same(logits_after(model.decoder, cache, QUESTION), theirs)


def test_pieces_of_a_scheduler_may_end_within_an_image(model: Model, store: ChunkStore, chunk: Chunk) -> None:
    prompt, theirs = prompt_of([chunk]), model.expected(chunk.ids, chunk.images)
    scheduler = Scheduler(model.decoder, turn_tokens=7)
    try:
        list(scheduler.stream(model.exact(store).prefill(prompt), kind=Kind.PREFILL))
        cache = scheduler.run(model.reader(store).open(chunk, "alice", len(QUESTION), Spent()))
    finally:
        scheduler.close()
    same(logits_after(model.decoder, cache, QUESTION), theirs)
    cache = run(model.exact(store).open(prompt, len(QUESTION)), model.decoder)
    same(logits_after(model.decoder, cache, QUESTION), theirs)


def test_it_tells_pictures_apart(model: Model, store: ChunkStore, tmp_path: Path, looked: list[Path]) -> None:
    """The same tokens with another picture are another chunk, and another prompt."""
    one, other = (chunk_of(model, draw(tmp_path / f"{words}.png", (100, 50), words), tokens(9, 4)) for words in ("one", "other"))
    assert np.array_equal(one.ids, other.ids)
    logits = [opened(model, store, chunk) for chunk in (one, other)]
    assert float((logits[0] - logits[1]).abs().max()) > SEEN
    for chunk, ours in zip((one, other), logits, strict=True):
        same(ours, model.expected(chunk.ids, chunk.images))
    assert len(looked) == 2
    keys = {key for chunk in (one, other) for key in model.exact(store).keys(prompt_of([chunk]))}
    assert len(keys) == 2 * len(model.exact(store).keys(prompt_of([one])))


def test_two_pictures_in_another_order_are_another_chunk(model: Model, store: ChunkStore, tmp_path: Path) -> None:
    paths = [draw(tmp_path / f"{words}.png", (50, 50), words) for words in ("one", "other")]
    keys = {model.reader(store).key(chunk_of(model, *order), "alice") for order in (paths, paths[::-1], [paths[0], paths[0]])}
    assert len(keys) == 3


def test_a_model_that_does_not_see_says_what_to_do(model: Model, store: ChunkStore, chunk: Chunk) -> None:
    reader = model.reader(store, sees=False)
    with pytest.raises(PromptUnreadable, match=r"Document d0 has page images .* sees none\. Parse it again"):
        run(reader.open(chunk, "alice", 0, Spent()), model.decoder)
    with pytest.raises(PromptUnreadable, match="sees none"):
        list(stream(reader.prefill(prompt_of([chunk])), model.decoder))
    with pytest.raises(PromptUnreadable, match="sees none"):
        run(ExactReader(reader.runs, PREFIX).open(prompt_of([chunk]), 0), model.decoder)
    assert store.stats().chunks == 0
    assert ExactReader(reader.runs, PREFIX).keys(prompt_of([chunk])), "and yet it can be forgotten"


def test_it_refuses_places_without_an_image(model: Model, store: ChunkStore, chunk: Chunk) -> None:
    with pytest.raises(PromptUnreadable, match=r"Document d0 keeps places for page images that are not there\. Parse it again"):
        opened(model, store, replace(chunk, images=chunk.images[:2]))


def test_it_refuses_an_image_that_does_not_fill_its_places(model: Model, store: ChunkStore, pages: list[Path]) -> None:
    """The tokens of a prompt for a model whose tiles have more tokens."""
    ids = layout((1, 2), model.config.tokens_per_tile + 1, IMAGE_TOKENS)
    chunk = Chunk("d0", 0, ids, 0, 0, 0, (ImageSegment(pages[1], "digest", 0, len(ids), (1, 2)),))
    with pytest.raises(
        PromptUnreadable, match=r"keeps 15 places for the page image .*1\.png, which has 12 features.* Parse the document again"
    ):
        opened(model, store, chunk)


def test_a_missing_image_ends_the_reading_and_stores_nothing_of_it(
    model: Model, store: ChunkStore, chunk: Chunk, pages: list[Path]
) -> None:
    pages[1].unlink()
    with pytest.raises(PromptUnreadable, match=r"is missing\. Parse the document again"):
        opened(model, store, chunk)
    assert store.stats().chunks == 0
