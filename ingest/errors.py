"""What can be wrong with a file that somebody uploads. Each message is shown to that person as it is, so it says what to do."""

from __future__ import annotations


class IngestError(Exception):
    """A file cannot be read; `str(error)` says why and what to do. Nothing of the file has been kept but the original."""


class FileRefused(IngestError):
    """The file is empty, of a kind that is not read, or damaged."""


class PasswordNeeded(FileRefused):
    """The file opens with a password only; ingest.unlocking makes a copy that opens without."""


class LimitExceeded(IngestError):
    """The file is past a limit; the message names the limit, by how much it is exceeded, and what to do."""
