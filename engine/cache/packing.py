"""State of a run of tokens <-> the bytes that are stored of it: a header that says their layout, the global layers' keys and values, and
where the run ends inside an attention chunk, the chunked layers' of the run's part in that chunk. Knows no key, no store and no text.
"""

from __future__ import annotations

import struct
import warnings

import torch
from torch import Tensor

from engine.cache.codec import Codec
from engine.cache.kv_cache import State
from engine.cache.layout import tail
from engine.config import ModelConfig

# Global layers, chunked layers, kv heads, head size, the codec's name, tokens, and tokens of the attention chunk that is open after them.
HEADER = struct.Struct("<4I4s2I")

Shape = tuple[int, int, int, int]
"""Of a part of a state: layers, kv heads, tokens, head size."""


class Packing:
    """For one model, in one codec."""

    def __init__(self, config: ModelConfig, codec: Codec) -> None:
        self._config, self.codec = config, codec
        self._chunk = config.attention_chunk if any(config.chunked) else None

    def size(self, start: int, tokens: int) -> int:
        """Bytes of a run of tokens at positions start.., header included."""
        return HEADER.size + sum(self._sizes(start, tokens))

    def pack(self, state: State) -> bytes:
        parts = [state.whole] if state.current is None else [state.whole, state.current]
        tokens = state.whole.shape[3]
        opened = 0 if state.current is None else state.current.shape[3]
        return b"".join([self._header(tokens, opened), *map(self.codec.encode, parts)])

    def unpack(self, value: bytes | memoryview, start: int, tokens: int, *, shared: bool = False) -> State | None:
        """The state of so many tokens at positions start..; None for any bytes that are not exactly that.

        In memory of its own, or if `shared` where the value lies, as far as the codec can use it there: it may then not be written to,
        and the value has to stay as long as the state does.
        """
        opened = tail(start, tokens, self._chunk)
        if len(value) != self.size(start, tokens) or value[: HEADER.size] != self._header(tokens, opened):
            return None
        stored = there(value[HEADER.size :])
        if not shared:
            stored = stored.clone()
        parts = zip(torch.split(stored, self._sizes(start, tokens)), self._shapes(start, tokens), strict=True)
        whole, current = (self.codec.decode(part, shape) for part, shape in parts)
        return State(whole, current if opened else None)

    def _shapes(self, start: int, tokens: int) -> tuple[Shape, Shape]:
        config, opened = self._config, tail(start, tokens, self._chunk)
        of = ((len(config.global_layers), tokens), (len(config.chunked_layers), opened))
        whole, current = ((layers, config.kv_heads, length, config.head_dim) for layers, length in of)
        return whole, current

    def _sizes(self, start: int, tokens: int) -> list[int]:
        return [self.codec.stored_bytes(*shape) for shape in self._shapes(start, tokens)]

    def _header(self, tokens: int, opened: int) -> bytes:
        config = self._config
        layers = len(config.global_layers), len(config.chunked_layers)
        return HEADER.pack(*layers, config.kv_heads, config.head_dim, self.codec.name.encode(), tokens, opened)


def there(value: bytes | memoryview) -> Tensor:
    """The bytes as uint8 where they lie, to be read only."""
    if not len(value):
        return torch.empty(0, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*buffer is not writable.*")  # nobody writes to it
        return torch.frombuffer(value, dtype=torch.uint8)
