"""The limits as the environment sets them, and the names by which a refusal tells an operator what to raise. Counts nothing itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from ingest.errors import LimitExceeded
from ingest.limits import Cost, Limits


class LimitSettingWrong(Exception):
    """A variable holds what cannot be a limit; the message names it and says what it may hold."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable, and the least that makes sense: with less no file at all could be read."""

    variable: str
    least: int = 1


# By the limit's name in ingest.limits.Limits; a process's part after a dot.
SETTINGS: dict[str, Setting] = {
    "file_bytes": Setting("LONGREAD_UPLOAD_BYTES"),
    "pages": Setting("LONGREAD_LIMIT_PAGES"),
    "line_chars": Setting("LONGREAD_LIMIT_LINE_CHARACTERS", 1_000),
    "text_chars": Setting("LONGREAD_LIMIT_CHARACTERS"),
    "tokens": Setting("LONGREAD_LIMIT_TOKENS"),
    "archive_entries": Setting("LONGREAD_LIMIT_ARCHIVE_FILES"),
    "archive_directory_bytes": Setting("LONGREAD_LIMIT_ARCHIVE_DIRECTORY_BYTES", 1_000),
    "archive_bytes": Setting("LONGREAD_LIMIT_ARCHIVE_BYTES"),
    "archive_memory_bytes": Setting("LONGREAD_LIMIT_ARCHIVE_MEMORY_BYTES", 1_000_000),
    "archive_ratio": Setting("LONGREAD_LIMIT_ARCHIVE_RATIO"),
    "archive_listed": Setting("LONGREAD_LIMIT_ARCHIVE_ENTRIES"),
    "archive_read_bytes": Setting("LONGREAD_LIMIT_ARCHIVE_READ_BYTES"),
    "archive_nesting": Setting("LONGREAD_LIMIT_ARCHIVE_NESTING"),
    "package_bytes": Setting("LONGREAD_LIMIT_PACKAGE_BYTES"),
    "image_pixels": Setting("LONGREAD_LIMIT_IMAGE_PIXELS", 10_000),
    "picture_pixels": Setting("LONGREAD_LIMIT_PICTURE_PIXELS", 10_000),
    "ocr_processes": Setting("LONGREAD_OCR_PROCESSES", 0),
    "ocr_cpu_seconds": Setting("LONGREAD_LIMIT_OCR_CPU_SECONDS"),
    "ocr_seconds": Setting("LONGREAD_LIMIT_OCR_SECONDS"),
    "parsing.memory_bytes": Setting("LONGREAD_LIMIT_PARSING_MEMORY_BYTES", 500_000_000),
    "parsing.cpu_seconds": Setting("LONGREAD_LIMIT_PARSING_CPU_SECONDS"),
    "parsing.wall_seconds": Setting("LONGREAD_LIMIT_PARSING_SECONDS"),
    "parsing.written_bytes": Setting("LONGREAD_LIMIT_PARSING_WRITTEN_BYTES", 1_000_000),
    "drawing.memory_bytes": Setting("LONGREAD_LIMIT_DRAWING_MEMORY_BYTES", 500_000_000),
    "drawing.cpu_seconds": Setting("LONGREAD_LIMIT_DRAWING_CPU_SECONDS"),
    "drawing.wall_seconds": Setting("LONGREAD_LIMIT_DRAWING_SECONDS"),
    "drawing.written_bytes": Setting("LONGREAD_LIMIT_DRAWING_WRITTEN_BYTES", 1_000_000),
}


def limits_from(environment: Mapping[str, str] = os.environ) -> Limits:
    """The limits with what the environment says in their place; a variable that is empty says nothing. Raises LimitSettingWrong."""
    set_ = {
        name: _number(setting, environment[setting.variable]) for name, setting in SETTINGS.items() if environment.get(setting.variable)
    }
    plain = {name: value for name, value in set_.items() if "." not in name}
    limits = replace(Limits(), **plain)  # type: ignore[arg-type]
    for cost in ("parsing", "drawing"):
        parts = {name.partition(".")[2]: value for name, value in set_.items() if name.startswith(f"{cost}.")}
        limits = replace(limits, **{cost: replace(getattr(limits, cost), **parts)})
    return limits


def limits_of(plain: Mapping[str, object]) -> Limits:
    """Limits that were sent to another process as `dataclasses.asdict` of them."""
    costs = {name: Cost(**value) for name, value in plain.items() if isinstance(value, dict)}
    return Limits(**{field.name: plain[field.name] for field in fields(Limits)} | costs)  # type: ignore[arg-type]


def exceeded(said: str, advice: str, limit: str) -> LimitExceeded:
    """The refusal. `said`: a sentence with the limit and by how much; `advice`: what its owner can do, the beginning of a sentence."""
    return LimitExceeded(f"{said} {advice}, or ask your operator to raise {SETTINGS[limit].variable}.")


def beyond(found: int, most: int, unit: str) -> str:
    """`6,210 pages, 1,210 more than the 5,000 that are read`."""
    return f"{found:,} {unit}, {found - most:,} more than the {most:,} that are read"


def beyond_megabytes(found: int, most: int) -> str:
    """`350 MB, 150 MB more than the 200 MB that are read`."""
    return f"{megabytes(found)}, {megabytes(found - most)} more than the {megabytes(most)} that are read"


def megabytes(count: int) -> str:
    """Never `0 MB`, which would say that nothing is too much."""
    if count < 100_000:
        return "1 byte" if count == 1 else f"{count:,} bytes"
    return f"{count / 1e6:,.0f} MB" if count >= 9_500_000 else f"{count / 1e6:,.1f} MB"


def _number(setting: Setting, text: str) -> int:
    value = int(text) if text.strip().isascii() and text.strip().isdigit() else None
    if value is None or value < setting.least:
        raise LimitSettingWrong(f"{setting.variable} is {text!r}; it must be a whole number of at least {setting.least:,}.")
    return value
