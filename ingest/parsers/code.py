"""Which files are source code or settings, told by name: they are read as text and cited by path and line."""

from __future__ import annotations

from pathlib import PurePosixPath

from ingest.model import Kind
from ingest.parsers.text import TextParser

_EXTENSIONS = frozenset(
    """
    ada adb ads asm awk bash bat c cc cfg clj cljs cmake conf cpp cs css cu cxx d dart diff el elm erl ex exs f f90 fs fsx
    gd go gradle graphql groovy h hh hpp hrl hs html htm hxx ini ipynb java jl js json jsonl jsx kt kts less lisp lua m mjs mk ml
    mli mm nim nix pas patch php pl pm properties proto ps1 py pyi pyx r rb rs sass scala scm scss sh sol sql styl svelte swift
    tcl tex tf toml ts tsx v vb vhd vue wat xml xsl yaml yml zig zsh
    """.split()  # noqa: SIM905 -- words read better than a list
)
_NAMES = frozenset({"makefile", "dockerfile", "jenkinsfile", "rakefile", "gemfile", "procfile", "cmakelists.txt", "codeowners"})

CODE_PARSER = TextParser(kind=Kind.CODE)


def is_code(path: str) -> bool:
    """True if a file of that name is cited by line of code. A dot file (.gitignore) is."""
    name = PurePosixPath(path).name.lower()
    return name in _NAMES or name.startswith(".") or PurePosixPath(name).suffix.lstrip(".") in _EXTENSIONS
