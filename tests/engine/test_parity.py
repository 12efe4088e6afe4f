"""Our decoder beside transformers', the same random checkpoint read by both. fp32; no logit may differ by more than LARGEST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.loading.load import load_model
from engine.model.decoder import Decoder, Segment
from engine.model.vision import Vision
from tests.engine.checkpoints import PATCH_TOKEN, VISION, VOCAB, save_random

LARGEST = 1e-4
CHUNK = 16  # attention_chunk_size of the random Llama 4
LENGTH = 75  # four chunks and eleven tokens

# Every other feature of a family switched: what the defaults of tests.engine.checkpoints do not use.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "smollm3": ("smollm3", {}),
    "llama4": ("llama4_text", {}),
    "llama4, experts everywhere": ("llama4_text", {"interleave_moe_layer_step": 1}),
    "llama4, tied, no norm, no temperature": (
        "llama4_text",
        {"tie_word_embeddings": True, "use_qk_norm": False, "attn_temperature_tuning": False},
    ),
    "llama4 that sees": ("llama4", {}),
}


class Pair:
    """A random model as both sides have it."""

    def __init__(self, variant: str, folder: Path) -> None:
        family, overrides = VARIANTS[variant]
        self.theirs: Any = save_random(family, folder, **overrides)
        loaded = load_model(folder)
        self.decoder = Decoder.from_weights(loaded.config, loaded.decoder)
        self.vision = Vision.from_weights(loaded.config.vision, loaded.config.hidden, loaded.vision) if loaded.config.vision else None

    def expected(self, ids: Tensor, **more: Any) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self.theirs(ids[None].long(), **more).logits[0]
        return logits

    def ours(self, ids: Tensor, pieces: list[int] | int, cache: KVCache | None = None) -> Tensor:
        """Logits of ids read in these pieces, or in pieces of this length."""
        cache = cache or self.decoder.new_cache()
        return torch.cat([self.decoder.logits(self.decoder(piece, [Segment(cache, len(piece))])) for piece in ids.split(pieces)])


@pytest.fixture(scope="module", params=VARIANTS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(request.param, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def llama4(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair("llama4", tmp_path_factory.mktemp("model"))


def tokens(count: int = LENGTH, seed: int = 1) -> Tensor:
    return torch.randint(3, PATCH_TOKEN, (count,), generator=torch.Generator().manual_seed(seed))


def same(ours: Tensor, theirs: Tensor) -> None:
    difference = float((ours - theirs).abs().max())
    assert difference <= LARGEST, f"a logit differs by {difference:.2e}"


def test_it_prefills_as_transformers_does(pair: Pair) -> None:
    ids = tokens()
    same(pair.ours(ids, [LENGTH]), pair.expected(ids))


@pytest.mark.parametrize("pieces", [[16, 16, 43], [5, 30, 1, 39], [37, 38], [15, 1, 1, 58]], ids=str)
def test_it_prefills_in_pieces_that_end_anywhere(pair: Pair, pieces: list[int]) -> None:
    ids = tokens()
    same(pair.ours(ids, pieces), pair.expected(ids))


def test_it_decodes_across_several_chunk_boundaries(pair: Pair) -> None:
    ids = tokens()
    same(pair.ours(ids, [3] + [1] * (LENGTH - 3)), pair.expected(ids))


def test_it_decodes_what_transformers_decodes(pair: Pair) -> None:
    ids = tokens(9)
    with torch.inference_mode():
        theirs = pair.theirs.generate(ids[None].long(), max_new_tokens=50, do_sample=False, eos_token_id=None, pad_token_id=0)[0, 9:]
    cache, new, ours = pair.decoder.new_cache(), ids, []
    for _ in range(50):
        new = pair.decoder.logits(pair.decoder(new, [Segment(cache, len(new))])[-1:]).argmax(-1)
        ours.append(int(new))
    assert ours == theirs.tolist()


def test_it_reads_sequences_of_unequal_lengths_together(pair: Pair) -> None:
    texts = [tokens(length, seed) for seed, length in enumerate((1, 16, 17, 50))]
    caches = [pair.decoder.new_cache() for _ in texts]
    halves = [(len(ids) + 1) // 2 for ids in texts]
    logits = []
    for parts in ([ids[:half] for ids, half in zip(texts, halves, strict=True)], [i[h:] for i, h in zip(texts, halves, strict=True)]):
        segments = [Segment(cache, len(part)) for cache, part in zip(caches, parts, strict=True)]
        together = pair.decoder.logits(pair.decoder(torch.cat(parts), segments))
        logits.append(together.split([len(part) for part in parts]))
    for ids, first, second in zip(texts, *logits, strict=True):
        same(torch.cat((first, second)), pair.expected(ids))


def test_it_decodes_eight_sequences_in_step(pair: Pair) -> None:
    texts = [tokens(10 + 3 * seed, seed) for seed in range(8)]
    caches = [pair.decoder.new_cache() for _ in texts]
    for cache, ids in zip(caches, texts, strict=True):
        pair.ours(ids[:-8], [len(ids) - 8], cache)
    for step in range(8):
        last = torch.stack([ids[step - 8] for ids in texts])
        logits = pair.decoder.logits(pair.decoder(last, [Segment(cache, 1) for cache in caches]))
        for row, ids in zip(logits, texts, strict=True):
            same(row, pair.expected(ids)[step - 8])


@pytest.mark.parametrize("length", [16, 32, 37, 70])
def test_it_forks_anywhere_and_both_go_on(pair: Pair, length: int) -> None:
    ids, other = tokens(), torch.cat((tokens()[:length], tokens(seed=2)))
    cache = pair.decoder.new_cache()
    pair.ours(ids[:length], [length], cache)
    fork = cache.fork()
    same(pair.ours(ids[length:], 4, cache), pair.expected(ids)[length:])
    same(pair.ours(other[length:], 9, fork), pair.expected(other)[length:])


@pytest.mark.parametrize("length", [16, 48, 67])
def test_it_truncates_to_a_boundary_or_within_the_chunk_and_goes_on(pair: Pair, length: int) -> None:
    ids, other = tokens(), torch.cat((tokens()[:length], tokens(seed=2)))
    cache = pair.decoder.new_cache()
    pair.ours(ids, [LENGTH], cache)
    cache.truncate(length)
    same(pair.ours(other[length:], 100, cache), pair.expected(other)[length:])


@pytest.mark.parametrize("length", [16, 64, 70])
def test_it_goes_on_from_saved_state(pair: Pair, length: int) -> None:
    ids, cache = tokens(), pair.decoder.new_cache()
    pair.ours(ids[:length], [length], cache)
    state = cache.save()
    if length % CHUNK == 0 and pair.decoder.config.attention_chunk:
        assert state.current is None, "at a boundary the global layers are all there is to keep"
        assert state.whole.shape[0] == len(pair.decoder.config.global_layers)
    again = pair.decoder.new_cache()
    again.restore(state)
    same(pair.ours(ids[length:], LENGTH, again), pair.expected(ids)[length:])


def test_it_sees_images_in_the_prompt(tmp_path: Path) -> None:
    pair = Pair("llama4 that sees", tmp_path)
    assert pair.vision is not None
    generator, side = torch.Generator().manual_seed(3), VISION["image_size"]
    tiles = torch.rand(3, 3, side, side, generator=generator) * 2 - 1
    with torch.inference_mode():
        features = pair.vision(tiles).flatten(0, 1)
    each = len(features) // 3
    first, second = torch.full((each,), PATCH_TOKEN), torch.full((2 * each,), PATCH_TOKEN)
    ids = torch.cat((tokens(7), first, tokens(20, 2), second, tokens(11, 4)))
    expected = pair.expected(ids, pixel_values=tiles)
    cache, logits, used = pair.decoder.new_cache(), [], 0
    for piece in ids.split([9, 30, len(ids) - 39]):  # a piece may end within an image
        patches = int((piece == PATCH_TOKEN).sum())
        own = features[used : used + patches]
        logits.append(pair.decoder.logits(pair.decoder(piece, [Segment(cache, len(piece))], own)))
        used += patches
    same(torch.cat(logits), expected)
    blind = pair.ours(ids, [len(ids)])
    assert (blind - expected).abs().max() > 100 * LARGEST, "the image must matter"
    assert VOCAB > PATCH_TOKEN


def test_it_goes_on_past_a_long_prompt_as_transformers_does(llama4: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in many parts and many blocks: the merged softmax is the softmax."""
    monkeypatch.setattr("engine.model.attention.KEY_BLOCK_TOKENS", 24)
    monkeypatch.setattr("engine.model.attention.TILE_TOKENS", 10)
    monkeypatch.setattr("engine.cache.kv_cache.COPY_TOKENS", 8)
    monkeypatch.setattr("engine.cache.kv_cache.BLOCK_TOKENS", 8)
    ids = tokens(300)
    cache = llama4.decoder.new_cache()
    same(llama4.ours(ids, [33, 50, 1, 1, 100, 90, 25], cache), llama4.expected(ids))
    assert len(cache.whole.parts) > 2


def test_it_reads_for_the_caches_sake_as_it_reads_for_logits(pair: Pair) -> None:
    ids, cache = tokens(), pair.decoder.new_cache()
    for piece in ids[:70].split(19):
        pair.decoder.read(piece, [Segment(cache, len(piece))])
    same(pair.ours(ids[70:], 3, cache), pair.expected(ids)[70:])


def test_it_gives_the_wanted_rows_only_and_the_caches_take_all(pair: Pair) -> None:
    ids, cache = tokens(), pair.decoder.new_cache()
    wanted, expected = [0, 3, 40, 69], pair.expected(ids)
    same(pair.decoder.logits(pair.decoder(ids[:70], [Segment(cache, 70)], rows=wanted)), expected[wanted])
    same(pair.ours(ids[70:], 3, cache), expected[70:])
