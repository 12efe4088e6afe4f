"""What every module has and none may be: a docstring; a length that can be read in one sitting; a name that says its idea."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.source import PACKAGES, ROOT, sources, tree

MOST_LINES = 600
NAMELESS = {"utils", "util", "common", "helpers", "misc"}


def test_it_has_no_module_over_600_lines() -> None:
    tests = list((ROOT / "tests").rglob("*.py"))
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in [*sources().values(), *tests]}
    assert not {str(file.relative_to(ROOT)): lines for file, lines in lengths.items() if lines > MOST_LINES}


def test_it_names_every_file_after_its_idea() -> None:
    assert not [module for module in sources() if module.rsplit(".", 1)[-1] in NAMELESS]


def test_it_says_in_every_module_what_the_module_is_for() -> None:
    empty = {module for module, file in sources().items() if not file.read_text(encoding="utf-8").strip()}
    assert not [module for module in sources() if module not in empty and not ast.get_docstring(tree(module))]


@pytest.mark.parametrize("package", PACKAGES[:3])
def test_it_types_every_function(package: str) -> None:
    wrong = [f"{module}.{name}" for module in sources() if module.split(".")[0] == package for name in _untyped(tree(module))]
    assert not wrong


def _untyped(module: ast.Module) -> list[str]:
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [function.name for function in functions if function.returns is None or not all(_annotated(function))]


def _annotated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[bool]:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [argument.annotation is not None or argument.arg in ("self", "cls") for argument in arguments]
