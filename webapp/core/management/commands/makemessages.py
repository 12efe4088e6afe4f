"""Django's makemessages, with what this repository wants of it: both catalogues, of our own sources, without line numbers that move."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import makemessages

IGNORED = ["var/*", "tests/*", "engine/*", "ingest/*", "training/*", "bench/*", "samples/*", ".*"]


class Command(makemessages.Command):
    help = "Brings locale/*.pot, and the catalogue of every language (or of those named with -l), up to date. Needs GNU gettext."

    def handle(self, *args: Any, **options: Any) -> None:
        options["all"] = not options["locale"]
        options["keep_pot"], options["add_location"] = True, "file"
        options["ignore_patterns"] += IGNORED
        for domain in ("django", "djangojs"):
            super().handle(*args, **{**options, "domain": domain, "extensions": ["js"] if domain == "djangojs" else None})
