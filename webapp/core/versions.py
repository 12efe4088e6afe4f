"""Which versions run here, for operators: read from what is installed, without importing any of it."""

from __future__ import annotations

import platform
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from django.conf import settings
from django.db import connection

PACKAGES = ("Django", "celery", "redis", "torch", "lmdb", "tokenizers", "pypdfium2", "uvicorn")


def versions() -> list[tuple[str, str]]:
    """Name and version: Longread, Python, the database, the packages that matter most, the machine."""
    return [("Longread", _own()), ("Python", platform.python_version()), _database(), *_packages(), ("machine", _machine())]


@cache
def _own() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


@cache
def _packages() -> list[tuple[str, str]]:
    return [(name, _installed(name)) for name in PACKAGES]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _database() -> tuple[str, str]:
    if connection.vendor == "postgresql":
        major, minor = divmod(connection.pg_version, 10_000)  # type: ignore[attr-defined]
        return "PostgreSQL", f"{major}.{minor}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()")
        return "SQLite", str(cursor.fetchone()[0])


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {sys.implementation.name}"
