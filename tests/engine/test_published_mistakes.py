"""One test for each mistake about Llama 4 that is in print or in another engine: here it would be caught.

Right answers come from transformers or from a formula written out here. The mistakes themselves are computed too, by transformers with
another config, another mask or another part (`theirs`), so that a test whose mistake makes no difference fails. In fp32 the right
logits agreed to 1e-5 when this was written, and the smallest mistake made 0.5. Routing mistakes stand in
test_moe.py, the checkpoint's in test_loading*.py. "Ring attention" as the reason for a long context is a mistake that code cannot make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.models.llama4.modeling_llama4 import Llama4TextL2Norm

from engine.cache.kv_cache import KVCache
from engine.config import Experts, ModelConfig, RopeScaling, Temperature
from engine.errors import ModelDamaged, ModelWarning
from engine.inspection import Inspection, inspect_model
from engine.loading.hf_config import read_config
from engine.loading.load import LoadedModel, load_model
from engine.loading.shapes import text_shapes
from engine.model.decoder import Decoder, Segment, growth
from engine.model.rope import angles, frequencies, rotate
from tests.engine.checkpoints import PATCH_TOKEN, SCALED, random_model, save_random
from tests.engine.scout import write_scout
from tests.engine.tiny import CONFIG

SAME = 1e-4
MISTAKE = 1e-3
GIB = 1 << 30
CHUNK = 16
PROMPT = 22  # a chunk and six tokens; what follows is decoded
LENGTH = 75


# --- sizes ---


@pytest.fixture(scope="module")
def scout(tmp_path_factory: pytest.TempPathFactory) -> Inspection:
    return inspect_model(write_scout(tmp_path_factory.mktemp("Scout")).parent)


def test_scout_is_not_80_layers_of_8192_with_64_heads(scout: Inspection) -> None:
    config = scout.config
    assert (config.layers, config.hidden, config.heads, config.kv_heads, config.head_dim) == (48, 5120, 40, 8, 128)
    assert config.experts == Experts(count=16, ffn=8192)
    shapes = text_shapes(config)
    assert shapes["layers.47.attention.qkv.weight"] == (40 * 128 + 2 * 8 * 128, 5120)
    assert "layers.48.attention.qkv.weight" not in shapes


def test_a_token_goes_to_one_expert_and_not_to_two(tmp_path: Path, scout: Inspection) -> None:
    expert = 3 * 5120 * 8192
    assert scout.parameters.text - scout.parameters.active == 48 * 15 * expert
    with pytest.raises(ModelDamaged, match="num_experts_per_tok = 2; the engine computes only 1"):
        read_config(write_scout(tmp_path, num_experts_per_tok=2))


def test_scout_has_108_billion_parameters_and_no_embedding_is_counted_twice(scout: Inspection) -> None:
    assert scout.parameters.total == 108_641_793_536
    assert scout.parameters.total + 202_048 * 5120 == 109_676_279_296, "the printed sum"


def test_no_layer_of_scout_is_dense(scout: Inspection) -> None:
    assert scout.config.moe == (True,) * 48
    assert "layers.0.feed_forward.router.weight" in text_shapes(scout.config)
    assert "layers.0.feed_forward.down.weight" not in text_shapes(scout.config)


def test_mavericks_experts_are_8192_wide(tmp_path: Path) -> None:
    """Published as 400 B parameters, 17 B of them active; 4096 would make half of it."""
    sizes = {"num_local_experts": 128, "interleave_moe_layer_step": 2, "moe_layers": list(range(1, 48, 2)), "use_qk_norm": False}
    counted = inspect_model(write_scout(tmp_path, **sizes, rope_scaling=None).parent).parameters
    assert (round(counted.text / 1e9), round(counted.active / 1e9)) == (401, 17)
    halved = inspect_model(write_scout(tmp_path, **sizes, rope_scaling=None, intermediate_size=4096).parent).parameters
    assert halved.text < 0.6 * counted.text


def test_a_global_layer_keeps_40_gib_at_10_million_tokens_and_a_chunked_one_32_mib(scout: Inspection) -> None:
    kv = scout.kv["bf16"]
    assert len(scout.config.global_layers) == 12
    assert kv.kept(10_485_760) / 12 == 40 * GIB
    assert kv.chunk / 36 == 32 << 20, "however long the prompt is"


# --- the first configs ---

EARLY = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}


def scout_frequencies(scaling: RopeScaling | None) -> Tensor:
    return frequencies(replace(CONFIG, head_dim=128, rope_theta=500_000.0, rope_scaling=scaling))


def test_it_warns_of_the_first_configs_rope_factors(tmp_path: Path, scout: Inspection) -> None:
    with pytest.warns(ModelWarning, match="right for Scout is 16, 1 and 1"):
        early = read_config(write_scout(tmp_path, rope_scaling=EARLY))
    assert early.rope_scaling != scout.config.rope_scaling
    apart = scout_frequencies(early.rope_scaling) / scout_frequencies(scout.config.rope_scaling)
    assert float(apart.max()) > 1.9, "slow pairs turn twice as fast as they should"


def test_it_takes_the_first_configs_temperature_of_4_for_true_and_warns(tmp_path: Path, scout: Inspection) -> None:
    with pytest.warns(ModelWarning, match="attn_temperature_tuning = 4"):
        assert read_config(write_scout(tmp_path, attn_temperature_tuning=4)).temperature == Temperature(8192, 0.1)
    assert scout.config.temperature == Temperature(8192, 0.1)


def test_scouts_scaling_divides_29_pairs_by_16_and_blends_none(scout: Inspection) -> None:
    scaled = scout_frequencies(scout.config.rope_scaling)
    plain = torch.tensor([500_000.0 ** (-2 * pair / 128) for pair in range(64)], dtype=torch.float64)
    share = torch.tensor([1.0] * 35 + [1 / 16] * 29, dtype=torch.float64)
    torch.testing.assert_close(scaled.double(), plain * share, rtol=1e-6, atol=0)
    wavelengths = 2 * torch.pi / plain
    assert bool((wavelengths[:35] < 8192).all() and (wavelengths[35:] > 8192).all())


@pytest.mark.parametrize(
    ("position", "factor"),
    [
        (0, 1.0),
        (8190, 1.0),
        (8191, 1.0693),
        (16_382, 1.0693),
        (16_383, 1.1099),
        (131_071, 1.2833),
        (1_048_575, 1.4860),
        (10_485_759, 1.7155),
    ],
)
def test_queries_grow_by_steps_of_8192_positions(position: int, factor: float, scout: Inspection) -> None:
    assert scout.config.temperature is not None
    assert float(growth(torch.tensor([position]), scout.config.temperature, torch.float32)) == pytest.approx(factor, abs=5e-5)


# --- which tokens a layer sees ---


class Models:
    """A random Llama 4 of eight layers as both sides have it."""

    def __init__(self, folder: Path, **overrides: Any) -> None:
        self.overrides = overrides
        self.right: Any = save_random("llama4_text", folder, **overrides)
        self.loaded: LoadedModel = load_model(folder)

    def ours(self, config: ModelConfig | None = None) -> Decoder:
        return Decoder.from_weights(config or self.loaded.config, self.loaded.decoder)

    def theirs(self, **overrides: Any) -> Any:
        """transformers' model with the same weights and another config."""
        model = random_model("llama4_text", **self.overrides | overrides)
        model.load_state_dict(self.right.state_dict())
        return model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def all_chunked(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("model"), no_rope_layers=[1] * 8)


