"""What may be stored and put together again: the facts that the store rests on, on a random iRoPE model in fp64.

Twelve layers, of which 3, 7 and 11 are global, in attention chunks of 16 tokens. What is exact is held to EXACT: nothing but the order of
fp64 sums may differ. What is not exact is shown to be wrong by far more (WRONG), so that no test passes for want of a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache, State
from engine.errors import EngineError
from engine.loading.load import LoadedModel, load_model
from engine.model.decoder import Decoder, Segment
from engine.model.rope import angles, rotate
from tests.engine.checkpoints import VOCAB, save_random

CHUNK = 16
LAYERS = 12
EXACT = 1e-12
WRONG = 0.01


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder: Path = tmp_path_factory.mktemp("model")
    save_random("llama4_text", folder, num_hidden_layers=LAYERS)
    model = load_model(folder, dtype=torch.float64)
    assert model.config.global_layers == (3, 7, 11)
    return model


@pytest.fixture(scope="module")
def decoder(loaded: LoadedModel) -> Decoder:
    return Decoder.from_weights(loaded.config, loaded.decoder)


@pytest.fixture(scope="module")
def cold(loaded: LoadedModel) -> Decoder:
    """The same model without attention temperature: no layer knows where in the prompt it is."""
    return Decoder.from_weights(replace(loaded.config, temperature=None), loaded.decoder)


def tokens(seed: int, count: int = CHUNK) -> Tensor:
    return torch.randint(3, VOCAB, (count,), generator=torch.Generator().manual_seed(seed))


A, B, C, D = (tokens(seed) for seed in range(4))
QUESTION = tokens(9, 21)


def read(decoder: Decoder, cache: KVCache, *pieces: Tensor) -> Tensor:
    """fp64 logits of the last piece, read after the others."""
    for piece in pieces:
        hidden = decoder(piece, [Segment(cache, len(piece))])
    with torch.inference_mode():
        logits: Tensor = decoder.head(hidden)
    assert logits.dtype == torch.float64
    return logits


def difference(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


def restored(decoder: Decoder, state: State) -> KVCache:
    cache = decoder.new_cache()
    cache.restore(state)
    return cache


# --- going on from stored state ---


@pytest.mark.parametrize("before", [[A], [A, B, C]], ids=len)
def test_it_goes_on_exactly_from_the_global_layers_alone_at_a_boundary(decoder: Decoder, before: list[Tensor]) -> None:
    cache = decoder.new_cache()
    read(decoder, cache, *before)
    state = cache.save()
    assert state.current is None
    assert state.whole.shape[:1] + state.whole.shape[3:4] == (3, CHUNK * len(before))
    again = restored(decoder, State(state.whole.clone(), None))
    assert difference(read(decoder, again, QUESTION), read(decoder, cache, QUESTION)) <= EXACT


def test_it_needs_the_chunked_layers_state_in_the_middle_of_a_chunk(decoder: Decoder) -> None:
    cache = decoder.new_cache()
    read(decoder, cache, A, B, C[:9])
    state = cache.save()
    with pytest.raises(EngineError, match=r"9 tokens inside an attention chunk without the chunked layers' state. Read it again"):
        restored(decoder, State(state.whole, None))
    whole = restored(decoder, state)
    without = restored(decoder, state)
    without.current = without.current.empty()
    expected = read(decoder, cache, QUESTION)
    assert difference(read(decoder, whole, QUESTION), expected) <= EXACT
    assert difference(read(decoder, without, QUESTION), expected) > WRONG


# --- what a chunk's state depends on when it is read after others ---


def states(decoder: Decoder, before: Sequence[Tensor], chunk: Tensor) -> list[Tensor]:
    """Every layer's keys, turned back to position 0, and values [2, G, 15, D] of a chunk that is read after others.

    Without the chunk's last token: at the boundary the chunked layers' state is let go.
    """
    cache, config = decoder.new_cache(), decoder.config
    read(decoder, cache, *before, chunk[:-1])
    state = cache.save(first=CHUNK * len(before))
    assert state.current is not None
    by_layer = dict(zip(config.global_layers, state.whole, strict=True)) | dict(zip(config.chunked_layers, state.current, strict=True))
    positions = CHUNK * len(before) + torch.arange(len(chunk) - 1)
    return [turned_back(decoder, by_layer[layer], positions) if config.rope[layer] else by_layer[layer] for layer in range(LAYERS)]


def turned_back(decoder: Decoder, state: Tensor, positions: Tensor) -> Tensor:
    cos, sin = angles(positions, decoder.frequencies, torch.float64)
    return torch.stack((rotate(state[0].transpose(0, 1), cos, -sin).transpose(0, 1), state[1]))


def differences(first: list[Tensor], second: list[Tensor]) -> list[float]:
    return [difference(one, other) for one, other in zip(first, second, strict=True)]


@pytest.mark.parametrize("before", [[], [B], [A, B], [B, A, D]], ids=len)
def test_layers_up_to_the_first_global_one_depend_on_the_chunk_alone(decoder: Decoder, before: list[Tensor]) -> None:
    apart = differences(states(decoder, before, C), states(decoder, [A], C))
    assert max(apart[:4]) <= EXACT
    assert min(apart[4:]) > WRONG, "from there on, earlier chunks have been seen through layer 3"


def test_layers_up_to_the_second_global_one_depend_on_earlier_chunks_as_a_set(cold: Decoder) -> None:
    apart = differences(states(cold, [A, B, D], C), states(cold, [D, A, B], C))
    assert max(apart[:8]) <= EXACT
    assert min(apart[8:]) > WRONG, "from there on their order matters"


def test_attention_temperature_lets_no_layer_after_the_first_global_one_forget_the_order(decoder: Decoder, cold: Decoder) -> None:
    """A chunk's own queries grow with its position, so only a model without temperature may treat earlier chunks as a set."""
    assert min(differences(states(decoder, [A, B], C), states(decoder, [B, A], C))[8:]) > WRONG
    assert max(differences(states(cold, [A, B], C), states(cold, [B, A], C))[:8]) <= EXACT
    assert min(differences(states(decoder, [A], C), states(decoder, [A, A], C))[4:]) > WRONG


