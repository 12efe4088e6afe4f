"""Experts in each codec: how far from fp32; the fast products beside the plain ones; the way of weights from a loader into the layer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from engine.config import Experts, ModelConfig
from engine.errors import EngineError
from engine.loading.quantise import check_codec, quantise
from engine.model import channel_stack, int4_stack
from engine.model.channel_stack import encode_channels
from engine.model.int4_stack import Int4Stack, encode_int4, pack_int4
from engine.model.moe import MoE
from engine.model.weight_codec import CODECS, Codec, bytes_per_parameter
from tests.engine.tiny import CONFIG

C, N, E = 128, 192, 4
MOE_CONFIG = replace(CONFIG, hidden=C, experts=Experts(count=E, ffn=N), moe=(True,) * 3)
QUANTISED: tuple[Codec, ...] = ("int8", "fp8", "int4")


def drawn(*sizes: int, seed: int = 0, std: float = 1.0) -> Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed)) * std


def weights(config: ModelConfig = MOE_CONFIG) -> dict[str, Tensor]:
    assert config.experts
    hidden, ffn, experts = config.hidden, config.experts.ffn, config.experts.count
    return {
        "router.weight": drawn(experts, hidden, seed=1),
        "shared.gate_up.weight": drawn(2 * ffn, hidden, seed=2, std=hidden**-0.5),
        "shared.down.weight": drawn(hidden, ffn, seed=3, std=ffn**-0.5),
        "experts.gate_up": drawn(experts, hidden, 2 * ffn, seed=4, std=hidden**-0.5),
        "experts.down": drawn(experts, ffn, hidden, seed=5, std=ffn**-0.5),
    }


def layer(codec: Codec, state: dict[str, Tensor]) -> MoE:
    with torch.device("meta"):
        moe = MoE(MOE_CONFIG, codec)
    moe.load_state_dict({new: made for name, tensor in state.items() for new, made in quantise(name, tensor, codec).items()}, assign=True)
    return moe.requires_grad_(False)


def relative(wrong: Tensor, right: Tensor) -> float:
    return float((wrong.float() - right.float()).norm() / right.float().norm())


# Measured on these weights, in the routed experts' output alone: int8 2.0 %, fp8 4.5 %, int4 (groups of 64) 15.7 %. With the shared expert,
# which is not quantised, two thirds of that.
@pytest.mark.parametrize(("codec", "least", "most"), [("int8", 0.005, 0.025), ("fp8", 0.02, 0.055), ("int4", 0.08, 0.18)])
def test_it_stays_near_fp32(codec: Codec, least: float, most: float) -> None:
    state, x = weights(), drawn(200, C, seed=6)
    plain, quantised = layer("bf16", state), layer(codec, state)
    error = relative(quantised(x) - quantised.shared(x), plain(x) - plain.shared(x))
    assert least < error < most


@pytest.mark.parametrize("codec", QUANTISED)
def test_it_quantises_the_routed_experts_and_nothing_else(codec: Codec) -> None:
    state = weights()
    made = {name: quantise(name, tensor, codec) for name, tensor in state.items()}
    assert [name for name in state if list(made[name]) == [f"{name}.values", f"{name}.scales"]] == ["experts.gate_up", "experts.down"]
    assert all(made[name][name] is state[name] for name in state if not name.startswith("experts."))


@pytest.mark.parametrize("codec", QUANTISED)
def test_it_reads_no_weight_of_an_expert_that_was_not_chosen(codec: Codec) -> None:
    moe, x = layer(codec, weights()), drawn(1, C, seed=8)
    expected, others = moe(x), torch.arange(E) != moe.router(x)[0]
    moe.experts.gate_up.scales[others] = moe.experts.down.scales[others] = torch.nan
    assert torch.equal(moe(x), expected)


@pytest.mark.parametrize("codec", CODECS)
def test_it_says_how_many_bytes_a_parameter_takes(codec: Codec) -> None:
    for inputs in (128, 192, 96):
        made = quantise("experts.down", drawn(2, inputs, 48).bfloat16(), codec)
        stored = sum(tensor.nbytes for tensor in made.values())
        assert stored == bytes_per_parameter(codec, inputs) * 2 * inputs * 48


def test_it_holds_one_expert_at_a_time_beside_what_it_makes() -> None:
    tensor, asked = drawn(3, 64, 32), []

    class Watched(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            asked.append(max((arg.numel() for arg in args if isinstance(arg, Tensor)), default=0) if func is Tensor.float else 0)
            return super().__torch_function__(func, types, args, kwargs or {})

    quantise("experts.down", tensor.as_subclass(Watched), "int4")
    assert max(asked) == 64 * 32


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_it_bounds_each_weight_error_by_its_channels_scale(dtype: torch.dtype) -> None:
    rows = drawn(20, 96) * torch.logspace(-6, 3, 20)[:, None]
    rows[7] = 0
    values, scales = encode_channels(rows, dtype)
    back = values.float() * scales[:, None]
    # int8 rounds to whole steps; e4m3 has 3 bits of mantissa, that is an error of 1/16 at most, and its own small steps near 0.
    most = scales[:, None] * 0.501 if dtype == torch.int8 else rows.abs() / 15.99 + scales[:, None] * 2**-10
    assert ((back - rows).abs() <= most).all()


@pytest.mark.parametrize("group", [32, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_bounds_each_int4_weight_error_by_its_groups_range(group: int, dtype: torch.dtype) -> None:
    rows = (drawn(48, 192) + drawn(48, 1, seed=9)).to(dtype)
    values, scales = encode_int4(rows, group)
    back = int4_stack.reference_product(torch.eye(192), values, scales).t()
    grouped = rows.float().unflatten(1, (-1, group))
    steps = (grouped.amax(-1) - grouped.amin(-1)) / 15
    # Half a step, and what the holding type's rounding of an offset cuts off at the ends.
    most = 0.501 * steps + torch.finfo(dtype).eps * 2 * rows.float().abs().max()
    assert ((back - rows).unflatten(1, (-1, group)).abs().amax(-1) <= most).all()


def test_it_keeps_a_constant_group() -> None:
    values, scales = encode_int4(torch.full((16, 64), 0.75), 64)
    torch.testing.assert_close(int4_stack.reference_product(torch.eye(64), values, scales), torch.full((64, 16), 0.75), rtol=0, atol=1e-4)


@pytest.mark.parametrize("tokens", [1, 3, 40])
def test_it_multiplies_int8_exactly(tokens: int) -> None:
    values, scales = encode_channels(drawn(48, 160), torch.int8)
    x = drawn(tokens, 160, seed=1)
    rounded, token_scales = encode_channels(x, torch.int8)
    exact = (rounded.double() @ values.double().t()) * token_scales[:, None].double() * scales.double()
    ours = channel_stack.int8_product(x, values, scales)
    torch.testing.assert_close(ours, exact.float(), rtol=1e-6, atol=1e-6)
    assert relative(ours, channel_stack.reference_product(x, values, scales)) < 0.01


@pytest.mark.parametrize("tokens", [1, 3, 40])
def test_it_multiplies_fp8_the_same_on_both_paths(tokens: int) -> None:
    values, scales = encode_channels(drawn(48, 160), torch.float8_e4m3fn)
    x = drawn(tokens, 160, seed=1)
    rounded, token_scales = encode_channels(x, torch.float8_e4m3fn)
    ours = channel_stack.fp8_product(x, values, scales)
    same_input = channel_stack.reference_product(rounded.float() * token_scales[:, None], values, scales)
    torch.testing.assert_close(ours, same_input, rtol=1e-4, atol=1e-4)
    assert 0.01 < relative(ours, channel_stack.reference_product(x, values, scales)) < 0.04


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-6), (torch.bfloat16, 0.01)])
@pytest.mark.parametrize(("tokens", "inputs", "outputs"), [(1, 64, 16), (1, 192, 96), (7, 96, 48), (40, 128, 32)])
def test_it_multiplies_int4_the_same_on_both_paths(tokens: int, inputs: int, outputs: int, dtype: torch.dtype, most: float) -> None:
    made = quantise("experts.down", drawn(2, inputs, outputs).to(dtype), "int4")
    stack = Int4Stack(2, inputs, outputs)
    stack.load_state_dict({name.rsplit(".", 1)[1]: tensor for name, tensor in made.items()}, assign=True)
    x = drawn(tokens, inputs, seed=1).to(dtype)
    plain = [stack(x, expert) for expert in range(2)]
    pack_int4(stack)
    pack_int4(stack)
    assert stack.product is int4_stack.cpu_product
    assert max(relative(stack(x, expert), plain[expert]) for expert in range(2)) < most


def test_it_leaves_shapes_that_have_no_int4_product_to_the_plain_path() -> None:
    made = quantise("experts.down", drawn(2, 64, 24), "int4")
    stack = Int4Stack(2, 64, 24)
    stack.load_state_dict({name.rsplit(".", 1)[1]: tensor for name, tensor in made.items()}, assign=True)
    expected = stack(drawn(3, 64), 1)
    stack.pack()
    assert stack.product is int4_stack.reference_product
    assert torch.equal(stack(drawn(3, 64), 1), expected)


def test_it_calls_the_products_of_a_gpu_with_shapes_and_types_that_they_take() -> None:
    # torch checks its CUDA calls without a GPU where the tensors are fake: shapes, types and strides, no numbers.
    with FakeTensorMode(), torch.device("cuda"):
        x, by_rows = torch.empty(3, 256, dtype=torch.bfloat16), torch.empty(64, 128, dtype=torch.uint8)
        packed = int4_stack.packed_for_cuda(by_rows)
        assert (packed.shape, packed.dtype) == (by_rows.shape, by_rows.dtype)
        assert int4_stack.cuda_product(x, packed, torch.empty(4, 64, 2, dtype=torch.bfloat16)).shape == (3, 64)
        values, scales = torch.empty(64, 256).to(torch.float8_e4m3fn), torch.empty(64)
        assert channel_stack.fp8_product(x, values, scales).shape == (3, 64)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("codec", "most"), [("fp8", 0.06), ("int4", 0.02)])
def test_it_multiplies_on_a_gpu_as_on_the_cpu(codec: Codec, most: float) -> None:
    config = replace(CONFIG, hidden=256, experts=Experts(count=E, ffn=384))
    state, x = weights(config), drawn(50, 256, seed=6).bfloat16()
    made = {new: part.cpu() for name, tensor in state.items() for new, part in quantise(name, tensor.bfloat16(), codec).items()}
    results = []
    for device in ("cpu", "cuda"):
        moe = MoE(config, codec)
        moe.load_state_dict({name: tensor.clone().to(device) for name, tensor in made.items()}, assign=True)
        pack_int4(moe)
        results += [moe(x.to(device)).cpu()]
    assert relative(results[1], results[0]) < most


def test_it_says_what_to_choose_instead() -> None:
    dense = replace(MOE_CONFIG, experts=None, moe=(False,) * 3)
    assert [check_codec(MOE_CONFIG, codec) for codec in CODECS] == list(CODECS)
    assert check_codec(dense, "int8") == "int8"
    with pytest.raises(EngineError, match="There are: bf16, int8, fp8, int4"):
        check_codec(MOE_CONFIG, "nf4")
    with pytest.raises(EngineError, match=r"has no experts\. Choose bf16 or int8"):
        check_codec(dense, "fp8")
    with pytest.raises(EngineError, match=r"multiples of 32.* one of 48\. Choose fp8 or bf16"):
        check_codec(replace(MOE_CONFIG, hidden=48), "int4")
