"""Resident attention state of one sequence: keys (already rotated) and values of every layer, in two tracks.

The global layers' track keeps every token; the chunked layers' track keeps the current attention chunk only. A track is a list of parts;
room in a part is taken ahead and written in place, so a decoded token copies nothing, and a full part is never copied again: the next one
is put beside it, as large as all before. Parts can be shared, so that `fork` copies nothing, and so that the stored state of chunks that
were read alone becomes one sequence as it lies (`compose`). Knows no disk and no text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from engine.cache.layout import Slot, ranges, slots, tail
from engine.config import ModelConfig
from engine.errors import EngineError

BLOCK_TOKENS = 256
# A tail up to here is copied into the next part, so that short sequences stay in one piece, which attends faster.
COPY_TOKENS = 1024
# Parts grow up to this: with more, the room of the last one could be too much of the machine's memory.
PART_TOKENS = 65_536

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, [G, L, D] each."""


class Room(NamedTuple):
    """A part as loops over memory see it: the address of its first key, how many bytes lie between layers, between a layer's keys and its
    values, and between heads; and how many tokens it holds, `size` numbers of this type each, one after another."""

    address: int
    layer: int
    value: int
    head: int
    length: int
    dtype: torch.dtype
    size: int

    @classmethod
    def of(cls, room: Tensor, length: int) -> Room:
        layer, value, head = (stride * room.itemsize for stride in room.stride()[:3])
        return cls(room.data_ptr(), layer, value, head, length, room.dtype, room.shape[4])


def in_order(room: Tensor) -> bool:
    """Whether a room's tokens lie one after another in the processor's memory."""
    return room.is_cpu and room.stride()[3:] == (room.shape[4], 1)


@dataclass(slots=True)
class Part:
    """`room` is [layers of the track, 2, G, capacity, D], settled up to `length`. A shared part is only read. `owner` is whatever the
    room's memory belongs to, if not to the room: it lives as long as the part."""

    room: Tensor
    length: int = 0
    shared: bool = False
    owner: object = None

    @property
    def free(self) -> int:
        return 0 if self.shared else self.room.shape[3] - self.length

    def settled(self) -> Tensor:
        return self.room[:, :, :, : self.length]


