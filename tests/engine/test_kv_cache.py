"""The resident cache: growth and parts, forks, truncation, stored state, bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.cache.kv_cache import BLOCK_TOKENS, COPY_TOKENS, PART_TOKENS, KVCache, State, Track
from engine.config import ModelConfig
from engine.errors import EngineError
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from tests.engine.tiny import CONFIG, our_weights, reference_model, tiny_decoder

CHUNK = 16
CHUNKED = replace(CONFIG, chunked=(True, False, True), attention_chunk=CHUNK)
VALUES = 2 * CONFIG.kv_heads * CONFIG.head_dim  # of one token in one layer


def chunked_decoder() -> Decoder:
    return Decoder.from_weights(CHUNKED, our_weights(reference_model(), CHUNKED))


def empty(config: ModelConfig = CONFIG, tokens: int = 0) -> KVCache:
    return KVCache(config, torch.float32, torch.device("cpu"), tokens)


def random_state(tokens: int, layers: int = CONFIG.layers, seed: int = 0) -> Tensor:
    return torch.randn(layers, 2, CONFIG.kv_heads, tokens, CONFIG.head_dim, generator=torch.Generator().manual_seed(seed))


def tokens(count: int, seed: int = 1) -> Tensor:
    return torch.randint(0, CONFIG.vocab, (count,), generator=torch.Generator().manual_seed(seed))


def read(decoder: Decoder, cache: KVCache, ids: Tensor) -> Tensor:
    return decoder.logits(decoder(ids, [Segment(cache, len(ids))]))


def put(cache: KVCache, state: Tensor) -> None:
    """Append to a model without chunked layers."""
    cache.restore(State(state, None))


def rooms(track: Track) -> list[int]:
    return [part.room.data_ptr() for part in track.parts]


# --- growth ---


def test_it_loses_nothing_when_it_grows() -> None:
    cache = empty(tokens=1)
    state = random_state(100)
    for _ in range(2 * BLOCK_TOKENS // 100 + 1):
        put(cache, state)
    assert cache.length == 600
    assert torch.equal(cache.save().whole, state.repeat(1, 1, 1, 6, 1))


def test_it_writes_a_decoded_token_in_place() -> None:
    decoder, cache = tiny_decoder(), tiny_decoder().new_cache(BLOCK_TOKENS)
    read(decoder, cache, tokens(9))
    before, held = rooms(cache.whole), cache.bytes
    for token in tokens(BLOCK_TOKENS - 9).split(1):
        read(decoder, cache, token)
    assert (rooms(cache.whole), cache.bytes, cache.length) == (before, held, BLOCK_TOKENS)


def test_it_never_copies_a_long_part_again() -> None:
    cache, state = empty(), random_state(COPY_TOKENS + 1)
    put(cache, state)
    first = rooms(cache.whole)
    parts = [state]
    for seed in range(1, 30):
        parts.append(random_state(700, seed=seed))
        put(cache, parts[-1])
    assert rooms(cache.whole)[:1] == first
    # Each part is about as large as all before it.
    assert 3 <= len(rooms(cache.whole)) <= 6
    assert torch.equal(cache.save().whole, torch.cat(parts, 3))
    assert torch.equal(cache.save(5000).whole, torch.cat(parts, 3)[:, :, :, 5000:])
    kept = [torch.cat(side, 1) for side in zip(*cache.whole.read(1), strict=True)]
    assert torch.equal(torch.stack(kept), torch.cat(parts, 3)[1])


def test_it_takes_room_for_at_most_one_part_ahead() -> None:
    cache = empty()
    for _ in range(40):
        put(cache, torch.zeros(1, 1, 1, 1, 1).expand(CONFIG.layers, 2, CONFIG.kv_heads, PART_TOKENS // 8, CONFIG.head_dim))
        held = cache.bytes / (4 * VALUES * CONFIG.layers)
        assert held <= cache.length + min(2 * cache.length, PART_TOKENS) + BLOCK_TOKENS


def test_it_counts_its_bytes() -> None:
    assert empty().bytes == 0
    assert empty(tokens=BLOCK_TOKENS + 1).bytes == 2 * BLOCK_TOKENS * CONFIG.layers * VALUES * 4
    half = KVCache(CHUNKED, torch.bfloat16, torch.device("cpu"), 10 * BLOCK_TOKENS)
    assert half.bytes == 10 * BLOCK_TOKENS * VALUES * 2, "room ahead is for the one global layer"


def test_chunked_layers_never_hold_more_than_a_chunk() -> None:
    decoder = chunked_decoder()
    cache, length = decoder.new_cache(), 0
    for piece in tokens(40 * CHUNK).split([5, 100, 1, 6, 16, 32, 7] + [1] * 100 + [373]):
        read(decoder, cache, piece)
        length += len(piece)
        assert cache.current.length == length % CHUNK
        assert cache.current.bytes <= 2 * BLOCK_TOKENS * VALUES * 4
    assert cache.whole.length == cache.length == 40 * CHUNK
    assert cache.current.bytes == 0, "and nothing at a boundary"


def test_a_pass_that_was_broken_off_leaves_nothing_behind() -> None:
    decoder, ids = chunked_decoder(), tokens(60)
    expected = read(decoder, decoder.new_cache(), ids)
    cache = decoder.new_cache()
    read(decoder, cache, ids[:20])

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    handle = decoder.layers[2].register_forward_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        read(decoder, cache, tokens(40, seed=5))
    handle.remove()
    assert (cache.length, cache.whole.length, cache.current.length) == (20, 20, 4)
    torch.testing.assert_close(read(decoder, cache, ids[20:]), expected[20:], rtol=1e-4, atol=1e-4)


# --- forks ---


def test_a_fork_copies_nothing() -> None:
    cache = empty(CHUNKED)
    cache.restore(State(random_state(3 * CHUNK + 5, 1), random_state(5, 2)))
    fork = cache.fork()
    assert rooms(fork.whole) == rooms(cache.whole)
    assert rooms(fork.current) == rooms(cache.current)


@pytest.mark.parametrize("length", [20, COPY_TOKENS + 5])
def test_forks_go_their_own_ways(length: int) -> None:
    cache, start = empty(), random_state(length)
    put(cache, start)
    forks = [cache.fork(), cache.fork()]
    forks.append(forks[0].fork())
    own = {one: random_state(30 + seed, seed=seed) for seed, one in enumerate([cache, *forks], 1)}
    for one, more in own.items():
        put(one, more[:, :, :, :7])
    for one, more in own.items():
        put(one, more[:, :, :, 7:])
    for one, more in own.items():
        assert torch.equal(one.save().whole, torch.cat((start, more), 3))


def test_a_truncated_cache_does_not_write_into_its_fork() -> None:
    cache, start, more = empty(), random_state(50), random_state(50, seed=1)
    put(cache, start)
    fork = cache.fork()
    cache.truncate(20)
    put(cache, more)
    fork.truncate(40)
    later = fork.fork()
    put(fork, random_state(3, seed=2))
    assert torch.equal(cache.save().whole, torch.cat((start[:, :, :, :20], more), 3))
    assert torch.equal(later.save().whole, start[:, :, :, :40])
    assert torch.equal(fork.save(40).whole, random_state(3, seed=2))


# --- truncation ---


def test_it_forgets_what_is_truncated() -> None:
    decoder, ids = tiny_decoder(), torch.arange(30) % CONFIG.vocab
    cache = decoder.new_cache()
    first = read(decoder, cache, ids)
    cache.truncate(10)
    again = read(decoder, cache, ids[10:])
    torch.testing.assert_close(again, first[10:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("length", [0, 3, COPY_TOKENS, COPY_TOKENS + 1, 3000])
def test_it_truncates_over_several_parts(length: int) -> None:
    cache = empty()
    state = torch.cat([random_state(700, seed=seed) for seed in range(5)], 3)
    for piece in state.split(700, 3):
        put(cache, piece)
    cache.truncate(length)
    assert cache.length == length
    assert torch.equal(cache.save().whole, state[:, :, :, :length])
    put(cache, state[:, :, :, length:])
    assert torch.equal(cache.save().whole, state)


@pytest.mark.parametrize("length", [0, CHUNK, 3 * CHUNK, 3 * CHUNK + 1, 3 * CHUNK + 7])
def test_it_truncates_at_boundaries_and_within_the_chunk_at_hand(length: int) -> None:
    decoder, ids = chunked_decoder(), tokens(3 * CHUNK + 7)
    expected = read(decoder, decoder.new_cache(), ids)
    cache = decoder.new_cache()
    read(decoder, cache, ids)
    cache.truncate(length)
    assert (cache.length, cache.whole.length, cache.current.length) == (length, length, length % CHUNK)
    if length < len(ids):
        torch.testing.assert_close(read(decoder, cache, ids[length:]), expected[length:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("read_tokens", "length"), [(3 * CHUNK + 7, 3 * CHUNK - 1), (3 * CHUNK + 7, 1), (3 * CHUNK, 3 * CHUNK - 1)])
def test_it_does_not_truncate_into_a_chunk_that_is_over(read_tokens: int, length: int) -> None:
    decoder, ids = chunked_decoder(), tokens(read_tokens + 9)
    cache = decoder.new_cache()
    expected = read(decoder, decoder.new_cache(), ids)
    read(decoder, cache, ids[:read_tokens])
    with pytest.raises(EngineError, match=f"state of token {length} is gone. Truncate at a multiple of 16 and read on from there"):
        cache.truncate(length)
    assert (cache.length, cache.whole.length, cache.current.length) == (read_tokens, read_tokens, read_tokens % CHUNK)
    torch.testing.assert_close(read(decoder, cache, ids[read_tokens:]), expected[read_tokens:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("length", [7, 8, 1000])
def test_it_has_nothing_to_truncate_past_its_end(length: int) -> None:
    cache = empty()
    put(cache, random_state(7))
    cache.truncate(length)
    assert torch.equal(cache.save().whole, random_state(7))


# --- stored state ---


def test_it_goes_on_from_stored_state_as_if_it_had_read() -> None:
    decoder, ids = tiny_decoder(), torch.arange(60) % CONFIG.vocab
    whole = decoder.new_cache()
    expected = read(decoder, whole, ids)[40:]
    again = decoder.new_cache()
    put(again, whole.save().whole[:, :, :, :15].clone())
    put(again, whole.save(15).whole[:, :, :, :25].clone())
    torch.testing.assert_close(read(decoder, again, ids[40:]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("first", [0, 2 * CHUNK, 2 * CHUNK + 3, 3 * CHUNK + 2])
def test_it_saves_the_end_of_what_it_holds(first: int) -> None:
    cache, whole, current = empty(CHUNKED), random_state(3 * CHUNK + 5, 1), random_state(5, 2)
    cache.restore(State(whole, current))
    state = cache.save(first)
    assert state.current is not None
    assert torch.equal(state.whole, whole[:, :, :, first:])
    assert torch.equal(state.current, current[:, :, :, max(0, first - 3 * CHUNK) :]), "of the chunked layers only what is from `first` on"


def test_it_saves_nothing_of_chunked_layers_at_a_boundary() -> None:
    cache = empty(CHUNKED)
    assert (cache.save().whole.shape[3], cache.save().current) == (0, None)
    cache.restore(State(random_state(3 * CHUNK, 1), None))
    assert (cache.save().whole.shape, cache.save().current) == ((1, 2, CONFIG.kv_heads, 3 * CHUNK, CONFIG.head_dim), None)


@pytest.mark.parametrize(
    ("already", "whole", "current"),
    [
        (0, 5, None),
        (0, CHUNK + 5, None),
        (CHUNK, 5, None),
        (CHUNK, 5, 4),
        (CHUNK, 5, 6),
        (0, CHUNK, 5),
        (3, 10, 9),
        (3, 10, 13),
        (3, 13, 16),
    ],
)
def test_it_restores_no_state_without_what_the_middle_of_a_chunk_needs(already: int, whole: int, current: int | None) -> None:
    cache = empty(CHUNKED)
    start = State(random_state(already, 1), random_state(already % CHUNK, 2) if already % CHUNK else None)
    cache.restore(start)
    with pytest.raises(EngineError, match=r"tokens inside an attention chunk .* Read it again"):
        cache.restore(State(random_state(whole, 1), None if current is None else random_state(current, 2)))
    left = cache.save()
    assert torch.equal(left.whole, start.whole), "and what was there stays as it was"
    assert (left.current is None) == (start.current is None)
    if left.current is not None and start.current is not None:
        assert torch.equal(left.current, start.current)


def test_it_restores_piece_by_piece_what_it_saved_at_once() -> None:
    decoder, ids = chunked_decoder(), tokens(3 * CHUNK + 20)
    cache = decoder.new_cache()
    read(decoder, cache, ids[: 3 * CHUNK + 5])
    state, again = cache.save(), decoder.new_cache()
    for first, end in ((0, 2 * CHUNK), (2 * CHUNK, 3 * CHUNK)):
        again.restore(State(state.whole[:, :, :, first:end], None))
    again.restore(State(state.whole[:, :, :, 3 * CHUNK :], state.current))
    torch.testing.assert_close(read(decoder, again, ids[3 * CHUNK + 5 :]), read(decoder, cache, ids[3 * CHUNK + 5 :]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("first", [1, 5, CHUNK, CHUNK + 3])
@pytest.mark.parametrize("tokens_more", [1, 7, CHUNK, 3 * CHUNK + 2])
def test_it_puts_saved_tokens_behind_those_of_the_same_chunk(first: int, tokens_more: int) -> None:
    decoder, ids = chunked_decoder(), tokens(first + tokens_more + 9)
    cache = decoder.new_cache()
    read(decoder, cache, ids[:first])
    fork = cache.fork()
    for piece in ids[first:-9].split(10):
        read(decoder, cache, piece)
    state = cache.save(first)
    start = fork.save()
    fork.restore(state)
    assert (fork.length, fork.current.length) == (cache.length, cache.current.length)
    for ours, theirs in zip((fork.save().whole, fork.current.state()), (cache.save().whole, cache.current.state()), strict=True):
        assert torch.equal(ours, theirs)
    assert start.whole.shape[3] == first
    torch.testing.assert_close(read(decoder, fork, ids[-9:]), read(decoder, cache, ids[-9:]), rtol=0, atol=1e-5)


def test_room_that_was_taken_ahead_of_a_fork_is_written_in_place() -> None:
    decoder, kept = chunked_decoder(), chunked_decoder().new_cache()
    read(decoder, kept, tokens(5))
    fork = kept.fork()
    fork.reserve(3 * CHUNK)
    before = rooms(fork.whole)
    read(decoder, fork, tokens(3 * CHUNK))
    assert rooms(fork.whole) == before
    assert kept.length == 5


def test_it_restores_behind_what_a_pass_has_written() -> None:
    """A pass takes its room in inference mode, where nothing outside may write."""
    decoder, ids = chunked_decoder(), tokens(4 * CHUNK)
    whole, cache = decoder.new_cache(), decoder.new_cache()
    read(decoder, whole, ids[: 3 * CHUNK])
    read(decoder, cache, ids[:CHUNK])
    cache.restore(State(whole.save(CHUNK).whole, None))
    torch.testing.assert_close(read(decoder, cache, ids[3 * CHUNK :]), read(decoder, whole, ids[3 * CHUNK :]), rtol=0, atol=1e-5)
