"""The scan head's two projections, fitted on encodings: contrastive, over passages of one batch, by the best key for each query.

A passage's score is the sum over the question's tokens of the best product with one of its keys (unit vectors), divided by the sum of
the queries' lengths: a mean of cosines in which a token weighs as much as its query is long. Knows no files.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.scan_corpus import Asked, Corpus, negatives
from training.scan_encodings import Encoded

WIDTH = 128


@dataclass(frozen=True, slots=True)
class Settings:
    """How a head is fitted. `balance`: a source is drawn with its share of the questions to this power. `wrong` passages of a closed
    question are drawn from the first `mined` that the head itself took for right at most `mine_every` steps ago; 0: never."""

    steps: int = 900
    questions: int = 24
    wrong: int = 3
    rate: float = 1e-3
    decay: float = 0.01
    dropout: float = 0.1
    balance: float = 0.5
    header_left_out: float = 0.5
    mine_every: int = 100
    mined: int = 12
    weighted: bool = True
    shares: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1

    def as_json(self) -> dict[str, object]:
        return asdict(self)


class Head(nn.Module):
    """`query` and `key` [W, C]; both begin as the same whitening of the passages' hidden states, or as a head has them."""

    def __init__(self, start: Tensor, key: Tensor | None = None, *, weighted: bool) -> None:
        super().__init__()
        self.query, self.key = nn.Parameter(start.clone()), nn.Parameter((start if key is None else key).clone())
        self.scale = nn.Parameter(torch.tensor(math.log(20.0)))
        self.weighted = weighted

    def queries(self, hidden: Tensor) -> Tensor:
        """[T, W], as long as they weigh."""
        made = hidden.float() @ self.query.mT
        return made if self.weighted else functional.normalize(made, dim=-1)

    def keys(self, hidden: Tensor) -> Tensor:
        """Unit vectors [T, W]."""
        return functional.normalize((hidden @ self.key.to(hidden.dtype).mT).float(), dim=-1)


@dataclass(frozen=True, slots=True)
class Material:
    """A corpus with its encodings of one layer: `place` of a passage's rows, and of a wording's. What is not encoded is not in them."""

    corpus: Corpus
    passages: Encoded
    place: Mapping[int, int]
    questions: Encoded
    wording: Mapping[str, int]

    def asked(self) -> list[Asked]:
        """Questions that can be asked: a right passage and a wording are encoded."""
        return [
            asked
            for asked in self.corpus.asked
            if any(right in self.place for right in asked.right) and all(each in self.wording for each in asked.wordings)
        ]

    def keys_of(self, head: Head, places: Sequence[int], leave_out: Sequence[bool]) -> tuple[Tensor, list[int]]:
        """Keys of the passages one after another, and how many each has; headers left out where so said."""
        rows = []
        for place, without in zip(places, leave_out, strict=True):
            own = self.passages[self.place[place]]
            rows.append(own[self.corpus.passages[place].header_tokens if without else 0 :])
        return head.keys(torch.cat(rows)), [len(own) for own in rows]

    def question(self, wording: str) -> Tensor:
        return self.questions[self.wording[wording]]


def whitening(hidden: Tensor, width: int = WIDTH) -> Tensor:
    """[W, C]: the strongest directions of hidden states [T, C] around their mean, each with the same spread; mean row length 1."""
    x = hidden[torch.linspace(0, len(hidden) - 1, min(len(hidden), 50_000)).long()].float()
    mean = x.mean(0, keepdim=True)
    values, vectors = torch.linalg.eigh((x - mean).mT @ (x - mean) / len(x))
    strongest = (vectors[:, -width:] / (values[-width:] + 1e-6).sqrt()).mT
    along = mean / mean.norm()
    bare = strongest - strongest @ along.mT @ along
    made: Tensor = bare / bare.norm(dim=1).mean()
    return made


def best_products(queries: Tensor, keys: Tensor, sizes: Sequence[int]) -> Tensor:
    """[Q, passages]: each query's best product with a key of each passage. Which one is best is found in bf16 and without gradient."""
    with torch.no_grad():
        products = queries.detach().bfloat16() @ keys.detach().bfloat16().mT
        best, first = [], 0
        for size in sizes:
            best.append(products[:, first : first + size].argmax(1) + first)
            first += size
    chosen = torch.stack(best, 1)
    return (keys[chosen] * queries[:, None]).sum(-1)


def scores(queries: Tensor, lengths: Sequence[int], keys: Tensor, sizes: Sequence[int]) -> Tensor:
    """[questions, passages] from the packed queries [Q, W] of questions with so many tokens each."""
    products = best_products(queries, keys, sizes)
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    total = torch.zeros(len(lengths), len(sizes)).index_add(0, owner, products.float())
    weight = torch.zeros(len(lengths)).index_add(0, owner, queries.float().norm(dim=-1))
    return total / weight[:, None]


