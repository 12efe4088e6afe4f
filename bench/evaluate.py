"""`python -m bench.evaluate QA_SET`: asks every question of a QA set and scores the answers.

A QA set is a folder with `documents/` and `questions.jsonl` (design.md, section 6). Each document is parsed and indexed once, and its
prompt serves all of its questions; what they look at is read when they come. Beside what the engine located stands what each part finds
alone, and if asked for an embedding model (bench.alone) and what the model answers untrained (bench.untrained). Metrics on stdout, progress
on stderr.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.alone import alone, alone_shares
from bench.minilm import MiniLM
from bench.scoring import Gold, Metrics, score
from bench.untrained import open_untrained, untrained_shares
from engine.engine import Engine
from engine.errors import EngineError
from engine.events import AnswerEvent
from engine.face import EngineFace
from engine.prompt import Prompt
from engine.tokenizer import Tokenizer
from ingest.ask import Answered, AnswerFailed, SourcePlaces, ask, home_folder, model_folder, open_engine
from ingest.console import Console
from ingest.progress import Progress, Report
from ingest.sources import Source, prompt_over, read_sources


@dataclass(frozen=True, slots=True)
class _Desk:
    """A prompt that questions are put to, and how long reading its documents took."""

    prompt: Prompt
    sources: dict[str, Source]
    parse_s: float


@dataclass(frozen=True, slots=True)
class _Beside:
    """What is asked beside the engine, where it is asked for."""

    minilm: MiniLM | None
    untrained: Engine | None


@dataclass(slots=True)
class _Room:
    """The documents of a QA set, each read when the first question needs it."""

    documents: Path
    home: Path
    tokenizer: Tokenizer
    engine: EngineFace
    report: Report
    desks: dict[tuple[str, ...] | None, _Desk] = field(default_factory=dict)

    def desk(self, names: tuple[str, ...] | None) -> _Desk:
        """The prompt over the documents of those names; None means the whole folder."""
        if names not in self.desks:
            self.desks[names] = self._read(names)
        return self.desks[names]

    def _read(self, names: tuple[str, ...] | None) -> _Desk:
        started = time.perf_counter()
        files = [self.documents] if names is None else [self.documents / name for name in names]
        sources = read_sources(files, self.home, self.tokenizer, self.report)
        for sentence in sources.refused:
            print(sentence, file=sys.stderr)
        if not sources.read:
            raise AnswerFailed(f"No document of {names or self.documents} can be read.")
        prompt = prompt_over(sources.read, self.home)
        for event in self.engine.prefill(prompt):
            if event.tier != "index":
                break
            self.report(Progress("indexing", event.tokens_done, event.tokens, "tokens"))
        return _Desk(prompt, {source.id: source for source in sources.read}, time.perf_counter() - started)


def main() -> int:
    arguments = _parser().parse_args()
    console = Console()
    try:
        golds = spread(read_questions(arguments.set), arguments.limit)
        golds = [together(gold) for gold in golds] if arguments.together else golds
        home = home_folder()
        engine = open_engine(home)
        room = _Room(arguments.set / "documents", home, Tokenizer.open(model_folder()), engine, console)
        beside = _Beside(MiniLM() if arguments.minilm else None, open_untrained(model_folder(), home) if arguments.untrained else None)
        answers = list(_answers(golds, room, engine, console, beside))
    except (EngineError, AnswerFailed, OSError) as error:
        console.clear()
        print(error, file=sys.stderr)
        return 1
    console.clear()
    metrics = score(golds, answers, peak_mb()) | alone_shares(golds, answers) | untrained_shares(golds, answers)
    print(table(metrics), tokens_read(answers), sep="\n")
    if arguments.json:
        _write(arguments.json, metrics, golds, answers)
    return 0


def read_questions(folder: Path) -> list[Gold]:
    """The questions of a QA set, in order."""
    with (folder / "questions.jsonl").open(encoding="utf-8") as lines:
        return [Gold.of(json.loads(line)) for line in lines if line.strip()]


def spread(golds: Sequence[Gold], limit: int | None) -> list[Gold]:
    """`limit` questions at even distances over the set, the same each time; all of them without a limit."""
    if limit is None or limit >= len(golds):
        return list(golds)
    return [golds[index * len(golds) // limit] for index in range(limit)]


def together(gold: Gold) -> Gold:
    """The same asked of all documents at once: a question of one document names it."""
    if gold.documents is None or len(gold.documents) != 1:
        return replace(gold, documents=None)
    return replace(gold, documents=None, question=f"{Path(gold.documents[0]).stem}: {gold.question}")


def table(metrics: Metrics) -> str:
    """One metric a line."""
    return "\n".join(f"{name:20} {'-' if value is None else f'{value:,.3f}'}" for name, value in metrics.items())


def tokens_read(answers: Sequence[Answered]) -> str:
    """How much was read of how much, over all questions, in words."""
    read, whole = (sum(answered["usage"][name] for answered in answers) for name in ("read_tokens", "prompt_tokens"))
    return f"{'tokens':20} {read:,} read of {whole:,} asked, over {len(answers):,} questions"


def peak_mb() -> float:
    """The most memory that this process held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _answers(golds: Sequence[Gold], room: _Room, engine: EngineFace, console: Console, beside: _Beside) -> Iterator[Answered]:
    started = time.perf_counter()
    for done, gold in enumerate(golds, 1):
        desk = room.desk(gold.documents)
        answered = _asked(engine, desk, gold)
        answered["alone"] = alone(engine, desk.prompt, SourcePlaces(desk.sources), gold.question, beside.minilm)
        yield answered | ({"untrained": _asked(beside.untrained, desk, gold)} if beside.untrained else {})
        left = (time.perf_counter() - started) / done * (len(golds) - done)
        console(Progress("asking", done, len(golds), f"questions, {left:,.0f} s left"))


def _asked(engine: EngineFace, desk: _Desk, gold: Gold) -> Answered:
    return ask(engine, desk.prompt, desk.sources, gold.question, parse_s=desk.parse_s, watch=_ignore)


def _ignore(event: AnswerEvent) -> None:
    """Nobody watches single answers here."""


def _write(target: Path, metrics: Metrics, golds: Sequence[Gold], answers: Sequence[Answered]) -> None:
    rows: list[dict[str, Any]] = [{"id": gold.id, **answered} for gold, answered in zip(golds, answers, strict=True)]
    target.write_text(json.dumps({"metrics": metrics, "rows": rows}, ensure_ascii=False, indent=1), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./run evaluate", description="Ask and score a QA set.")
    parser.add_argument("set", type=Path, metavar="QA_SET")
    parser.add_argument("--limit", type=int, help="ask this many questions, spread over the set")
    parser.add_argument("--together", action="store_true", help="all documents as one prompt; a question names the document it is about")
    parser.add_argument("--minilm", action="store_true", help="score an embedding model beside: all-MiniLM-L6-v2, over the same chunks")
    parser.add_argument("--untrained", action="store_true", help="ask the model beside as it is without what was trained for it")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write metrics and rows there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
