"""The reading head, fitted on encodings: does a passage answer, which of several does, and where does its answer stand. Knows no files.

Three losses. Each passage by itself: answers or does not (so the odds mean something). The passages of one question against each other. And
the first and last token within a passage that answers, any of the right ones; of a whole clause, that they stand in it.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.model.reading_head import Reading, ReadingHead, ReadingShape, Seen
from training.read_batch import read_together
from training.read_corpus import Task
from training.read_encodings import State

SAMPLE = 200  # passages that level the states
ANSWER_TOKENS = 24  # what people take for an answer; the lawyers' spans are mostly sentences


@dataclass(frozen=True, slots=True)
class Settings:
    """How a head is fitted. `balance`: a source is drawn with its share of the questions to this power, times its share. `window`: of most
    passages only so many tokens in a row are read, an answer among them if there is one; `whole`: the share that is read whole."""

    steps: int = 2000
    questions: int = 8
    passages: int = 3
    rate: float = 1e-3
    decay: float = 0.02
    dropout: float = 0.1
    words_weight: float = 0.5
    window: int = 200
    whole: float = 0.25
    balance: float = 0.5
    shares: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Material:
    """Tasks of which all passages are encoded. `headers`: tokens of each passage that are no part of its document. `shared`: of a passage
    and a wording, which tokens are the wording's words; `words`: how many tokens each wording has of its own."""

    tasks: Sequence[Task]
    states: Mapping[int, State]
    headers: Mapping[int, int]
    shared: Callable[[int, str], Tensor]
    words: Mapping[str, int]

    def seen(self, place: int, wording: str) -> Seen:
        state = self.states[place]
        return Seen(state.passage, state.questions[wording], self.shared(place, wording), self.headers[place], self.words[wording])


@dataclass(slots=True)
class Progress:
    """Where a fit stands: what is needed to go on as if it had not stopped."""

    step: int
    head: dict[str, Tensor]
    optimiser: dict[str, object]
    random: object
    torch_random: Tensor
    loss: list[float]


Tell = Callable[[int, Sequence[float], float, float], None]
"""Step, the three losses (running means), the rate, steps a second."""
Keep = Callable[[Progress], None]