class Track:
    """The state of the layers of one kind."""

    def __init__(self, shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device, parts: list[Part] | None = None) -> None:
        # shape: layers, G, D
        self._shape, self.dtype, self._device = shape, dtype, device
        self.parts = parts or []
        self._coming = 0
        self._targets: tuple[Tensor, ...] = ()
        self._views: list[tuple[Tensor, ...]] = []

    @property
    def length(self) -> int:
        return sum(part.length for part in self.parts)

    def reserve(self, tokens: int) -> None:
        """Make room for so many more in the last part."""
        if not tokens or (self.parts and self.parts[-1].free >= tokens):
            return
        tail = self.parts[-1] if self.parts else None
        if tail is not None and tail.length <= COPY_TOKENS:
            self.parts[-1] = self._part(tail.length + tokens + (tail.length if not tail.shared else 0))
            self.parts[-1].room[:, :, :, : tail.length] = tail.settled()
            self.parts[-1].length = tail.length
        else:
            ahead = 0 if tail is None or tail.shared else min(2 * tail.length, PART_TOKENS)
            self.parts.append(self._part(max(tokens, ahead)))

    def open(self, tokens: int) -> None:
        """A part of their own for so many more tokens, so that nothing settled is copied to make room."""
        self.parts.append(self._part(tokens))

    def begin(self, tokens: int) -> None:
        """Make room for so many new tokens."""
        self.reserve(tokens)
        self._coming = tokens

    def _lay_out(self) -> None:
        """The views that the layers write and read, all at once."""
        last = self.parts[-1]
        end = last.length + self._coming
        self._targets = by_layer(last.room[:, :, :, last.length : end])
        self._views = [by_layer(part.settled()) for part in self.parts[:-1]]
        self._views.append(by_layer(last.room[:, :, :, :end]))

    def write(self, index: int, k: Tensor, v: Tensor) -> list[KeysValues]:
        """Put one layer's new k and v [G, T, D] after the settled tokens; returns that layer's parts, the new tokens last."""
        if not self._targets:
            self._lay_out()
        self._targets[2 * index].copy_(k)
        self._targets[2 * index + 1].copy_(v)
        return [(views[2 * index], views[2 * index + 1]) for views in self._views]

    def rooms(self, tokens: int) -> list[Room]:
        """The parts with the new tokens that `begin` made room for; none where their memory does not lie as loops read it."""
        if not all(in_order(part.room) for part in self.parts):
            return []
        rooms = [Room.of(part.room, part.length) for part in self.parts]
        return [*rooms[:-1], rooms[-1]._replace(length=rooms[-1].length + tokens)] if rooms else []

    def settle(self, tokens: int) -> None:
        """What every layer wrote counts from now on."""
        self.parts[-1].length += tokens
        self._targets, self._views = (), []

    def read(self, index: int) -> list[KeysValues]:
        """One layer's settled parts."""
        return [(part.room[index, 0, :, : part.length], part.room[index, 1, :, : part.length]) for part in self.parts]

    @torch.inference_mode()  # a pass may have made the room
    def extend(self, state: Tensor) -> None:
        """Append state [layers, 2, G, T, D]."""
        tokens = state.shape[3]
        self.reserve(tokens)
        if tokens:
            last = self.parts[-1]
            last.room[:, :, :, last.length : last.length + tokens] = state
            last.length += tokens

    def share(self, state: Tensor, owner: object = None) -> None:
        """Append state [layers, 2, G, T, D] as it lies, if it is of this type and device. Nobody may change it from now on."""
        if state.shape[3]:
            room = state.to(self._device, self.dtype)
            self.parts.append(Part(room, state.shape[3], shared=True, owner=owner if room is state else None))

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens."""
        kept, left = [], length
        for part in self.parts:
            if left > 0:
                kept.append(Part(part.room, min(part.length, left), part.shared, part.owner))
            left -= part.length
        self.parts = kept

    def fork(self) -> Track:
        for part in self.parts:
            part.shared = True
        return Track(self._shape, self.dtype, self._device, [Part(part.room, part.length, True, part.owner) for part in self.parts])

    def empty(self) -> Track:
        return Track(self._shape, self.dtype, self._device)

    def state(self, first: int = 0) -> Tensor:
        """[layers, 2, G, length - first, D]; a view where it lies in one part."""
        views = self._views_from(first)
        if len(views) == 1:
            return views[0]
        layers, groups, size = self._shape
        return torch.cat(views, 3) if views else torch.empty(layers, 2, groups, 0, size, dtype=self.dtype, device=self._device)

    @torch.inference_mode()
    def replace(self, state: Tensor) -> None:
        """The last tokens' state becomes this, [layers, 2, G, T, D], where it lies."""
        tokens = state.shape[3]
        views = self._views_from(self.length - tokens)
        for view, part in zip(views, torch.split(state, [view.shape[3] for view in views], 3), strict=True):
            view.copy_(part)

    @property
    def bytes(self) -> int:
        return sum(part.room.nbytes for part in self.parts)

    def _views_from(self, first: int) -> list[Tensor]:
        views, before = [], 0
        for part in self.parts:
            if (begin := max(first - before, 0)) < part.length:
                views.append(part.room[:, :, :, begin : part.length])
            before += part.length
        return views

    def _part(self, tokens: int) -> Part:
        layers, groups, size = self._shape
        capacity = -(-tokens // BLOCK_TOKENS) * BLOCK_TOKENS
        return Part(torch.empty(layers, 2, groups, capacity, size, dtype=self.dtype, device=self._device))


def by_layer(room: Tensor) -> tuple[Tensor, ...]:
    """Views [G, T, D] of a room [layers, 2, G, T, D]: the first layer's keys, its values, the second's keys and so on."""
    return room.flatten(0, 1).unbind(0)


@dataclass(frozen=True, slots=True)
class State:
    """A run of tokens as it is kept: the global layers' state of them, [layers, 2, G, T, D], and where they end inside an attention
    chunk, the chunked layers' state of those among them that stand in that chunk; None at a boundary."""

    whole: Tensor
    current: Tensor | None


@dataclass(slots=True)
class Pass:
    """What one forward pass adds: its runs within attention chunks, and the track that holds the last run if a boundary comes first."""

    runs: list[tuple[int, int]]
    after: Track | None = field(default=None)


class Attended(NamedTuple):
    """The new tokens first..end of a segment attend to these parts, whose last tokens they are."""

    first: int
    end: int
    parts: list[KeysValues]


class KVCache:
    """The next token stands at position `length`: so many are settled, unless chunks were composed (`compose`), which skips positions.

    A forward pass calls `begin`, lets every layer `write`, and settles its tokens with `advance`.
    """

    def __init__(self, config: ModelConfig, dtype: torch.dtype, device: torch.device, tokens: int = 0) -> None:
        self._slots, self._chunk = slots(config), config.attention_chunk if any(config.chunked) else None
        layers = len(config.global_layers), len(config.chunked_layers)
        self.whole, self.current = (Track((count, config.kv_heads, config.head_dim), dtype, device) for count in layers)
        self.length = 0
        # Where composed chunks end, and how many of the positions before that no token stands at.
        self._composed = self._skipped = 0
        self._pass = Pass([])
        self.whole.reserve(tokens)

    def compose(self, chunks: Iterable[Tensor], room: int = 0, owner: object = None) -> None:
        """Put the global layers' states [layers, 2, G, T, D] of chunks that were read alone behind what is here, as they lie: none is
        copied that is of the cache's type and on its device, and none may be changed as long as this cache or a fork of it lives.

        The next token begins an attention chunk of its own, the first after all these tokens: what the chunked layers would know of them
        is not needed. There is room for so many tokens more. `owner`: of the states' memory; it is held as long as that is used.
        Raises EngineError for a model without chunked layers.
        """
        if self._chunk is None:
            raise EngineError("This model has no chunked layers: what it reads depends on positions, and chunks of it cannot be composed.")
        for state in chunks:
            self.whole.share(state, owner)
        self.current = self.current.empty()
        self._composed = self.length = -(-self.whole.length // self._chunk) * self._chunk
        self._skipped = self.length - self.whole.length
        self.whole.open(max(room, 1))

    def begin(self, tokens: int) -> None:
        """Make room for so many new tokens."""
        runs = ranges(self.length, tokens, self._chunk)
        self._pass = Pass(runs, self.current.empty() if len(runs) > 1 else None)
        self.whole.begin(tokens)
        if self._chunk is not None:
            first, end = runs[-1]
            (self._pass.after or self.current).begin(end - first)

    def rooms(self, *, chunked: bool) -> list[Room]:
        """For a loop over memory in the place of `write`: the parts that this pass's tokens attend to in the layers of one kind, the last
        with room for these tokens. None where they stand in two attention chunks, or memory does not lie as such a loop reads it."""
        tokens = self._pass.runs[-1][1]
        if chunked and len(self._pass.runs) > 1:
            return []
        return (self.current if chunked else self.whole).rooms(tokens)

    def write(self, layer: int, k: Tensor, v: Tensor) -> list[Attended]:
        """One layer's new keys and values [G, T, D] in; what each run of the new tokens attends to out."""
        slot = self._slots[layer]
        if not slot.chunked:
            return [Attended(0, k.shape[1], self.whole.write(slot.index, k, v))]
        return [self._run(slot, k, v, run) for run in self._pass.runs]

    def _run(self, slot: Slot, k: Tensor, v: Tensor, run: tuple[int, int]) -> Attended:
        first, end = run
        own = k[:, first:end], v[:, first:end]
        if run == self._pass.runs[-1]:
            return Attended(first, end, (self._pass.after or self.current).write(slot.index, *own))
        before = self.current.read(slot.index) if first == 0 else []
        return Attended(first, end, [*before, own])

    def advance(self, tokens: int) -> None:
        """What every layer wrote is settled."""
        self.length += tokens
        self.whole.settle(tokens)
        if self._chunk is not None:
            self.current = self._pass.after or self.current
            first, end = self._pass.runs[-1]
            self.current.settle(end - first)
            if self.length % self._chunk == 0:
                self.current = self.current.empty()

    def truncate(self, length: int) -> None:
        """Forget what comes after the first `length` tokens. Raises EngineError for the middle of an attention chunk that is over."""
        if length >= self.length:
            return
        in_chunk = length % self._chunk if self._chunk else 0
        if self._chunk and in_chunk and length // self._chunk != self.length // self._chunk:
            raise EngineError(
                f"The chunked layers' state of token {length:,} is gone. Truncate at a multiple of {self._chunk:,} and read on from there."
            )
        if length < self._composed:
            raise EngineError("These chunks were put together as a whole. Compose those that are wanted in a new cache.")
        self.whole.truncate(length - self._skipped)
        self.current.truncate(in_chunk)
        self.length = length

    def fork(self) -> KVCache:
        """A second sequence that goes on from here by itself. Nothing is copied."""
        other = object.__new__(KVCache)
        other._slots, other._chunk, other.length, other._pass = self._slots, self._chunk, self.length, Pass([])
        other._composed, other._skipped = self._composed, self._skipped
        other.whole, other.current = self.whole.fork(), self.current.fork()
        return other

    def reserve(self, tokens: int) -> None:
        """Make room for so many more tokens of the global layers."""
        self.whole.reserve(tokens)

    def save(self, first: int = 0) -> State:
        """The state of the tokens from `first` on. Views where they lie in one part: clone what must outlive the cache."""
        opened = tail(first, self.length - first, self._chunk)
        current = self.current.state(self.current.length - opened) if opened else None
        return State(self.whole.state(first - self._skipped), current)

    def values(self, layers: Sequence[int], first: int = 0) -> Tensor:
        """[T, layers * G * D]: the values that these layers, none of them chunked, keep of the tokens from `first` on, side by side."""
        indexes = [self._slots[layer].index for layer in layers]
        return self.whole.state(first - self._skipped)[indexes, 1].permute(2, 0, 1, 3).flatten(1)

    def replace(self, state: State) -> None:
        """The state of the last tokens, which no other cache may share, becomes this one of as many."""
        self.whole.replace(state.whole)
        if state.current is not None:
            self.current.replace(state.current)

    def restore(self, state: State) -> None:
        """Append tokens that were computed at just these positions. Raises EngineError where their end needs a chunk's partial state."""
        tokens = state.whole.shape[3]
        opened = tail(self.length, tokens, self._chunk)
        if opened != (0 if state.current is None else state.current.shape[3]):
            raise EngineError(
                f"The state ends {opened:,} tokens inside an attention chunk without the chunked layers' state. Read it again."
            )
        self.whole.extend(state.whole)
        if opened < tokens:
            self.current = self.current.empty()
        if state.current is not None:
            self.current.extend(state.current)
        self.length += tokens

    @property
    def bytes(self) -> int:
        """Memory held, room included."""
        return self.whole.bytes + self.current.bytes
