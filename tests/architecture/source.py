"""The repository's own modules and what each imports, read from the source: nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "ingest", "webapp", "training", "bench")


@dataclass(frozen=True)
class Import:
    """`module` imports `name` from `target` (`name` is '' for `import target`); `lazy` when it does so inside a function."""

    module: str
    target: str
    name: str
    lazy: bool
    function: str

    def __str__(self) -> str:
        return f"{self.module} imports {self.target} {self.name}".strip()


@cache
def sources() -> dict[str, Path]:
    """Module name -> file, for all of our own code but the migrations, which Django writes."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py") if "migrations" not in file.parts]
    return {_module(file): file for file in sorted(files)}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(sources()[module].read_text(encoding="utf-8"))


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for module in sources() for found in _imports(module, tree(module), ""))


def own(target: str) -> bool:
    return target.split(".")[0] in PACKAGES


def within(target: str, package: str) -> bool:
    """Whether a dotted name is a package or lies in it."""
    return target == package or target.startswith(f"{package}.")


def _module(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(module: str, node: ast.AST, function: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, "", bool(function), function)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield Import(module, _absolute(module, child), alias.name, bool(function), function)
        else:
            yield from _imports(module, child, inside)


def _absolute(module: str, statement: ast.ImportFrom) -> str:
    """`from . import x` as if it were written in full."""
    if not statement.level:
        return statement.module or ""
    parents = module.split(".") if sources()[module].name == "__init__.py" else module.split(".")[:-1]
    base = parents[: len(parents) - statement.level + 1]
    return ".".join([*base, *([statement.module] if statement.module else [])])
