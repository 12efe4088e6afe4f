"""`python -m engine status|inspect|generate|store`: the engine by itself, in the terminal."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from engine.access import get_engine
from engine.errors import EngineError
from engine.inspection import inspect_model, lines
from engine.loading.bundled import default_folder
from engine.store_report import compact_lines, stats_lines


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path(os.environ.get("LONGREAD_MODEL") or default_folder()))
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser("status", help="model, device and store")
    status.add_argument("--store", type=Path, required=True, help="the folder of the store")
    inspect = commands.add_parser("inspect", help="what a model is and costs, before anything is loaded")
    inspect.add_argument("place", metavar="MODEL", type=Path, nargs="?", help="a folder, config.json or GGUF file; default: --model")
    inspect.add_argument("--json", action="store_true", help="for programs")
    generate = commands.add_parser("generate", help="the model's reply to one message")
    generate.add_argument("message")
    generate.add_argument("--max-tokens", type=int, default=128)
    generate.add_argument("--temperature", type=float, default=0.0)
    store = commands.add_parser("store", help="what a store holds, and its file made small")
    actions = store.add_subparsers(dest="action", required=True)
    for action, told in (("stats", "records, bytes, uses; the store may be in use"), ("compact", "the file as small as its records")):
        actions.add_parser(action, help=told).add_argument("folder", metavar="FOLDER", type=Path, help="'store' in LONGREAD_HOME")
    return parser.parse_args()


def run(asked: argparse.Namespace) -> None:
    if asked.command == "status":
        for name, value in asdict(get_engine(asked.model, asked.store).status()).items():
            print(f"{name}: {value}")
        return
    if asked.command == "inspect":
        found = inspect_model(asked.place or asked.model)
        print(json.dumps(found.as_json(), indent=2) if asked.json else "\n".join(lines(found)))
        return
    if asked.command == "store":
        print("\n".join((stats_lines if asked.action == "stats" else compact_lines)(asked.folder)))
        return
    generate(asked)


def generate(asked: argparse.Namespace) -> None:
    """By the model on this machine, whatever server the settings name."""
    # Imported here, so that `inspect` needs no torch.
    from engine import runtime

    with tempfile.TemporaryDirectory(prefix="longread-store-") as store:
        engine = runtime.get_engine(asked.model, Path(store))
        for token in engine.reply(asked.message, max_tokens=asked.max_tokens, temperature=asked.temperature):
            print(token.text, end="", flush=True)
        print()
        engine.close()


def main() -> int:
    try:
        run(arguments())
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
