"""Looks at the settings when a process starts, so that a wrong one fails then, with its cure, and not at somebody's first question.

longread.E001  the data folder cannot be written         longread.W002  the broker does not answer (only with --deploy)
longread.E003  the model cannot be used                 longread.E004  DEBUG where others can see it
longread.E005  the secret key is short                  longread.E006  the model server's settings cannot be used
longread.W007  the model server cannot be used (only with --deploy)
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from engine.errors import EngineError, ModelMissing
from engine.loading.checkpoint import open_checkpoint
from engine.remote.address import AddressWrong, from_environment
from webapp.core.model_server import ServerWatch

LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]", "testserver"}
LEAST_SECRET_CHARACTERS = 32


@register()
def home_check(**_: Any) -> list[CheckMessage]:
    try:
        with tempfile.TemporaryFile(dir=settings.LONGREAD_HOME):
            return []
    except OSError as error:
        hint = "Make the folder writable for the user that runs Longread, or set LONGREAD_HOME to another one."
        return [Error(f"LONGREAD_HOME ({settings.LONGREAD_HOME}) cannot be written: {error.strerror}.", hint=hint, id="longread.E001")]


@register(deploy=True)
def broker_check(**_: Any) -> list[CheckMessage]:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=3, socket_timeout=3)
    try:
        client.ping()
    except redis.RedisError:
        hint = "Start a Redis or Valkey server there, or set REDIS_URL; `./run` starts one by itself."
        broken = "uploads wait unread, questions wait unanswered, and answers do not stream"
        return [Warning(f"The server that REDIS_URL names does not answer: {broken}.", hint=hint, id="longread.W002")]
    finally:
        client.close()
    return []


@register()
def model_check(**_: Any) -> list[CheckMessage]:
    if not settings.LONGREAD_MODEL:
        return []
    folder = Path(settings.LONGREAD_MODEL)
    try:
        if folder.is_file():
            raise ModelMissing(f"It is a file; name the folder {folder.parent}.")
        open_checkpoint(folder).config()
    except EngineError as error:
        hint = "Set LONGREAD_MODEL to a folder with a Hugging Face checkpoint or a GGUF file, or unset it for the bundled model."
        return [Error(f"LONGREAD_MODEL ({settings.LONGREAD_MODEL}) cannot be used: {error}", hint=hint, id="longread.E003")]
    return []


@register()
def server_settings_check(**_: Any) -> list[CheckMessage]:
    try:
        from_environment()
    except AddressWrong as error:
        hint = "docs/settings.md says what LONGREAD_ENGINE_* may hold; unset LONGREAD_ENGINE_URL to answer on this machine."
        return [Error(str(error), hint=hint, id="longread.E006")]
    return []


@register(deploy=True)
def server_check(**_: Any) -> list[CheckMessage]:
    try:
        asyncio.run(ServerWatch().look())
    except AddressWrong:
        return []  # said above
    except EngineError as error:
        hint = "Questions fail until it can be used; unset LONGREAD_ENGINE_URL to answer on this machine."
        return [Warning(str(error), hint=hint, id="longread.W007")]
    return []


@register()
def debug_check(**_: Any) -> list[CheckMessage]:
    others = sorted(set(settings.ALLOWED_HOSTS) - LOCAL_HOSTS)
    if not settings.DEBUG or not others:
        return []
    hint = "Unset DEBUG, or take those names out of ALLOWED_HOSTS: an error page of DEBUG shows settings and data."
    return [Error(f"DEBUG is on while ALLOWED_HOSTS has {', '.join(others)}.", hint=hint, id="longread.E004")]


@register()
def secret_key_check(**_: Any) -> list[CheckMessage]:
    if len(settings.SECRET_KEY) >= LEAST_SECRET_CHARACTERS:
        return []
    hint = "Unset SECRET_KEY to have a random one made and kept, or set one of at least 32 random characters."
    return [Error("SECRET_KEY is shorter than 32 characters, so sessions can be forged.", hint=hint, id="longread.E005")]
