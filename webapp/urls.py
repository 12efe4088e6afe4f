"""Every address of the application."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from webapp.api.api import urlpatterns_of_api
from webapp.core.appearance import choose
from webapp.core.health import healthz
from webapp.core.script_words import script_words

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("webapp.accounts.urls")),
    path("", include("webapp.library.urls")),
    path("", include("webapp.upload.urls")),
    path("", include("webapp.ask.urls")),
    path("", include("webapp.checklist.urls")),
    path("", include("webapp.export.urls")),
    path("", include("webapp.sharing.urls")),
    path("", include("webapp.jobs.urls")),
    path("", include("webapp.operate.urls")),
    path("api/v1/", include(urlpatterns_of_api())),
    path("appearance", choose, name="core-appearance"),
    path("words.js", script_words, name="core-words"),
    path("healthz", healthz, name="core-health"),
    path("admin/", admin.site.urls),
]
