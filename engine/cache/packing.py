"""State of a run of tokens <-> the bytes that are stored of it: a header that says their layout, the global layers' keys and values, and
where the run ends inside an attention chunk, the chunked layers' of the run's part in that chunk. Knows no key, no store and no text.
"""

from __future__ import annotations

import struct

import torch
from torch import Tensor

from engine.cache.kv_cache import State
from engine.cache.layout import tail
from engine.config import ModelConfig

# Global layers, chunked layers, kv heads, head size, bytes of a number, tokens, and tokens of the attention chunk that is open after them.
HEADER = struct.Struct("<7I")


class Packing:
    """For one model; numbers are rounded to `dtype`."""

    def __init__(self, config: ModelConfig, dtype: torch.dtype) -> None:
        self._config, self.dtype = config, dtype
        self._chunk = config.attention_chunk if any(config.chunked) else None

    def size(self, start: int, tokens: int) -> int:
        """Bytes of a run of tokens at positions start.., header included."""
        whole, current = self._shapes(start, tokens)
        return HEADER.size + (whole.numel() + current.numel()) * self.dtype.itemsize

    def pack(self, state: State) -> bytes:
        parts = [state.whole] if state.current is None else [state.whole, state.current]
        tokens = state.whole.shape[3]
        opened = 0 if state.current is None else state.current.shape[3]
        return b"".join([self._header(tokens, opened), *(self._bytes(part) for part in parts)])

    def unpack(self, value: bytes, start: int, tokens: int) -> State | None:
        """The state of so many tokens at positions start..; None for any bytes that are not exactly that."""
        opened = tail(start, tokens, self._chunk)
        if len(value) != self.size(start, tokens) or value[: HEADER.size] != self._header(tokens, opened):
            return None
        whole, current = self._shapes(start, tokens)
        flat = torch.frombuffer(bytearray(value), dtype=self.dtype, offset=HEADER.size)
        first = flat[: whole.numel()].view(whole.shape)
        return State(first, flat[whole.numel() :].view(current.shape) if opened else None)

    def _shapes(self, start: int, tokens: int) -> tuple[Tensor, Tensor]:
        """Both parts [layers, 2, G, T, D], without memory."""
        config, opened = self._config, tail(start, tokens, self._chunk)
        of = ((len(config.global_layers), tokens), (len(config.chunked_layers), opened))
        whole, current = (torch.empty(layers, 2, config.kv_heads, length, config.head_dim, device="meta") for layers, length in of)
        return whole, current

    def _header(self, tokens: int, opened: int) -> bytes:
        config = self._config
        layers = len(config.global_layers), len(config.chunked_layers)
        return HEADER.pack(*layers, config.kv_heads, config.head_dim, self.dtype.itemsize, tokens, opened)

    def _bytes(self, part: Tensor) -> memoryview:
        return part.to("cpu", self.dtype).contiguous().view(torch.uint8).numpy().data
