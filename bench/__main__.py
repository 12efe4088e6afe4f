"""`python -m bench [NAME...] [--json OUT]`: runs the benchmarks named, or all, and prints a table.

A benchmark is a module of this folder with `run() -> list[Row]`; its name is the module's. Adding a file adds a benchmark.
"""

from __future__ import annotations

import argparse
import ast
import json
import pkgutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import bench
from bench.row import Row

LINE = "{:34} {:>12} {:14} {:28} {:>12} {:>7}"


def names() -> list[str]:
    """Every module here that defines `run`."""
    return [module.name for module in pkgutil.iter_modules(bench.__path__) if defines_run(Path(bench.__path__[0]) / f"{module.name}.py")]


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
    parser.add_argument("--json", type=Path, metavar="OUT")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(names())
    if unknown:
        print(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(names())}.", file=sys.stderr)
        return 2
    print(LINE.format("what", "ours", "unit", "peer", "peer's", "ratio"))
    measured: dict[str, list[dict[str, Any]]] = {}
    for name in asked.names or names():
        rows: list[Row] = import_module(f"bench.{name}").run()
        print(*map(line, rows), sep="\n", flush=True)
        measured[name] = [{field: getattr(row, field) for field in (*Row.__dataclass_fields__, "ratio")} for row in rows]
    if asked.json:
        asked.json.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
