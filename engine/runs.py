"""Runs of tokens, page images among them: read into a cache, or taken from the store where the same run was read before.

What a run's state depends on beside itself (what stands before it) is the business of whoever makes its key. Knows no question.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.cache.codec import BF16, Codec
from engine.cache.keys import chunk_key, document_key, image_part
from engine.cache.kv_cache import KVCache, State
from engine.cache.ledger import NOBODY, KeptFor
from engine.cache.packing import Packing
from engine.cache.store import ChunkStore, Reading
from engine.errors import PromptUnreadable, StoreFull
from engine.model.decoder import Decoder
from engine.model.image_reader import ImageReader
from engine.model.vision import Vision
from engine.prompt import Chunk, ImageSegment, Prompt, TokenArray
from engine.steps import NO_ROWS, Features, Forward, Steps

NOTHING = np.empty(0, dtype=np.int32)


@dataclass(slots=True)
class Spent:
    """Tokens of chunks that had to be read, and the seconds until they were, other work's turns in between included."""

    tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """None before the first."""
        return self.tokens / self.seconds if self.tokens else None

    def add(self, tokens: int, seconds: float) -> None:
        self.tokens += tokens
        self.seconds += seconds


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """A page image with its own ids. They begin at token `first` of a run: before its start or past its end if the run holds a part."""

    segment: ImageSegment
    ids: TokenArray
    first: int

    @property
    def end(self) -> int:
        return self.first + len(self.ids)


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens to be read one after another, and the page images in order of which at least one token is among them."""

    ids: TokenArray
    images: tuple[PlacedImage, ...] = ()

    @classmethod
    def of(cls, chunk: Chunk) -> Run:
        images = (PlacedImage(image, chunk.ids[image.first_token : image.end_token], image.first_token) for image in chunk.images)
        return cls(chunk.ids, tuple(images))

    def __add__(self, other: Run) -> Run:
        shifted = (replace(image, first=image.first + len(self.ids)) for image in other.images)
        return Run(np.concatenate((self.ids, other.ids)), (*self.images, *shifted))

    def part(self, first: int, end: int) -> Run:
        """Tokens first..end."""
        images = (replace(image, first=image.first - first) for image in self.images if image.first < end and image.end > first)
        return Run(self.ids[first:end], tuple(images))


class RunReader:
    """One model with one store; numbers are stored in `codec`. For the engine's thread."""

    def __init__(self, decoder: Decoder, store: ChunkStore, model: str, vision: Vision | None = None, codec: Codec = BF16) -> None:
        self.decoder, self.store, self._model = decoder, store, model
        self._images = ImageReader(vision) if vision is not None else None
        self._patch = vision.config.patch_token if vision is not None else None
        self._packing = Packing(decoder.config, codec)
        self._seen: tuple[ImageSegment, Tensor] | None = None
        self.spent = Spent()

    def key(self, mode: str, salt: str, run: Run, *, prefix: TokenArray = NOTHING, parent: bytes = b"") -> bytes:
        images = [image_part(image.segment.digest, image.first) for image in run.images]
        return chunk_key(model=self._model, mode=self.mode(mode), salt=salt, prefix=prefix, chunk=run.ids, images=images, parent=parent)

    def mode(self, mode: str) -> str:
        """A way to read, with the codec in which its states are stored: part of their keys, and of what answers say."""
        return f"{mode} {self._packing.codec.name}"

    def check(self, chunk: Chunk) -> None:
        """Raises PromptUnreadable for a chunk that this model cannot read."""
        again = "Parse it again."
        if len(chunk.ids) and int(chunk.ids.max()) >= self.decoder.config.vocab:
            raise PromptUnreadable(f"Document {chunk.document} was parsed for another model. {again}")
        if chunk.images and self._images is None:
            raise PromptUnreadable(
                f"Document {chunk.document} has page images in its prompt, and {self.decoder.config.name} sees none. {again}"
            )
        places = sum(np.count_nonzero(image.ids == self._patch) for image in Run.of(chunk).images)
        if self._patch is not None and np.count_nonzero(chunk.ids == self._patch) != places:
            raise PromptUnreadable(f"Document {chunk.document} keeps places for page images that are not there. {again}")

    def append(self, key: bytes, run: Run, cache: KVCache, spent: Spent, kept_for: KeptFor = NOBODY) -> Steps[bool]:
        """The run goes to the cache's end: out of the store (False), or read now and stored under `key` (True); `spent` grows then.

        `kept_for`: the documents for whose sake.
        What was just read becomes what it is when stored, so that no answer depends on whether it was.
        A stored value that is damaged or of another layout is dropped and the run read. Raises StoreFull when all is read, and
        PromptUnreadable for a page image.
        """
        if self._restored(key, run, cache):
            self.claim(key, kept_for)
            return False
        first, before = cache.length, time.perf_counter()
        yield from self.read(run, cache)
        seconds = time.perf_counter() - before
        for each in (spent, self.spent):
            each.add(len(run.ids), seconds)
        value = self.packed(cache.save(first))
        cache.replace(self.unpacked(value, first, len(run.ids)))
        self.keep(key, value, kept_for)
        return True

    def read_alone(self, runs: Sequence[Run]) -> Steps[list[KVCache]]:
        """A cache of its own for each run, which sees nothing else. Those without page images are read in one pass."""
        caches = [self.decoder.new_cache(len(run.ids)) for run in runs]
        alike = [(run, cache) for run, cache in zip(runs, caches, strict=True) if not run.images and len(run.ids)]
        if alike:
            yield tuple(Forward(torch.from_numpy(np.array(run.ids)), cache) for run, cache in alike)
        for run, cache in zip(runs, caches, strict=True):
            if run.images:
                yield from self.read(run, cache)
        return caches

    def read(self, run: Run, cache: KVCache) -> Steps[None]:
        """The model reads the run, up to the end of a page image at a time."""
        for part in self.parts(run, cache):
            yield (part,)

    def parts(self, run: Run, cache: KVCache, inputs: tuple[int, ...] = ()) -> Iterator[Forward]:
        """The requests that read the run, each up to the end of a page image, to be made one after another; through all layers, or
        for the normed `inputs` of some of every token (engine.steps.Forward)."""
        ids, begun = torch.from_numpy(np.array(run.ids)), 0
        for image in run.images:
            end = min(image.end, len(ids))
            yield self._part(ids[begun:end], cache, inputs, self._features(image, begun, end))
            begun = end
        if begun < len(ids):
            yield self._part(ids[begun:], cache, inputs)

    def _part(self, ids: Tensor, cache: KVCache, inputs: tuple[int, ...], features: Features | None = None) -> Forward:
        return Forward(ids, cache, range(len(ids)) if inputs else NO_ROWS, features, inputs)

    def check_budget(self, taken: int, tokens: int, prompt: Prompt) -> None:
        """Raises StoreFull if `taken` bytes are more than the store may hold; so many `tokens` of the prompt are in it by now."""
        if taken > self.store.budget_bytes:
            raise StoreFull(
                f"The store's budget holds {tokens:,} of this prompt's {prompt.tokens:,} tokens; the rest is read when "
                "a question needs it. Raise the budget to keep all."
            )

    def stored_bytes(self, start: int, run: Run) -> int:
        """Of a run at positions start.. ."""
        return self._packing.size(start, len(run.ids))

    def stored(self, key: bytes, start: int, tokens: int) -> State | None:
        """The state that is stored under the key of so many tokens at positions start.. ; one that is not just that is dropped."""
        with self.store.reading() as reading:
            return self.lying(reading, key, start, tokens, shared=False)

    def lying(self, reading: Reading, key: bytes, start: int, tokens: int, *, shared: bool = True) -> State | None:
        """The same where it lies in the store, if `shared`: to be read only, and as long as the reading lasts."""
        value = reading.view("state", key)
        state = self._packing.unpack(value, start, tokens, shared=shared) if value is not None else None
        if value is not None and state is None:
            with suppress(StoreFull):
                self.store.delete("state", [key])
        return state

    def claim(self, key: bytes, kept_for: KeptFor) -> None:
        """A state that is stored is kept for the sake of these documents too. Raises StoreFull."""
        for document in kept_for.documents:
            self.store.refer(document, {"state": [key]}, jointly=kept_for.jointly)

    def claim_all(self, keys: Iterable[tuple[str, bytes]], salt: str) -> None:
        """Of each document, by its id, these states are kept for its sake, stored already or to come. Raises StoreFull."""
        of_each: dict[str, list[bytes]] = {}
        for document, key in keys:
            of_each.setdefault(document, []).append(key)
        for document, of_it in of_each.items():
            self.store.refer(document_key(document, salt), {"state": of_it})

    def packed(self, state: State) -> bytes:
        """As it is stored."""
        return self._packing.pack(state)

    def unpacked(self, value: bytes, start: int, tokens: int) -> State:
        """Out of what `packed` made of so many tokens at positions start.. ."""
        state = self._packing.unpack(value, start, tokens)
        assert state is not None, "packed with another model"
        return state

    def keep(self, key: bytes, value: bytes, kept_for: KeptFor) -> None:
        """Store what `packed` made, for the sake of these documents. Raises StoreFull."""
        self.store.put("state", key, value, kept_for)

    def _restored(self, key: bytes, run: Run, cache: KVCache) -> bool:
        state = self.stored(key, cache.length, len(run.ids))
        if state is None:
            return False
        cache.restore(state)
        return True

    def _features(self, image: PlacedImage, first: int, end: int) -> Features | None:
        """Those of the image that tokens first..end of its run stand for, numbered from `first`."""
        places = torch.from_numpy(np.flatnonzero(image.ids == self._patch)) + image.first
        if not ((places >= first) & (places < end)).any():
            return None
        vectors = self._vectors(image.segment)
        if len(vectors) != len(places):
            raise PromptUnreadable(
                f"The prompt keeps {len(places)} places for the page image {image.segment.path}, which has {len(vectors)} features. "
                "Parse the document again."
            )
        return Features(vectors, places).part(first, end)

    def _vectors(self, segment: ImageSegment) -> Tensor:
        """The last image's are kept, for it may go on in the next run."""
        same = replace(segment, first_token=0, end_token=0)
        if self._seen is None or self._seen[0] != same:
            assert self._images is not None, "`check` comes first"
            self._seen = same, self._images.features(segment)
        return self._seen[1]


def kept_for(chunk: Chunk, salt: str) -> KeptFor:
    """What the chunk's state is stored for: the document that it is of."""
    return KeptFor((document_key(chunk.document, salt),))


def chunks_of(prompt: Prompt) -> Iterator[Chunk]:
    """All chunks in the prompt's order."""
    return (chunk for document in prompt.documents for chunk in document.chunks())
