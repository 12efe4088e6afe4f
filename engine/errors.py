"""What can go wrong in the engine for reasons outside its code, each with a cure in words.

Knows nothing of HTTP, rows or queues; callers show `str(error)` to people.
"""

from __future__ import annotations


class EngineError(Exception):
    """Something that a user, a file or a disk caused. The message says what to do about it."""


class ModelMissing(EngineError):
    """The model's files are not where they should be."""


class ModelDamaged(EngineError):
    """The model's files are there and are not what they should be: truncated, another model, a wrong sum."""


class EngineClosed(EngineError):
    """The engine ends, and with it all of its work; nothing is wrong with what was asked."""


class StoreFull(EngineError):
    """The disk or the byte budget leaves no room for another chunk; answers go on without storing."""


class PromptUnreadable(EngineError):
    """A prompt's files are missing or were made for another tokenizer; parsing the document again makes them new."""


class ModelWarning(UserWarning):
    """A model can be used as it is, though a field of it is known to be wrong; the warning says which and what is right."""
