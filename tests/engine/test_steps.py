"""Steps driven alone, and what a request's parts are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from engine.cache.kv_cache import KVCache
from engine.model.attention import Segment
from engine.steps import Features, Forward, Telling, forward, heard, run, stream
from tests.engine.tiny import tiny_decoder

IDS = torch.arange(2, 12)


def greedy(decoder: object, ids: torch.Tensor, count: int) -> Telling[int, list[int]]:
    """`count` tokens after the ids, the likeliest each time; tells each."""
    cache, taken = decoder.new_cache(), []  # type: ignore[attr-defined]
    for _ in range(count):
        logits = yield from forward(ids, cache, range(len(ids) - 1, len(ids)))
        taken.append(int(logits[0].argmax()))
        yield taken[-1]
        ids = torch.tensor(taken[-1:])
    return taken


def test_it_gives_the_logits_of_the_wanted_rows_of_each() -> None:
    decoder = tiny_decoder()
    whole = [decoder.logits(decoder(ids, [Segment(decoder.new_cache(), len(ids))])) for ids in (IDS, IDS[:4])]

    def asking() -> Telling[str, list[torch.Tensor]]:
        answers = yield (Forward(IDS, decoder.new_cache(), range(3, 6)), Forward(IDS[:4], decoder.new_cache()))
        return answers

    first, none = run(asking(), decoder)
    torch.testing.assert_close(first, whole[0][3:6], atol=1e-5, rtol=0)
    assert none.shape == (0, decoder.config.vocab)


def test_it_tells_events_and_ends_with_a_result() -> None:
    decoder = tiny_decoder()
    told = list(stream(greedy(decoder, IDS, 5), decoder))
    assert told == run(greedy(decoder, IDS, 5), decoder)
    assert len(told) == 5


def test_it_lets_somebody_hear_events_on_their_way() -> None:
    decoder, ear = tiny_decoder(), list[int]()
    assert run(heard(greedy(decoder, IDS, 3), ear.append), decoder) == ear


def test_it_passes_an_error_on_to_the_steps_that_are_listened_to() -> None:
    def careful() -> Telling[str, str]:
        try:
            yield from forward(IDS, KVCache.__new__(KVCache))
        except IndexError:
            yield "sorry"
        return "done"

    steps, ear = heard(careful(), lambda event: ear.append(event)), list[str]()
    next(steps)
    assert steps.throw(IndexError()) == "sorry"
    with pytest.raises(StopIteration, match="done"):
        steps.send([])
    assert ear == ["sorry"]


@pytest.mark.parametrize("cuts", [[10], [1, 10], [3, 4, 7, 10], list(range(1, 11))])
def test_it_cuts_a_request_without_losing_a_row_or_an_image(cuts: Sequence[int]) -> None:
    cache, image = tiny_decoder().new_cache(), Features(torch.randn(4, 3), torch.tensor([2, 3, 5, 6]))
    whole = Forward(IDS, cache, range(4, 9), image)
    parts = [whole.part(first, end) for first, end in zip([0, *cuts], cuts, strict=False)]
    assert torch.equal(torch.cat([part.ids for part in parts]), IDS)
    assert torch.cat([part.ids[list(part.rows)] for part in parts]).tolist() == IDS[4:9].tolist()
    shown = [(part.ids[part.features.tokens], part.features.vectors) for part in parts if part.features]
    assert torch.equal(torch.cat([ids for ids, _ in shown]), IDS[image.tokens])
    assert torch.equal(torch.cat([vectors for _, vectors in shown]), image.vectors)