def fit(
    material: Material,
    shape: ReadingShape,
    settings: Settings,
    tell: Tell,
    *,
    first: ReadingHead | None = None,
    deadline: float | None = None,
    start: Progress | None = None,
    keep: Keep | None = None,
    every: int = 100,
) -> ReadingHead:
    """A head, the same for the same seed, interrupted or not: `keep` is given the progress `every` so many steps, and `start` goes on from
    there. `first`: a head to begin with, of that shape and for levelled states. Past `deadline` (time.monotonic) the rate falls to nothing
    within a twentieth of the steps."""
    random_ = random.Random(settings.seed)  # noqa: S311 (a sample, no secret)
    torch.manual_seed(settings.seed)
    head = deepcopy(first) if first is not None else ReadingHead(shape)
    head.dropout.p = settings.dropout
    optimiser = torch.optim.AdamW(head.parameters(), settings.rate, weight_decay=settings.decay)
    draw, losses, done = Draw(material, settings, random_), [0.0, 0.0, 0.0], 0
    if start is not None:
        done, losses = start.step, list(start.loss)
        head.load_state_dict(start.head)
        optimiser.load_state_dict(start.optimiser)
        random_.setstate(start.random)  # type: ignore[arg-type]
        torch.set_rng_state(start.torch_random)
    began, ending, falling = time.perf_counter(), settings.steps, None
    for step in range(done, settings.steps):
        if falling is None and deadline is not None and time.monotonic() > deadline:
            falling, ending = step, min(settings.steps, step + settings.steps // 20)
        rate = settings.rate * rate_at(step / settings.steps)
        if falling is not None:
            rate *= (ending - step) / (ending - falling)
        for group in optimiser.param_groups:
            group["lr"] = rate
        parts = batch_losses(head, draw.batch())
        optimiser.zero_grad()
        (parts[0] + parts[1] + settings.words_weight * parts[2]).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
        own = [part.item() for part in parts]
        losses = own if not step else [0.98 * mean + 0.02 * now for mean, now in zip(losses, own, strict=True)]
        tell(step + 1, losses, rate, (step + 1 - done) / (time.perf_counter() - began))
        if keep is not None and (step + 1) % every == 0:
            keep(Progress(step + 1, head.state_dict(), optimiser.state_dict(), random_.getstate(), torch.get_rng_state(), losses))
        if step + 1 >= ending:
            break
    return head.eval()


def rate_at(share: float) -> float:
    """Warm-up over the first fiftieth, then a half cosine."""
    return min(1.0, share / 0.02 + 0.05) * 0.5 * (1 + math.cos(math.pi * share))


@dataclass(frozen=True, slots=True)
class Level:
    """Mean and spread of each number of a state [F]: a head is fitted on states brought to 0 and 1."""

    mean: Tensor
    spread: Tensor

    @classmethod
    def of(cls, passages: Sequence[Tensor]) -> Level:
        """Over some of them."""
        sample = torch.cat(list(passages[:: max(1, len(passages) // SAMPLE)])).float()
        return cls(sample.mean(0), sample.std(0) + 1e-3)

    def levelled(self, state: State) -> State:
        return State(self._of(state.passage), {wording: self._of(values) for wording, values in state.questions.items()})

    def _of(self, values: Tensor) -> Tensor:
        return ((values.float() - self.mean) / self.spread).to(values.dtype)

    def taken_in(self, head: ReadingHead) -> ReadingHead:
        """The same head, for states as they are."""
        return with_level(head, self.mean, self.spread)

    @classmethod
    def left_out(cls, head: ReadingHead) -> tuple[ReadingHead, Level]:
        """The other way: a head for levelled states, and their level."""
        level = cls(head.mean.clone(), head.spread.clone())
        return with_level(head, torch.zeros_like(head.mean), torch.ones_like(head.spread)), level


@torch.no_grad()
def with_level(head: ReadingHead, mean: Tensor, spread: Tensor) -> ReadingHead:
    made = deepcopy(head)
    made.mean.copy_(mean)
    made.spread.copy_(spread)
    return made


@dataclass(frozen=True, slots=True)
class Draw:
    """Questions drawn by source, each with some of its passages."""

    material: Material
    settings: Settings
    random_: random.Random
    _tasks: dict[str, list[Task]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for task in self.material.tasks:
            self._tasks.setdefault(task.source, []).append(task)

    def batch(self) -> list[list[Shown]]:
        """Of each question, its passages."""
        sources = list(self._tasks)
        weights = [len(self._tasks[source]) ** self.settings.balance * self.settings.shares.get(source, 1.0) for source in sources]
        drawn = self.random_.choices(sources, weights, k=self.settings.questions)
        return [self._shown(self.random_.choice(self._tasks[source])) for source in drawn]

    def _shown(self, task: Task) -> list[Shown]:
        right = [place for place in task.passages if place in task.spans]
        wrong = [place for place in task.passages if place not in task.spans]
        chosen = [self.random_.choice(right)] if right else []
        chosen += self.random_.sample(wrong, min(len(wrong), self.settings.passages - len(chosen)))
        shown = [Shown(self.material.seen(place, task.wording), task.spans.get(place, ())) for place in chosen]
        return [each if self.random_.random() < self.settings.whole else window(each, self.settings.window, self.random_) for each in shown]


@dataclass(frozen=True, slots=True)
class Shown:
    """What is read, and the answers in it: first and last token in the body; none if it does not answer."""

    seen: Seen
    spans: Sequence[tuple[int, int]]


def window(shown: Shown, tokens: int, random_: random.Random) -> Shown:
    """So many tokens of the body in a row, with the header; of the answers those that stand in them whole, one at least unless none can."""
    seen, header = shown.seen, shown.seen.header
    body = len(seen.chunk) - header
    if body <= tokens:
        return shown
    low, high = 0, body - tokens
    if shown.spans:
        first, last = random_.choice(shown.spans)
        low, high = max(low, min(last + 1 - tokens, high)), min(high, first)
    start = random_.randint(min(low, high), high)
    spans = [(first - start, last - start) for first, last in shown.spans if first >= start and last < start + tokens]
    if shown.spans and not spans:
        return shown
    chosen = torch.cat([torch.arange(header), torch.arange(header + start, header + start + tokens)])
    return Shown(seen._replace(chunk=seen.chunk[chosen], shared=seen.shared[chosen]), spans)


def batch_losses(head: ReadingHead, batch: Sequence[Sequence[Shown]]) -> tuple[Tensor, Tensor, Tensor]:
    alone, among, words = [], [], []
    with torch.autocast("cpu", dtype=torch.bfloat16):  # a third of the time
        read_all = iter(read_together(head, [each.seen for shown in batch for each in shown]))
    for shown in batch:
        readings = list(islice(read_all, len(shown)))
        answers = torch.stack([reading.answers for reading in readings]).float()
        truth = torch.tensor([float(bool(each.spans)) for each in shown])
        alone.append(functional.binary_cross_entropy_with_logits(answers, truth))
        if truth.any() and not truth.all():
            among.append(-torch.logsumexp(torch.log_softmax(answers, 0)[truth > 0], 0))
        words += [span_loss(reading, each.spans) for reading, each in zip(readings, shown, strict=True) if each.spans]
    nothing = torch.zeros(())
    return torch.stack(alone).mean(), torch.stack(among or [nothing]).mean(), torch.stack(words or [nothing]).mean()


def read(head: ReadingHead, material: Material, task: Task, place: int) -> Reading:
    reading: Reading = head(material.seen(place, task.wording))
    return reading


def span_loss(reading: Reading, spans: Sequence[tuple[int, int]]) -> Tensor:
    """How unlikely it is that the answer begins with any of the right tokens, and that it ends with any. A whole clause is where the
    answer stands and not the answer: of one longer than ANSWER_TOKENS any token may begin or end it."""
    short = [span for span in spans if span[1] - span[0] < ANSWER_TOKENS]
    if short:
        first, last = torch.tensor(short).mT
    else:
        first = last = torch.tensor(sorted({token for start, end in spans for token in range(start, end + 1)}))
    return -torch.logsumexp(reading.starts.float()[first], 0) - torch.logsumexp(reading.ends.float()[last], 0)
