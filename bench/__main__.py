"""`python -m bench [NAME...] [--files FOLDER] [--json OUT]`: runs the benchmarks named, or all, and prints a table.

A benchmark is a module of this folder with `run() -> list[Row]`, or `-> Measured` where it has figures for a machine too; its name is
the module's. Adding a file adds a benchmark. The file OUT holds an object a benchmark: its figures by name, and its `rows`. A figure whose
name has dots (`10M.peak_mb`) stands there under its name and in an object of its own for each part, for who reads it either way.
"""

from __future__ import annotations

import argparse
import ast
import json
import pkgutil
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import bench
from bench.files import name_folder
from bench.process import BenchFailed
from bench.row import Measured, Row
from engine.errors import EngineError

LINE = "{:40} {:>12} {:14} {:28} {:>12} {:>7}"


def names() -> list[str]:
    """Every module here that defines `run`."""
    modules = [module.name for module in pkgutil.iter_modules(bench.__path__) if not module.ispkg]
    return [name for name in modules if defines_run(Path(bench.__path__[0]) / f"{name}.py")]


def defines_run(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return path.stem != "__main__" and any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body)


def line(row: Row) -> str:
    peer = "" if row.peer_value is None else f"{row.peer_value:,.1f}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    return LINE.format(row.name, f"{row.value:,.1f}", row.unit, row.peer, peer, ratio)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench", description="Measure the application beside its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; all without one")
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="what ingest, scans, quotes and fuzz read; else the samples")
    parser.add_argument("--json", type=Path, metavar="OUT")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(names())
    if unknown:
        print(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(names())}.", file=sys.stderr)
        return 2
    if asked.files:
        name_folder(asked.files)
    print(LINE.format("what", "ours", "unit", "peer", "peer's", "ratio"))
    measured: dict[str, dict[str, Any]] = {}
    try:
        for name in asked.names or names():
            measured[name] = measure(name)
            if asked.json:  # after each, so that a failure of the next costs no figures
                asked.json.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    except (BenchFailed, EngineError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def measure(name: str) -> dict[str, Any]:
    """Runs one benchmark and prints its rows; gives what the file says of it."""
    said = import_module(f"bench.{name}").run()
    found = said if isinstance(said, Measured) else Measured(said, {})
    print(*map(line, found.rows), sep="\n", flush=True)
    return (
        nested(found.figures)
        | found.figures
        | {"rows": [{field: getattr(row, field) for field in (*Row.__dataclass_fields__, "ratio")} for row in found.rows]}
    )


def nested(figures: Mapping[str, float]) -> dict[str, Any]:
    """Those whose names have dots, as objects in objects."""
    whole: dict[str, Any] = {}
    for name, value in figures.items():
        *parts, last = name.split(".")
        inner = whole
        for part in parts:
            inner = inner.setdefault(part, {})
        if parts:
            inner[last] = value
    return whole


if __name__ == "__main__":
    sys.exit(main())
