"""`python -m ingest ask FILE... -q "QUESTION" [--json]`: the whole way in the terminal. Answers on stdout, all else on stderr.

Exit status: 0 answered (found or not), 1 the engine failed or a setting is wrong, 2 no file could be read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from engine.errors import EngineError, StoreFull
from engine.events import AnswerEvent, Done, Located, Tier
from engine.face import EngineFace
from engine.prompt import Prompt
from engine.quote import beside
from engine.tokenizer import Tokenizer
from ingest.ask import Answered, AnswerFailed, ask, doubts, home_folder, model_folder, open_engine, place_name
from ingest.console import Console
from ingest.limit_settings import LimitSettingWrong
from ingest.page_images import PageImagesWrong
from ingest.passwords import Passwords, at_terminal, passwords_in
from ingest.progress import Progress
from ingest.prompt.pictures import Seeing
from ingest.sources import Sources, prompt_over, read_sources

# Enough for a contract of some fifty pages; nobody waits much longer for a terminal to come back.
READ_AHEAD_SECONDS = 40.0
STAGES: dict[Tier, str] = {"index": "indexing", "full": "reading ahead"}


def main() -> int:
    parser = _parser()
    arguments = parser.parse_args()
    if len(arguments.question) > 1:
        parser.error("ask one question at a time: -q is there more than once")
    console = Console()
    try:
        passwords = Passwords(arguments.password_file, at_terminal(console.clear))
        return _ask(arguments.files, arguments.question[0], arguments.json, console, passwords)
    except (EngineError, AnswerFailed, LimitSettingWrong, PageImagesWrong) as error:
        console.clear()
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./run", description="Ask files a question and get the quote.")
    commands = parser.add_subparsers(required=True)
    ask_parser = commands.add_parser("ask", help="ask files, folders and archives a question")
    ask_parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    ask_parser.add_argument("-q", "--question", required=True, action="append")
    ask_parser.add_argument(
        "--password-file",
        type=_passwords,
        default=(),
        metavar="FILE",
        help="passwords of PDFs that need one, one a line; - reads them from standard input. Without it a terminal asks for them",
    )
    ask_parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _passwords(file: str) -> tuple[str, ...]:
    try:
        return passwords_in(file)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{file} cannot be read: {error.strerror}.") from error


def _ask(files: list[Path], question: str, as_json: bool, console: Console, passwords: Passwords) -> int:
    home = home_folder()
    started = time.perf_counter()
    tokenizer = Tokenizer.open(model_folder())
    sources = read_sources(files, home, tokenizer, console, Seeing.of(model_folder(), tokenizer), passwords)
    _print_refusals(sources, console)
    if not sources.read:
        return 2
    prompt = prompt_over(sources.read, home)
    parse_s = time.perf_counter() - started
    console(Progress("opening the model", 0, prompt.tokens, "tokens to ask"))
    engine = open_engine(home)
    answered = ask(engine, prompt, {source.id: source for source in sources.read}, question, parse_s=parse_s, watch=_Watch(console))
    console.clear()
    print(json.dumps(answered, ensure_ascii=False) if as_json else _text(answered), flush=True)
    _read_ahead(engine, prompt, console)
    return 0


def _read_ahead(engine: EngineFace, prompt: Prompt, console: Console) -> None:
    """Keeps the state of what the question did not need, so that the next question finds it. The answer is out already.

    Once for a set of files, and for a while: what is left then is read when a question needs it.
    """
    tried = prompt.lexical_path.with_suffix(".read-ahead")
    if tried.exists():
        return
    tried.touch()
    with suppress(KeyboardInterrupt, StoreFull):
        for event in engine.prefill(prompt, deadline=time.monotonic() + READ_AHEAD_SECONDS):
            console(Progress(f"{STAGES[event.tier]} for further questions (Ctrl-C stops)", event.tokens_done, event.tokens, "tokens"))
    console.clear()


class _Watch:
    """Tells on stderr how an answer goes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.located = 0

    def __call__(self, event: AnswerEvent) -> None:
        if isinstance(event, Located):
            self.located += 1
            self.console(Progress("locating", self.located, 0, "places"))
        elif not isinstance(event, Done):
            self.console(Progress("reading", self.located, 0, "places"))


def _print_refusals(sources: Sources, console: Console) -> None:
    console.clear()
    for sentence in sources.refused:
        print(sentence, file=sys.stderr)


def _text(answered: Answered) -> str:
    usage = answered["usage"]
    read = f"read {usage['read_tokens']:,} of {usage['prompt_tokens']:,} tokens in {answered['timings']['total_s']:.1f} s"
    if usage["indexed_tokens"] is not None and usage["indexed_tokens"] < usage["prompt_tokens"]:
        read += f"; {usage['indexed_tokens']:,} of them had been read ahead"
    if named := usage.get("named"):
        read += f"; asked only of {', '.join(named)}, which the question names"
    if not answered["found"]:
        nearest = [f"  {place_name(place)}" for place in answered["located"][:3]]
        return "\n".join([f"Not found ({read}).", *(["The nearest passages:", *nearest] if nearest else [])])
    return "\n".join([answered["answer"], *_quotes(answered), f"\n{read}"])


def _quotes(answered: Answered) -> Iterator[str]:
    """Those that the answer rests on, and then those of other sentences that may answer."""
    told = zip(answered["citations"], beside(answered["answer"], [cited["quote"] for cited in answered["citations"]]), strict=True)
    for other, group in groupby(sorted(told, key=itemgetter(1)), itemgetter(1)):
        if other:
            yield "\nMay answer too:"
        for cited, _ in group:
            yield f"\n  {place_name(cited)}{doubts(cited)}\n  “{cited['quote']}”"


if __name__ == "__main__":
    sys.exit(main())
