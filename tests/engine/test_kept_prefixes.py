"""Prefixes in memory: which one is found, how far it holds, who goes first, and that nobody's cache is changed under him."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.cache.kv_cache import KVCache
from engine.kept_prefixes import KeptPrefixes, common
from engine.prompt import TokenArray
from engine.steps import forward, run
from tests.engine.fed import logits_after, same, tokens
from tests.engine.tiny import tiny_decoder

DECODER = tiny_decoder()
PREFIX, QUESTION = tokens(60, 1) % 97, tokens(9, 2) % 97


def read(ids: TokenArray) -> KVCache:
    cache = DECODER.new_cache(len(ids))
    run(forward(torch.from_numpy(ids), cache), DECODER)
    return cache


def joined(*parts: TokenArray) -> TokenArray:
    return np.concatenate(parts)


@pytest.mark.parametrize("shared", [1, 25, 60])
def test_it_goes_on_from_what_two_have_in_common(shared: int) -> None:
    kept = KeptPrefixes(1 << 30)
    kept.keep("alice", PREFIX, read(PREFIX))
    ids = joined(PREFIX[:shared], (PREFIX[shared : shared + 1] + 1) % 97, QUESTION)
    for _ in range(2):
        cache = kept.start("alice", ids)
        assert cache is not None
        assert cache.length == shared
        same(logits_after(DECODER, cache, ids[shared:]), logits_after(DECODER, DECODER.new_cache(), ids)[shared:])


def test_it_leaves_at_least_one_token_to_read() -> None:
    kept = KeptPrefixes(1 << 30)
    kept.keep("alice", PREFIX, read(PREFIX))
    cache = kept.start("alice", PREFIX[:30])
    assert cache is not None
    assert cache.length == 29
    assert kept.start("alice", PREFIX[:1]) is None


def test_it_finds_only_the_owners_own_and_forgets_them() -> None:
    kept = KeptPrefixes(1 << 30)
    kept.keep("alice", PREFIX, read(PREFIX))
    assert kept.start("bob", PREFIX) is None
    kept.forget("bob")
    assert kept.start("alice", PREFIX) is not None
    kept.forget("alice")
    assert kept.start("alice", PREFIX) is None
    assert kept.bytes == 0


def test_it_keeps_what_was_used_last_within_its_budget() -> None:
    cache = read(PREFIX)
    kept = KeptPrefixes(2 * cache.bytes)
    first, second, third = (joined(np.array([number], dtype=np.int32), PREFIX[1:]) for number in (1, 2, 3))
    for ids in (first, second):
        kept.keep("alice", ids, read(ids))
    assert kept.start("alice", first) is not None
    kept.keep("alice", third, read(third))
    assert kept.bytes == 2 * cache.bytes
    assert [kept.start("alice", ids) is not None for ids in (first, second, third)] == [True, False, True]
    small = KeptPrefixes(cache.bytes - 1)
    small.keep("alice", PREFIX, cache)
    assert small.start("alice", PREFIX) is None


def test_a_longer_prefix_takes_the_place_of_its_beginning() -> None:
    kept = KeptPrefixes(1 << 30)
    kept.keep("alice", PREFIX[:30], read(PREFIX[:30]))
    before = kept.bytes
    kept.keep("alice", PREFIX, read(PREFIX))
    assert kept.bytes == before, "rooms are counted in blocks, and there is one"


@pytest.mark.parametrize(("one", "other", "expected"), [([], [1], 0), ([1, 2], [1, 3], 1), ([1, 2], [1, 2, 3], 2), ([5], [6], 0)])
def test_it_counts_what_is_common(one: list[int], other: list[int], expected: int) -> None:
    assert common(np.array(one, dtype=np.int32), np.array(other, dtype=np.int32)) == expected