def tokens(count: int = LENGTH, seed: int = 1) -> Tensor:
    return torch.randint(3, PATCH_TOKEN, (count,), generator=torch.Generator().manual_seed(seed))


def read(decoder: Decoder, ids: Tensor, pieces: list[int], cache: KVCache | None = None) -> Tensor:
    cache = cache or decoder.new_cache()
    return torch.cat([decoder.logits(decoder(piece, [Segment(cache, len(piece))])) for piece in ids.split(pieces)])


def difference(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


Q, K = torch.arange(LENGTH)[:, None], torch.arange(LENGTH)[None]
CAUSAL = K <= Q
IN_CHUNK = CAUSAL & (Q // CHUNK == K // CHUNK)


def expected(model: Any, ids: Tensor, chunked: Tensor = IN_CHUNK) -> Tensor:
    """transformers' logits, whose chunked layers see just these keys [T, T]; global layers see all before."""
    masks = {
        kind: torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[None, None]
        for kind, seen in (("full_attention", CAUSAL), ("chunked_attention", chunked))
    }
    with torch.inference_mode():
        logits: Tensor = model(ids[None], attention_mask=masks, use_cache=False).logits[0]
    return logits


def at_decode(seen: Tensor) -> Tensor:
    """These keys for the tokens after the prompt, the right ones for the prompt."""
    return torch.where(Q < PROMPT, IN_CHUNK, seen)


MASKS = {
    "a sliding window of the chunk's size": CAUSAL & (Q - K < CHUNK),
    "no chunks at all": CAUSAL,
    "a sliding window at decode": at_decode(CAUSAL & (Q - K < CHUNK)),
    "no mask at decode": at_decode(CAUSAL),
    "at decode only what came after the prompt": at_decode(IN_CHUNK & (K >= PROMPT)),
    "tokens of the chunk trimmed at decode": at_decode(IN_CHUNK & (Q - K < CHUNK - 1)),
    "chunks one token late": CAUSAL & ((Q + 1) // CHUNK == (K + 1) // CHUNK),
    "chunks that begin where the prompt ended": at_decode(CAUSAL & ((Q - PROMPT) // CHUNK == (K - PROMPT) // CHUNK)),
}
WAYS = {
    "in one pass": [LENGTH],
    "token by token after the prompt": [PROMPT] + [1] * (LENGTH - PROMPT),
    "several at a time after the prompt": [PROMPT, 5, 20, 11, 17],
}


@pytest.mark.parametrize("way", WAYS)
def test_chunked_layers_see_the_aligned_chunk_and_nothing_else(models: Models, way: str) -> None:
    ours = read(models.ours(), tokens(), WAYS[way])
    assert difference(ours, expected(models.right, tokens())) <= SAME
    with torch.inference_mode():
        assert difference(ours, models.right(tokens()[None]).logits[0]) <= SAME


@pytest.mark.parametrize("mistake", MASKS)
def test_another_mask_would_show(models: Models, mistake: str) -> None:
    ours = read(models.ours(), tokens(), WAYS["token by token after the prompt"])
    assert difference(ours[PROMPT:], expected(models.right, tokens(), MASKS[mistake])[PROMPT:]) > MISTAKE


@pytest.mark.parametrize("way", WAYS)
def test_a_chunk_knows_nothing_of_the_chunk_before_it_where_all_layers_are_chunked(all_chunked: Models, way: str) -> None:
    first, other = tokens(), torch.cat((tokens(CHUNK, seed=2), tokens()[CHUNK:]))
    decoder = all_chunked.ours()
    assert decoder.config.global_layers == ()
    ours = [read(decoder, ids, WAYS[way]) for ids in (first, other)]
    assert difference(ours[0][CHUNK:], ours[1][CHUNK:]) <= 1e-5, "rounding only: experts take their tokens in groups of other sizes"
    assert difference(ours[0], expected(all_chunked.right, first)) <= SAME
    sliding = [expected(all_chunked.right, ids, MASKS["a sliding window of the chunk's size"]) for ids in (first, other)]
    assert difference(sliding[0][CHUNK:], sliding[1][CHUNK:]) > MISTAKE


# --- what a layer computes ---


def norm_in_every_layer(model: Any) -> None:
    for layer in model.model.layers:
        layer.self_attn.qk_norm = Llama4TextL2Norm(1e-5)


def neighbours_taken_for_halves(model: Any) -> None:
    """What an engine gets that turns halves and leaves the checkpoint's rows in their order."""
    for layer in model.model.layers:
        if layer.self_attn.use_rope:
            for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
                rows = projection.weight.view(-1, 2, 8, 48)
                projection.weight = torch.nn.Parameter(rows.transpose(1, 2).reshape(-1, 48), requires_grad=False)


def scaled_by_the_head_only_once_normed(model: Any) -> None:
    for layer in model.model.layers:
        if layer.self_attn.use_rope:
            layer.self_attn.scaling = 1.0


CONFIGS: dict[str, dict[str, Any]] = {
    "layers that alternate": {"no_rope_layers": [1, 0] * 4},
    "global layers first instead of last": {"no_rope_layers": [0, 1, 1, 1] * 2},
    "two experts a token": {"num_experts_per_tok": 2},
    "another rope factor": {"rope_parameters": SCALED | {"factor": 2.0}},
    "another high frequency factor": {"rope_parameters": SCALED | {"high_freq_factor": 1.5}},
    "no rope scaling": {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}},
    "no norm": {"use_qk_norm": False},
    "no temperature": {"attn_temperature_tuning": False},
    "a temperature of another floor": {"floor_scale": 9},
}
PARTS = {change.__name__: change for change in (norm_in_every_layer, neighbours_taken_for_halves, scaled_by_the_head_only_once_normed)}


@pytest.mark.parametrize("mistake", CONFIGS)
def test_another_config_would_show(models: Models, mistake: str) -> None:
    with torch.inference_mode():
        theirs = models.theirs(**CONFIGS[mistake])(tokens()[None]).logits[0]
    assert difference(read(models.ours(), tokens(), [LENGTH]), theirs) > MISTAKE


@pytest.mark.parametrize("mistake", PARTS)
def test_another_part_would_show(models: Models, mistake: str) -> None:
    change: Callable[[Any], None] = PARTS[mistake]
    theirs = models.theirs()
    assert difference(read(models.ours(), tokens(), [LENGTH]), expected(theirs, tokens())) <= SAME
    change(theirs)
    assert difference(read(models.ours(), tokens(), [LENGTH]), expected(theirs, tokens())) > MISTAKE


def test_three_layers_of_four_are_chunked(models: Models, scout: Inspection) -> None:
    assert models.loaded.config.chunked == models.loaded.config.rope == (True, True, True, False) * 2
    assert scout.config.chunked == scout.config.rope == (True, True, True, False) * 12


def keys_and_values(decoder: Decoder, ids: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Every layer's normalised input [T, C] and state [2, G, T, D] of the tokens after the last boundary."""
    inputs: list[Tensor] = []
    cache = decoder.new_cache()
    before = len(ids) // CHUNK * CHUNK
    read(decoder, ids[:before], [before], cache)
    handles = [layer.attention_norm.register_forward_hook(lambda _, __, out: inputs.append(out)) for layer in decoder.layers]
    read(decoder, ids[before:], [len(ids) - before], cache)
    for handle in handles:
        handle.remove()
    state, config = cache.save(before), decoder.config
    assert state.current is not None
    by_layer = dict(zip(config.global_layers, state.whole, strict=True)) | dict(zip(config.chunked_layers, state.current, strict=True))
    return inputs, [by_layer[layer] for layer in range(config.layers)]


def by_head(projection: Any, x: Tensor) -> Tensor:
    """[G, T, D] by transformers' weight."""
    return (x @ projection.weight.T).view(len(x), -1, 16).transpose(0, 1)


def test_temperature_scales_no_key_and_no_value(models: Models) -> None:
    inputs, states = keys_and_values(models.ours(), tokens())
    for layer, (x, (k, v)) in enumerate(zip(inputs, states, strict=True)):
        attention = models.right.model.layers[layer].self_attn
        assert difference(v, by_head(attention.v_proj, x)) <= SAME
        if layer in models.loaded.config.global_layers:
            assert difference(k, by_head(attention.k_proj, x)) <= SAME, "nor is it turned or normed"
            assert float((k.square().mean(-1) - 1).abs().max()) > 0.1


def weightless(x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()


def test_keys_are_normed_without_a_weight_before_or_after_they_are_turned(models: Models) -> None:
    decoder = models.ours()
    inputs, states = keys_and_values(decoder, tokens())
    where = angles(torch.arange(LENGTH // CHUNK * CHUNK, LENGTH), decoder.frequencies, torch.float32)
    for layer in models.loaded.config.chunked_layers:
        plain = (inputs[layer] @ decoder.layers[layer].attention.qkv.weight[6 * 16 : 8 * 16].T).view(-1, 2, 16)
        for keys in (weightless(rotate(plain, *where)), rotate(weightless(plain), *where)):
            assert difference(states[layer][0].transpose(0, 1), keys) <= SAME
        assert float((states[layer][0].square().mean(-1) - 1).abs().max()) <= 1e-3
    names = [name for name in models.loaded.decoder if name.startswith("layers.0.attention")]
    assert sorted(names) == ["layers.0.attention.out.weight", "layers.0.attention.qkv.weight", "layers.0.attention_norm.weight"]


# --- going on from kept state ---

KEPT = 4 * CHUNK


def gone_on(decoder: Decoder, way: str) -> Tensor:
    """Logits of the tokens after a boundary, from a restored cache, a fork or one that was cut back to it."""
    cache = decoder.new_cache()
    read(decoder, tokens()[:KEPT], [KEPT], cache)
    if way == "restored":
        state, cache = cache.save(), decoder.new_cache()
        cache.restore(state)
    elif way == "forked":
        cache = cache.fork()
    else:
        read(decoder, tokens(9, seed=3), [9], cache)
        cache.truncate(KEPT)
    return read(decoder, tokens()[KEPT:], [1] * (LENGTH - KEPT), cache)


@pytest.mark.parametrize("way", ["restored", "forked", "truncated"])
def test_temperature_goes_by_true_positions_over_kept_state(models: Models, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = models.ours()
    right = expected(models.right, tokens())[KEPT:]
    assert difference(gone_on(decoder, way), right) <= SAME
    monkeypatch.setattr("engine.model.decoder.growth", lambda positions, *rest: growth(positions % CHUNK, *rest))
    assert difference(gone_on(decoder, way), right) > MISTAKE, "positions counted from where the cache was cut"


def test_a_restore_computes_nothing_again(models: Models) -> None:
    decoder, fed = models.ours(), []
    cache = decoder.new_cache()
    read(decoder, tokens()[:KEPT], [KEPT], cache)
    state, again = cache.save(), decoder.new_cache()
    decoder.embed.register_forward_pre_hook(lambda _, ids: fed.append(len(ids[0])))
    again.restore(state)
    assert fed == []
    logits = read(decoder, tokens()[KEPT : KEPT + 1], [1], again)
    assert fed == [1]
    assert difference(logits, expected(models.right, tokens())[KEPT : KEPT + 1]) <= SAME
