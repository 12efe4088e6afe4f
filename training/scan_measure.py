"""How often a right passage comes first: by words, by the scan, and by both; and the weights of both, fitted. Knows no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.scan_corpus import Asked
from training.scan_fit import Head, Material, all_keys, ranked

DEPTHS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question: [candidates, 2] BM25 and scan of each, and which are right."""

    source: str
    features: Tensor
    right: Tensor


def outcomes(material: Material, head: Head) -> list[Outcome]:
    """Every question in its first wording."""
    keys = all_keys(material, head)
    made = []
    for asked in material.asked():
        scanned = ranked(material, head, asked, asked.wordings[0], keys)
        made.append(outcome(asked, scanned))
    return made


def outcome(asked: Asked, scanned: Mapping[int, float]) -> Outcome:
    features = torch.tensor([[asked.lexical.get(place, 0.0), score] for place, score in scanned.items()])
    return Outcome(asked.source, features, torch.tensor([place in asked.right for place in scanned]))


def fusion(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Weights of BM25 and scan under which the right passages are likeliest, each question a choice among its candidates."""
    weights = torch.tensor([0.1, 10.0], requires_grad=True)
    scale = torch.tensor([1.0, 20.0])
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = torch.stack([choice(each, weights * scale) for each in outcomes]).mean() + 1e-4 * weights.pow(2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    words, scan = (weights * scale).tolist()
    return words, scan


def choice(outcome: Outcome, weights: Tensor) -> Tensor:
    """Minus the log-probability that one of the right passages is chosen."""
    logs = torch.log_softmax(outcome.features @ weights, 0)
    return -torch.logsumexp(logs[outcome.right], 0)


def recall(outcomes: Sequence[Outcome], weights: tuple[float, float]) -> dict[str, float]:
    """Share of questions with a right passage among the first, for each of DEPTHS."""
    found = dict.fromkeys(DEPTHS, 0)
    for each in outcomes:
        order = (each.features @ torch.tensor(weights)).argsort(descending=True, stable=True)
        for depth in DEPTHS:
            found[depth] += bool(each.right[order[:depth]].any())
    return {f"@{depth}": round(count / max(1, len(outcomes)), 3) for depth, count in found.items()}


def table(outcomes: Sequence[Outcome], fused: tuple[float, float]) -> dict[str, dict[str, dict[str, float]]]:
    """Recall of each source by words, by scan and by both."""
    ways = {"words": (1.0, 0.0), "scan": (0.0, 1.0), "both": fused}
    found: dict[str, dict[str, dict[str, float]]] = {}
    for source in sorted({each.source for each in outcomes}):
        own = [each for each in outcomes if each.source == source]
        found[source] = {"questions": {"n": len(own)}}
        found[source] |= {name: recall(own, way) for name, way in ways.items()}
    return found
