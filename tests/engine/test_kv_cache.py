"""The resident cache: growth, stored state, truncation."""

from __future__ import annotations

import torch

from engine.cache.kv_cache import BLOCK_TOKENS, KVCache
from engine.model.attention import Segment
from tests.engine.tiny import CONFIG, tiny_decoder


def test_it_loses_nothing_when_it_grows() -> None:
    cache = KVCache(CONFIG, torch.float32, torch.device("cpu"), 1)
    state = torch.randn(CONFIG.layers, 2, CONFIG.kv_heads, 100, CONFIG.head_dim)
    for _ in range(2 * BLOCK_TOKENS // 100 + 1):
        cache.extend(state)
    assert cache.length == 600
    assert torch.equal(cache.state(), state.repeat(1, 1, 1, 6, 1))


def test_it_goes_on_from_stored_state_as_if_it_had_read() -> None:
    decoder, ids = tiny_decoder(), torch.arange(60) % CONFIG.vocab
    whole = decoder.new_cache()
    expected = decoder.logits(decoder(ids, [Segment(whole, 60)]))[40:]
    again = decoder.new_cache()
    again.extend(whole.state()[:, :, :, :15].clone())
    again.extend(whole.state(15)[:, :, :, :25].clone())
    torch.testing.assert_close(decoder.logits(decoder(ids[40:], [Segment(again, 20)])), expected, rtol=1e-4, atol=1e-4)


def test_it_forgets_what_is_truncated() -> None:
    decoder, ids = tiny_decoder(), torch.arange(30) % CONFIG.vocab
    cache = decoder.new_cache()
    first = decoder.logits(decoder(ids, [Segment(cache, 30)]))
    cache.truncate(10)
    again = decoder.logits(decoder(ids[10:], [Segment(cache, 20)]))
    torch.testing.assert_close(again, first[10:], rtol=1e-4, atol=1e-4)
