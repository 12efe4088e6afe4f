"""How an engine over a server is set up: its settings, and that nothing of torch is loaded for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.access import get_engine
from engine.remote.address import AddressWrong, ServerAddress, from_environment
from engine.remote.engine import RemoteEngine
from tests.processes import ROOT

pytestmark = pytest.mark.weights

KEY = "s3cret-key"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "ftp://host/v1"),
        ("URL", "host:8000/v1"),
        ("URL", "http:///v1"),
        ("URL", "http://host:99999/v1"),
        ("URL", "http://host/v1?key=hunter2"),
        ("URL", "http://user:hunter2@host/v1"),
        ("URL", "http://[::1/hunter2"),
        ("URL", "http://ho st/v1"),
        ("KEY", "hunter2\nX-Other: 1"),
        ("KEY", "hunter2é"),
        ("CONTEXT", "hunter2"),
        ("CONTEXT", "0"),
        ("CONTEXT", "-5"),
    ],
)
def test_it_refuses_settings_without_repeating_them(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("LONGREAD_ENGINE_URL", "http://host:8000/v1")
    monkeypatch.setenv(f"LONGREAD_ENGINE_{name}", value)
    with pytest.raises(AddressWrong) as refused:
        from_environment()
    assert f"LONGREAD_ENGINE_{name}" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_it_reads_its_settings_and_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_environment() is None
    for name, value in {"URL": " https://host:8000/v1/ ", "KEY": f"{KEY}\n", "MODEL": "big", "CONTEXT": "131072"}.items():
        monkeypatch.setenv(f"LONGREAD_ENGINE_{name}", value)
    address = from_environment()
    assert address == ServerAddress("https://host:8000/v1", KEY, "big", 131072)
    assert address is not None
    assert address.host == "host:8000"
    assert KEY not in repr(address)


def test_it_is_the_engine_where_an_address_is_set(monkeypatch: pytest.MonkeyPatch, weights_folder: Path, tmp_path: Path) -> None:
    monkeypatch.setenv("LONGREAD_ENGINE_URL", "http://127.0.0.1:1/v1")
    engine = get_engine(weights_folder, tmp_path)
    assert isinstance(engine, RemoteEngine)
    assert get_engine(weights_folder, tmp_path) is engine
    monkeypatch.setenv("LONGREAD_ENGINE_MODEL", "other")
    assert get_engine(weights_folder, tmp_path).name == "other"


def test_it_needs_no_torch(weights_folder: Path) -> None:
    code = (
        "import sys, pathlib, engine.access as a; a.get_engine(pathlib.Path(sys.argv[1]), pathlib.Path()); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(weights_folder)],
        cwd=ROOT,
        env={"LONGREAD_ENGINE_URL": "http://127.0.0.1:1/v1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
