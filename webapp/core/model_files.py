"""Where the model and the lexical indexes lie. Torch-free: the ingest worker needs the tokenizer and nothing else of the model."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings

from engine.loading.bundled import default_folder


def model_folder() -> Path:
    return Path(settings.LONGREAD_MODEL) if settings.LONGREAD_MODEL else default_folder()


def lexical_path(collection_id: uuid.UUID) -> Path:
    """One index a collection: how rare a word is depends on what is asked together."""
    settings.LONGREAD_LEXICAL.mkdir(parents=True, exist_ok=True)
    return Path(settings.LONGREAD_LEXICAL) / f"{collection_id}.sqlite3"
