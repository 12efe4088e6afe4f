"""Reads settings from the environment and refuses values that it does not understand. Knows no Django."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


class SettingInvalid(Exception):
    """An environment variable holds something else than it should; the message names it and what it may hold."""


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def flag(name: str, default: bool) -> bool:
    """True or False, spelled like that (any case) or as 1 or 0; anything else is refused, so that a typing error is not a silent False."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() not in {"true", "false", "1", "0"}:
        raise SettingInvalid(f"{name} is {value!r}; it may be True or False.")
    return value.lower() in {"true", "1"}


def number(name: str, default: int) -> int:
    value = os.environ.get(name)
    if value is None:
        return default
    try:
        return int(value)
    except ValueError:
        raise SettingInvalid(f"{name} is {value!r}; it must be a whole number.") from None


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    value = os.environ.get(name)
    return default if value is None else [word.strip() for word in value.split(",") if word.strip()]


def secret(name: str, home: Path) -> str:
    """The variable NAME, or the file that NAME_FILE names, or a random secret made once and kept in `home`, readable by its owner only."""
    if value := os.environ.get(name):
        return value
    if file := os.environ.get(f"{name}_FILE"):
        return Path(file).read_text(encoding="utf-8").strip()
    return _made_once(home / "secrets" / name.lower())


def _made_once(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    value = secrets.token_urlsafe(48)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
    return value