# --- chunks that were read alone ---


def alone(decoder: Decoder, chunk: Tensor) -> Tensor:
    """The global layers' state of a chunk that has seen nothing else."""
    cache = decoder.new_cache()
    read(decoder, cache, chunk)
    return cache.save().whole


def composed(decoder: Decoder, chunks: Sequence[Tensor]) -> Tensor:
    """The question's logits over chunks that were read alone."""
    cache = decoder.new_cache()
    for chunk in chunks:
        cache.restore(State(alone(decoder, chunk), None))
    return read(decoder, cache, QUESTION)


@pytest.mark.parametrize("temperature", [True, False])
def test_chunks_that_were_read_alone_may_stand_in_any_order(decoder: Decoder, cold: Decoder, temperature: bool) -> None:
    model = decoder if temperature else cold
    expected = composed(model, [A, B, C])
    for order in permutations([A, B, C]):
        assert difference(composed(model, order), expected) <= EXACT
    assert difference(composed(model, [A, B, D]), expected) > WRONG, "which chunks they are does matter"
    in_full = [read(model, model.new_cache(), *order, QUESTION) for order in ([A, B, C], [B, A, C])]
    assert difference(*in_full) > WRONG, "and order does, where chunks have seen each other"


def test_a_chunk_read_alone_has_the_same_state_whatever_was_read_beside_it(decoder: Decoder) -> None:
    expected = alone(decoder, C)
    read(decoder, decoder.new_cache(), A, B, C)
    assert torch.equal(alone(decoder, C), expected)
    caches = [decoder.new_cache() for _ in range(3)]
    decoder(torch.cat((A[:7], C, B)), [Segment(cache, length) for cache, length in zip(caches, (7, CHUNK, CHUNK), strict=True)])
    assert difference(caches[1].save().whole, expected) <= EXACT


def test_a_composition_is_not_the_full_prefill(decoder: Decoder, cold: Decoder) -> None:
    """Nobody may call it exact: on this random model the largest difference is as large as the logits' own spread."""
    for model in (decoder, cold):
        full = read(model, model.new_cache(), A, B, C, QUESTION)
        apart = difference(composed(model, [A, B, C]), full)
        print(f"largest logit difference {apart:.2f}; the logits' standard deviation {float(full.std()):.2f}")
        assert apart > 0.1
    one = read(decoder, decoder.new_cache(), A, QUESTION)
    assert difference(composed(decoder, [A]), one) <= EXACT, "the first chunk has nothing before it"
