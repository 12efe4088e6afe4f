"""What the documentation promises is there: settings, commands, folders, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, sources

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON_READS = (
    re.compile(r"environment\.(?:text|flag|number|words)\(\s*\"([A-Z_]+)\""),
    re.compile(r"environ(?:\.get\(|\[)\s*\"([A-Z_]+)\"(?!\]\s*=[^=])"),
    re.compile(r"getenv\(\s*\"([A-Z_]+)\""),
    re.compile(r"Setting\(\s*\"([A-Z_]+)\""),
)
OF_THE_SYSTEM = {"PATH"}
SECRET_READ = re.compile(r"environment\.secret\(\s*\"([A-Z_]+)\"")
SHELL_READ = re.compile(r"\$\{([A-Z][A-Z_]+)[:}]")


def test_it_documents_every_variable_that_is_read_and_no_other() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.M))
    assert documented == set(_read()) - OF_THE_SYSTEM


def test_it_names_only_commands_that_run_has() -> None:
    labels = re.findall(r"^([a-z-][a-z| -]*)\)$", (ROOT / "run").read_text(encoding="utf-8"), re.M)
    there = {label.strip() for line in labels for label in line.split("|")}
    named = {name for page in PAGES for name in re.findall(r"\./run ([a-z]+)\b", page.read_text(encoding="utf-8"))}
    assert {"test", "ask", "evaluate", "bench", "manage"} <= named
    assert named <= there


def test_it_draws_a_tree_of_folders_that_exist() -> None:
    named = re.findall(r"^([a-z]+(?:/[a-z]*)*)\s{2,}\S", README.split("## The tree")[1].split("## ")[0], re.M)
    assert len(named) > 15
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("package", ["webapp", "ingest", "engine"])
def test_it_draws_every_folder_of_the_three_layers(package: str) -> None:
    folders = {file.parent.relative_to(ROOT).as_posix() for file in sources().values() if file.is_relative_to(ROOT / package)}
    ours = {folder for folder in folders if folder.count("/") <= 1}
    assert not [folder for folder in ours if f"\n{folder}/ " not in README]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_it_links_to_files_that_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    targets = {(page.parent / link).resolve().relative_to(ROOT).as_posix() for link in links}
    assert not [target for target in targets if not (ROOT / target).exists()]


def _read() -> Iterator[str]:
    """Every environment variable that our code, scripts and container files read."""
    tests = [file for file in (ROOT / "tests").rglob("*.py") if file != Path(__file__)]
    for file in [*sources().values(), *tests]:
        text = file.read_text(encoding="utf-8")
        for pattern in PYTHON_READS:
            yield from pattern.findall(text)
        for name in SECRET_READ.findall(text):
            yield from (name, f"{name}_FILE")
    for name in ("run", "docker-compose.yml"):
        yield from SHELL_READ.findall((ROOT / name).read_text(encoding="utf-8"))
