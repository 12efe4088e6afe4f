"""Reads settings from the environment and refuses values that it does not understand. An empty one says nothing. Knows no Django."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dj_database_url


class SettingInvalid(Exception):
    """An environment variable holds something else than it should; the message names it and what it may hold."""


def text(name: str, default: str = "") -> str:
    return os.environ.get(name) or default


def flag(name: str, default: bool) -> bool:
    """True or False, spelled like that (any case) or as 1 or 0; anything else is refused, so that a typing error is not a silent False."""
    value = os.environ.get(name)
    if not value:
        return default
    if value.lower() not in {"true", "false", "1", "0"}:
        raise SettingInvalid(f"{name} is {value!r}; it may be True or False.")
    return value.lower() in {"true", "1"}


def number(name: str, default: int) -> int:
    value = os.environ.get(name)
    if not value:
        return default
    try:
        found = int(value)
    except ValueError:
        found = 0
    if found < 1:
        raise SettingInvalid(f"{name} is {value!r}; it must be a whole number of at least 1.")
    return found


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    value = os.environ.get(name)
    return default if not value else [word.strip() for word in value.split(",") if word.strip()]


def secret(name: str, home: Path) -> str:
    """The variable NAME, or the file that NAME_FILE names, or a random secret made once and kept in `home`, readable by its owner only."""
    if value := os.environ.get(name):
        return value
    if file := os.environ.get(f"{name}_FILE"):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise SettingInvalid(f"{name}_FILE is {file!r}, which cannot be read: {error}.") from error
    path = home / "secrets" / name.lower()
    try:
        return _made_once(path)
    except OSError as error:
        raise SettingInvalid(f"{name} is not set, and none can be kept in {path}: {error.strerror}.") from error


def made_folder(name: str, value: str) -> Path:
    """The folder that the variable NAME says, made where it is missing."""
    folder = Path(value).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingInvalid(f"{name} is {value!r}, which is no folder and cannot be made one: {error.strerror}.") from error
    return folder


def database(name: str, value: str) -> dj_database_url.DBConfig:
    """What Django is told of a database's address, which may hold a password and is not repeated."""
    try:
        return dj_database_url.parse(value, conn_max_age=60, conn_health_checks=True)
    except ValueError:
        known = "postgresql://user:password@host:5432/longread or sqlite:////data/longread.sqlite3"
        raise SettingInvalid(f"{name} is no address of a database; it looks like {known}.") from None


def broker(name: str, value: str) -> str:
    """A Redis server's address, which may hold a password and is not repeated."""
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise SettingInvalid(f"{name} is no address of a Redis server; it looks like redis://host:6379/0.")
    return value


def time_zone(name: str, value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise SettingInvalid(f"{name} is {value!r}; it may be a name such as UTC or Europe/Berlin.") from None


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
