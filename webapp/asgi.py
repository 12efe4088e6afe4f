"""The web server's way in: uvicorn webapp.asgi:application."""

import os
from importlib import import_module

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
application = get_asgi_application()
# Django leaves this to the first request, and whoever sends that waits for a second or two of imports.
import_module(settings.ROOT_URLCONF)
