"""Questions about code: which function does what its docstring says, and where one is defined. From the standard library that runs.

It is installed wherever Python is, under the PSF's licence. Files differ between versions of Python, so a library that was prepared by
another version is another one.
"""

from __future__ import annotations

import ast
import random
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.model import Kind
from training.scan_sources import Document, Question

MOST_CHARACTERS, MOST_QUESTIONS = 60_000, 12
FEWEST_WORDS = 4


@dataclass(frozen=True, slots=True)
class CodeDocument(Document):
    """A file of code."""

    @property
    def kind(self) -> Kind:
        return Kind.CODE


def code_documents(most: int, random_: random.Random) -> list[Document]:
    """So many files at most, those with something to ask."""
    root = Path(sysconfig.get_path("stdlib"))
    files = [path for path in sorted(root.rglob("*.py")) if not {"test", "tests", "site-packages", "idlelib"} & {*path.parts}]
    random_.shuffle(files)
    found: list[Document] = []
    for path in files:
        if len(found) == most:
            break
        text = path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= MOST_CHARACTERS else ""
        questions = list(asked(text))
        if questions:
            chosen = random_.sample(questions, min(len(questions), MOST_QUESTIONS))
            found.append(CodeDocument("code", path.relative_to(root).as_posix(), text, tuple(chosen), closed=False))
    return found


def asked(text: str) -> Iterator[Question]:
    """A question for each function and class that says in a sentence what it does; the answer is its name where it is defined."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or not (told := ast.get_docstring(node)):
            continue
        said = " ".join(told.split("\n\n")[0].split()).rstrip(".")
        start = text.find(node.name, lines[node.lineno - 1])
        if len(said.split()) < FEWEST_WORDS or start < 0:
            continue
        what = "class" if isinstance(node, ast.ClassDef) else "function"
        wordings = (f"Which {what} is there for this: {said}?", f"Where is {node.name} defined?", f"{what}: {said}")
        yield Question(wordings, ((start, start + len(node.name)),))
