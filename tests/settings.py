"""The application's own settings, but for a quick password hash and unhashed static files."""

from webapp.settings import *  # noqa: F403
from webapp.settings import STORAGES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
