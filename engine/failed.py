"""What broke an answer, in words for whoever reads it. Imports no torch."""

from __future__ import annotations

import logging

from engine.errors import EngineError
from engine.events import Failed

logger = logging.getLogger(__name__)


def failed(error: BaseException) -> Failed:
    """The answer's last event. What a user or a disk causes says itself what to do; anything else is a mistake of ours, and logged."""
    if isinstance(error, EngineError):
        return Failed(str(error))
    if isinstance(error, OSError):
        return Failed(f"A file of this prompt cannot be read ({error}). Parse the document again.")
    logger.error("An answer broke.", exc_info=error)
    return Failed(f"This answer broke ({type(error).__name__}). The worker's log says where; ask again, or parse the document again.")