def fit(
    material: Material,
    settings: Settings,
    tell: Callable[[int, float, float], None],
    deadline: float | None = None,
) -> Head:
    """A head, the same for the same seed unless `deadline` (time.monotonic) ends it. `tell`: step, loss, steps a second."""
    random_ = random.Random(settings.seed)  # noqa: S311 (a sample, no secret)
    torch.manual_seed(settings.seed)
    head = Head(whitening(material.passages.hidden), weighted=settings.weighted)
    fitted = [{"params": [head.query, head.key], "weight_decay": settings.decay}, {"params": [head.scale], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(fitted, settings.rate)
    mistakes = Mistakes(material)
    draw = Draw(material, settings, mistakes, random_)
    started, mean = time.perf_counter(), 0.0
    for step in range(settings.steps):
        if settings.mine_every and step % settings.mine_every == 0:
            mistakes.look(head)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * rate_at(step / settings.steps)
        loss = batch_loss(material, head, draw.batch(), settings, random_)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        mean = loss.item() if not step else 0.95 * mean + 0.05 * loss.item()
        tell(step + 1, mean, (step + 1) / (time.perf_counter() - started))
        if deadline is not None and time.monotonic() > deadline:
            break
    return head.eval()


def rate_at(share: float) -> float:
    """Warm-up over the first twentieth, then a half cosine."""
    return min(1.0, share / 0.05 + 0.02) * 0.5 * (1 + math.cos(math.pi * share))


@dataclass(frozen=True, slots=True)
class Seen:
    """A document's passages that are encoded, and their keys in bf16, one after another."""

    places: list[int]
    keys: Tensor
    sizes: list[int]


class Mistakes:
    """The passages of a question's document that a head takes for right though they are not, by its keys of when it was last looked at."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._head: Head | None = None
        self._seen: dict[range, Seen] = {}

    def look(self, head: Head) -> None:
        """Take the head as it is now."""
        self._head = deepcopy(head)
        self._seen = {}
        for candidates in {asked.candidates for asked in self._material.asked() if asked.closed}:
            keys = all_keys(self._material, head, candidates)
            self._seen[candidates] = Seen(list(keys), torch.cat(list(keys.values())).bfloat16(), [len(own) for own in keys.values()])

    @torch.inference_mode()
    def of(self, asked: Asked, wording: str, most: int) -> list[int]:
        """The worst first; none of a question that is not closed, or before a head was looked at."""
        if self._head is None or not asked.closed:
            return []
        seen, queries = self._seen[asked.candidates], self._head.queries(self._material.question(wording))
        total = scores(queries.bfloat16(), [len(queries)], seen.keys, seen.sizes)[0]
        found = dict(zip(seen.places, total.tolist(), strict=True))
        return sorted((place for place in found if place not in asked.right), key=lambda place: -found[place])[:most]


@dataclass(frozen=True, slots=True)
class Draw:
    """Questions drawn by source, and passages to tell apart."""

    material: Material
    settings: Settings
    mistakes: Mistakes
    random_: random.Random
    _asked: dict[str, list[Asked]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for asked in self.material.asked():
            self._asked.setdefault(asked.source, []).append(asked)

    def batch(self) -> list[tuple[Asked, int, list[int]]]:
        """Questions, each with a right passage and some wrong ones."""
        sources = list(self._asked)
        weights = [len(self._asked[source]) ** self.settings.balance * self.settings.shares.get(source, 1.0) for source in sources]
        drawn = self.random_.choices(sources, weights, k=self.settings.questions)
        return [self._with_passages(self.random_.choice(self._asked[source])) for source in drawn]

    def _with_passages(self, asked: Asked) -> tuple[Asked, int, list[int]]:
        right = self.random_.choice([place for place in sorted(asked.right) if place in self.material.place])
        mined = self.mistakes.of(asked, self.random_.choice(asked.wordings), self.settings.mined)
        if mined:
            return asked, right, self.random_.sample(mined, min(len(mined), self.settings.wrong))
        wrong = [place for place in negatives(asked, 2 * self.settings.wrong, self.random_) if place in self.material.place]
        return asked, right, wrong[: self.settings.wrong]


def batch_loss(
    material: Material, head: Head, batch: list[tuple[Asked, int, list[int]]], settings: Settings, random_: random.Random
) -> Tensor:
    """Cross entropy of the right passage among those of the batch that can be told to be wrong for the question."""
    places = sorted({place for _, right, wrong in batch for place in (right, *wrong)})
    column = {place: number for number, place in enumerate(places)}
    without = [random_.random() < settings.header_left_out for _ in places]
    keys, sizes = material.keys_of(head, places, without)
    hidden = [material.question(random_.choice(asked.wordings)) for asked, _, _ in batch]
    inputs = functional.dropout(torch.cat(hidden).float(), settings.dropout)
    logits = scores(head.queries(inputs), [len(own) for own in hidden], keys, sizes) * head.scale.exp()
    counts = torch.tensor([[counts_as_wrong(asked, place) or place == right for place in places] for asked, right, _ in batch])
    target = torch.tensor([column[right] for _, right, _ in batch])
    return functional.cross_entropy(logits.masked_fill(~counts, -torch.inf), target)


def counts_as_wrong(asked: Asked, place: int) -> bool:
    """A passage of another document may answer a closed question too, so it says nothing, unless it is of another source."""
    return place not in asked.right and (place in asked.candidates or not asked.closed)


@torch.inference_mode()
def ranked(material: Material, head: Head, asked: Asked, wording: str, keys: Mapping[int, Tensor]) -> dict[int, float]:
    """The score of every candidate that is encoded; `keys` by passage, as `all_keys` gives them."""
    places = [place for place in asked.candidates if place in keys]
    queries = head.queries(material.question(wording))
    own = [keys[place] for place in places]
    return dict(zip(places, scores(queries, [len(queries)], torch.cat(own), [len(each) for each in own])[0].tolist(), strict=True))


@torch.inference_mode()
def all_keys(material: Material, head: Head, places: Iterable[int] | None = None) -> dict[int, Tensor]:
    """Of every passage, or of those `places` that are encoded, as they are stored: int8, given back as unit vectors."""
    wanted = material.place if places is None else [place for place in places if place in material.place]
    return {place: torch.round(head.keys(material.passages[material.place[place]]) * 127) / 127 for place in wanted}
