"""The words of the scripts in the language that the browser asks for. A page in English does not ask for them."""

from __future__ import annotations

from django.views.decorators.cache import cache_control
from django.views.i18n import JavaScriptCatalog

CACHED_SECONDS = 3600

script_words = cache_control(private=True, max_age=CACHED_SECONDS)(JavaScriptCatalog.as_view())
