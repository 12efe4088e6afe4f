"""Our mixture of experts beside transformers' Llama4TextMoe, with the same weights; and beside the mistakes that are in print."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Llama4TextConfig
from transformers.models.llama4.modeling_llama4 import Llama4TextMoe

from engine.config import Experts
from engine.model.experts import padded, times
from engine.model.moe import MoE, by_expert
from tests.engine.tiny import CONFIG

C, N, E = 48, 32, 5
MOE_CONFIG = replace(CONFIG, hidden=C, experts=Experts(count=E, ffn=N), moe=(True,) * 3)
TOLERANCE = 1e-4
MISTAKE = 1e-3


def reference(seed: int = 0) -> Llama4TextMoe:
    torch.manual_seed(seed)
    config = Llama4TextConfig(hidden_size=C, intermediate_size=N, num_local_experts=E, num_experts_per_tok=1)
    theirs = Llama4TextMoe(config).float().eval().requires_grad_(False)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return theirs


def weights(theirs: Llama4TextMoe) -> dict[str, Tensor]:
    """transformers' weights under our names."""
    shared = theirs.shared_expert
    return {
        "router.weight": theirs.router.weight,
        "shared.gate_up.weight": torch.cat((shared.gate_proj.weight, shared.up_proj.weight)),
        "shared.down.weight": shared.down_proj.weight,
        "experts.gate_up": theirs.experts.gate_up_proj,
        "experts.down": theirs.experts.down_proj,
    }


def ours(state: dict[str, Tensor]) -> MoE:
    with torch.device("meta"):
        moe = MoE(MOE_CONFIG)
    moe.load_state_dict(state, strict=True, assign=True)
    return moe.requires_grad_(False)


def inputs(tokens: int, seed: int = 1) -> Tensor:
    return torch.randn(tokens, C, generator=torch.Generator().manual_seed(seed))


def inputs_for(experts: list[int], state: dict[str, Tensor]) -> Tensor:
    """One token for each of these experts, in this order."""
    x = inputs(400)
    chosen = F.linear(x, state["router.weight"]).argmax(-1)
    places = {expert: iter((chosen == expert).nonzero()[:, 0].tolist()) for expert in set(experts)}
    return x[[next(places[expert]) for expert in experts]]


def difference(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


CASES = {
    "one token": [3],
    "all to one expert": [2] * 9,
    "to the first and the last only": [4, 0, 0, 4, 0],
    "to all, mixed": [1, 0, 4, 2, 2, 3, 1, 0, 4, 4, 3],
}


@pytest.mark.parametrize("experts", CASES.values(), ids=CASES)
def test_it_agrees_with_transformers(experts: list[int]) -> None:
    theirs = reference()
    state = weights(theirs)
    x = inputs_for(experts, state)
    assert difference(ours(state)(x), theirs(x)[0]) <= TOLERANCE


def test_it_agrees_with_transformers_on_packed_sequences() -> None:
    theirs = reference()
    sequences = [inputs(length, seed=length) for length in (1, 40, 7)]
    expected = torch.cat([theirs(sequence[None])[0] for sequence in sequences])
    assert difference(ours(weights(theirs))(torch.cat(sequences)), expected) <= TOLERANCE


def test_it_gives_a_token_alone_what_it_gives_it_among_others() -> None:
    moe, x = ours(weights(reference())), inputs(30)
    assert difference(torch.cat([moe(token) for token in x.split(1)]), moe(x)) <= TOLERANCE


def test_it_routes_and_scores_as_transformers_does_in_bf16() -> None:
    theirs = reference().bfloat16()
    x = inputs(300).bfloat16()
    expert, score = ours(weights(theirs)).router(x)
    scores, logits = theirs.router(x)
    assert torch.equal(expert, logits.argmax(-1))
    assert torch.equal(score[:, 0], scores.amax(-1))


@pytest.mark.parametrize("tokens", [1, 24])
def test_it_reads_no_weight_of_an_expert_that_was_not_chosen(tokens: int) -> None:
    state = weights(reference())
    x = inputs_for([1, 3] * tokens, state)[:tokens]
    expected, chosen = ours(state)(x), set(ours(state).router(x)[0].tolist())
    for name in ("experts.gate_up", "experts.down"):
        state[name] = state[name].clone()
        state[name][[expert for expert in range(E) if expert not in chosen]] = torch.nan
    assert torch.equal(ours(state)(x), expected)


def test_it_groups_tokens_by_the_experts_that_were_chosen() -> None:
    groups = [(number, tokens.tolist()) for number, tokens in by_expert(torch.tensor([7, 2, 7, 7, 2, 4]))]
    assert groups == [(2, [1, 4]), (4, [5]), (7, [0, 2, 3])]


def test_it_takes_no_tokens() -> None:
    assert ours(weights(reference()))(inputs(0)).shape == (0, C)


def expert_output(state: dict[str, Tensor], x: Tensor, expert: Tensor) -> Tensor:
    """Each token's own expert, written out with one product a token."""
    gate, up = torch.einsum("tc,tcf->tf", x, state["experts.gate_up"][expert]).chunk(2, dim=-1)
    return torch.einsum("tf,tfc->tc", F.silu(gate) * up, state["experts.down"][expert])


def scored_on_the_output(state: dict[str, Tensor], x: Tensor, logits: Tensor) -> Tensor:
    best, expert = logits.max(-1)
    return expert_output(state, x, expert) * best.sigmoid()[:, None]


def scored_by_softmax(state: dict[str, Tensor], x: Tensor, logits: Tensor) -> Tensor:
    best, expert = logits.softmax(-1).max(-1)
    return expert_output(state, x * best[:, None], expert)


def sent_to_two(state: dict[str, Tensor], x: Tensor, logits: Tensor) -> Tensor:
    best, experts = logits.topk(2, dim=-1)
    return sum((expert_output(state, x * best[:, [n]].sigmoid(), experts[:, n]) for n in range(2)), torch.zeros_like(x))


def renormalised(state: dict[str, Tensor], x: Tensor, logits: Tensor) -> Tensor:
    return expert_output(state, x, logits.argmax(-1))


def right(state: dict[str, Tensor], x: Tensor, logits: Tensor) -> Tensor:
    best, expert = logits.max(-1)
    return expert_output(state, x * best.sigmoid()[:, None], expert)


@pytest.mark.parametrize(
    "mistake", [scored_on_the_output, scored_by_softmax, sent_to_two, renormalised], ids=lambda mistake: mistake.__name__
)
def test_it_makes_none_of_the_published_mistakes(mistake: object) -> None:
    state, x = weights(reference()), inputs(50)
    moe = ours(state)
    routed, logits = moe(x) - moe.shared(x), F.linear(x, state["router.weight"])
    assert difference(routed, right(state, x, logits)) <= TOLERANCE
    # Every token would show it, not only the worst of them.
    apart = (routed - mistake(state, x, logits)).abs().amax(-1)
    assert float(apart.min()) > MISTAKE


@pytest.mark.parametrize(("rows", "expected"), [(1, 1), (15, 15), (16, 16), (17, 32), (100, 112)])
def test_bf16_rows_of_an_expert_are_padded_to_a_few_numbers_and_none_is_seen(rows: int, expected: int) -> None:
    x, weight = inputs(rows).bfloat16(), torch.nn.Parameter(inputs(2 * C, seed=2).view(2, C, C).bfloat16(), requires_grad=False)
    assert len(padded(x)) == expected
    assert len(padded(x.float())) == rows
    torch.testing.assert_close(times(x, weight, 1), x @ weight[1], rtol=2e-2, atol=2e-2)
