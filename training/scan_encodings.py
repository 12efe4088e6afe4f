"""Passages and questions through the frozen trunk: the normalised inputs of a few layers, kept on disk under the ids' hash.

A passage is read as Longread stores it: alone, after the chat's prefix. A question is read as it is put to a chunk, but after the prefix
alone; its own words and what opens the answer after them are kept. Nothing above the highest of the layers is run. Knows no training.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.cache.kv_cache import KVCache
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.prompt import TokenArray

PASS_TOKENS = 768
FILE_TEXTS = 64

Report = Callable[[int, int, float], None]
"""Tokens done, tokens in all, tokens a second."""


class Trunk:
    """The lower layers of a model, and what goes into their attention."""

    def __init__(self, decoder: Decoder, prefix: TokenArray, layers: Sequence[int]) -> None:
        self.layers = tuple(layers)
        self._decoder = decoder
        self._decoder.layers = decoder.layers[: max(layers) + 1]
        self._seen: dict[int, Tensor] = {}
        for layer in layers:
            norm: nn.Module = self._decoder.layers[layer].attention_norm  # type: ignore[assignment]
            norm.register_forward_hook(lambda _module, _inputs, output, layer=layer: self._seen.update({layer: output}))
        self._after: dict[bytes, KVCache] = {}
        self._prefix = prefix

    def normed(self, texts: Sequence[TokenArray], after: TokenArray) -> list[dict[int, Tensor]]:
        """Of each text [T], read alone after the prefix and the ids `after`: bf16 [T, C] for each layer."""
        caches = [self._cache(after, len(ids)) for ids in texts]
        segments = [Segment(cache, len(ids)) for cache, ids in zip(caches, texts, strict=True)]
        self._decoder.read(torch.from_numpy(np.concatenate(texts)), segments)
        sizes = [len(ids) for ids in texts]
        parts = {layer: torch.split(self._seen[layer].to(torch.bfloat16), sizes) for layer in self.layers}
        return [{layer: parts[layer][number].clone() for layer in self.layers} for number in range(len(texts))]

    def _cache(self, after: TokenArray, room: int) -> KVCache:
        key = after.tobytes()
        if key not in self._after:
            ids = np.concatenate((self._prefix, after))
            cache = self._decoder.new_cache(len(ids))
            self._decoder.read(torch.from_numpy(ids), [Segment(cache, len(ids))])
            self._after[key] = cache
        started = self._after[key].fork()
        started.reserve(room)
        return started


@dataclass(frozen=True, slots=True)
class Texts:
    """Token ids that are encoded alike: after the prefix and `after`, all of them but the first `skip`."""

    ids: list[TokenArray]
    after: TokenArray

    @property
    def tokens(self) -> int:
        return sum(map(len, self.ids))


@dataclass(frozen=True, slots=True)
class Encoded:
    """Hidden bf16 [T, C] of all texts, one after another, and each one's first row; `starts` [n + 1]."""

    hidden: Tensor
    starts: list[int]

    def __getitem__(self, text: int) -> Tensor:
        return self.hidden[self.starts[text] : self.starts[text + 1]]


class Encodings:
    """A folder of encodings; `open_trunk` is called at the first text that is not there."""

    def __init__(self, folder: Path, fingerprint: str, layers: Sequence[int], open_trunk: Callable[[], Trunk]) -> None:
        self._folder, self._fingerprint, self._layers, self._open = folder, fingerprint, tuple(layers), open_trunk
        self._trunk: Trunk | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def encode(self, texts: Texts, report: Report, deadline: float | None = None) -> int:
        """Encode what is missing, in order, and say how many texts of the front are there; past `deadline` (time.monotonic) no more."""
        done, done_tokens, spent_tokens, spent = 0, 0, 0, 0.0
        for part in blocks(texts):
            started, path = time.perf_counter(), self._path(part)
            if not path.is_file():
                if deadline is not None and time.monotonic() > deadline:
                    break
                self._write(part, path)
                spent, spent_tokens = spent + time.perf_counter() - started, spent_tokens + part.tokens
            done, done_tokens = done + len(part.ids), done_tokens + part.tokens
            report(done_tokens, texts.tokens, spent_tokens / spent if spent else 0.0)
        return done

    def load(self, texts: Texts, layers: Sequence[int]) -> Encoded:
        """Some layers, side by side, of texts that are all encoded."""
        starts = np.concatenate(([0], np.cumsum([len(ids) for ids in texts.ids]))).tolist()
        hidden, first = torch.empty(0), 0
        for part in blocks(texts):
            with safe_open(self._path(part), "pt") as file:
                read = torch.cat([file.get_tensor(str(layer)) for layer in layers], 1)
            if not first:
                hidden = torch.empty(starts[-1], read.shape[1], dtype=read.dtype)
            hidden[first : first + len(read)] = read
            first += len(read)
        return Encoded(hidden, starts)

    def _path(self, part: Texts) -> Path:
        digest = hashlib.sha256(f"{self._fingerprint} {self._layers} {[len(ids) for ids in part.ids]}".encode())
        for ids in (part.after, *part.ids):
            digest.update(np.asarray(ids, dtype=np.int32).tobytes())
        return self._folder / f"{digest.hexdigest()[:32]}.safetensors"

    def _write(self, part: Texts, path: Path) -> None:
        self._trunk = self._trunk or self._open()
        normed = [each for batch in passes(part.ids) for each in self._trunk.normed(batch, part.after)]
        tensors = {str(layer): torch.cat([each[layer] for each in normed]) for layer in self._layers}
        temporary = path.with_suffix(".part")
        save_file(tensors, temporary)
        temporary.replace(path)


def blocks(texts: Texts) -> Iterator[Texts]:
    """FILE_TEXTS at a time."""
    for first in range(0, len(texts.ids), FILE_TEXTS):
        yield Texts(texts.ids[first : first + FILE_TEXTS], texts.after)


def passes(ids: Sequence[TokenArray]) -> Iterator[list[TokenArray]]:
    """Texts that go through the model together, about PASS_TOKENS."""
    batch: list[TokenArray] = []
    for each in ids:
        if batch and sum(map(len, batch)) + len(each) > PASS_TOKENS:
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch
