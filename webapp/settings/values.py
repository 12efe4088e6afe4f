"""The values of the settings. Everything that differs between machines comes from the environment; docs/settings.md lists it.

With no environment at all: SQLite, files under var/, and the broker that `./run` starts.
"""

from __future__ import annotations

import os
from pathlib import Path

from ingest.limit_settings import limits_from
from ingest.page_images import page_images_from
from webapp.settings import environment

BASE_DIR = Path(__file__).resolve().parents[2]
LONGREAD_HOME = environment.made_folder("LONGREAD_HOME", environment.text("LONGREAD_HOME", str(BASE_DIR / "var")))

DEBUG = environment.flag("DEBUG", False)
SECRET_KEY = environment.secret("SECRET_KEY", LONGREAD_HOME)
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = environment.words("CSRF_TRUSTED_ORIGINS", [])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "webapp.core",
    "webapp.accounts",
    "webapp.library",
    "webapp.jobs",
    "webapp.upload",
    "webapp.ask",
    "webapp.checklist",
    "webapp.sharing",
    "webapp.export",
    "webapp.operate",
    "webapp.api",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "webapp.core.security.ContentSecurityPolicy",
]

ROOT_URLCONF = "webapp.urls"
ASGI_APPLICATION = "webapp.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "webapp.core.appearance.appearance",
            ],
        },
    }
]

_sqlite = f"sqlite:///{LONGREAD_HOME / 'longread.sqlite3'}"
DATABASES = {"default": environment.database("DATABASE_URL", environment.text("DATABASE_URL", _sqlite))}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Several processes write: readers must not wait for writers, and a writer waits for another rather than failing half-way.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["webapp.accounts.signing_in.LimitedBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# A link with which somebody sets a new password works once, and for a day.
PASSWORD_RESET_TIMEOUT = 24 * 60 * 60
LOGIN_URL = "accounts-login"
LOGIN_REDIRECT_URL = "library-home"
LOGOUT_REDIRECT_URL = "accounts-login"

# Without a mail server the operator hands out the links that would be sent.
EMAIL_HOST = environment.text("EMAIL_HOST")
EMAIL_PORT = environment.number("EMAIL_PORT", 587)
EMAIL_HOST_USER = environment.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = environment.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = environment.flag("EMAIL_USE_TLS", True)
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = environment.text("DEFAULT_FROM_EMAIL", "longread@localhost")

LANGUAGE_CODE = "en"
# A page is in the first of these that the browser asks for. Only languages into which everything is translated (docs/translating.md).
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = environment.time_zone("TIME_ZONE", environment.text("TIME_ZONE", "UTC"))
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = LONGREAD_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Behind a proxy that ends TLS: HTTPS=True makes the cookies secure and trusts the proxy's X-Forwarded-Proto.
HTTPS = environment.flag("HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 3600
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

REDIS_URL = environment.broker("REDIS_URL", environment.text("REDIS_URL", "redis://127.0.0.1:6379/0"))
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "ingest"
# A task is acknowledged when it is done; a lost one is sent again by webapp.jobs.watchdog, long before the broker would.
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Questions (0) go before reading documents (9); without the list the broker knows no priorities.
    "priority_steps": [0, 9],
    "sep": ":",
    "queue_order_strategy": "priority",
    "visibility_timeout": 6 * 60 * 60,
}
CELERY_TASK_TIME_LIMIT = 60 * 60
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False

# Where the files are, which model answers, and how much disk its stored state may take.
LONGREAD_DOCUMENTS = LONGREAD_HOME / "documents"
LONGREAD_LEXICAL = LONGREAD_HOME / "lexical"
LONGREAD_STORE = LONGREAD_HOME / "store"
LONGREAD_MODEL = environment.text("LONGREAD_MODEL")
LONGREAD_STORE_BYTES = environment.number("LONGREAD_STORE_BYTES", 8 * 10**9)

# A running job that has not been heard of for so long is taken from its worker (which says something every few seconds).
LONGREAD_SILENCE_SECONDS = environment.number("LONGREAD_SILENCE_SECONDS", 20)

# Whoever sends this as a bearer token may read /metrics. Without one there is no such address.
LONGREAD_METRICS_TOKEN = environment.text("LONGREAD_METRICS_TOKEN")

# A sweep is a table that people read: more questions than a long contract checklist has, or more documents than can be looked through,
# are two of them. Each cell takes one or two seconds with the bundled model on two cores.
LONGREAD_SWEEP_QUESTIONS = environment.number("LONGREAD_SWEEP_QUESTIONS", 60)
LONGREAD_SWEEP_DOCUMENTS = environment.number("LONGREAD_SWEEP_DOCUMENTS", 2000)

# What one file may cost (ingest.limits). One upload request is one file and its form; a browser sends one file
# a request, so that each has its own progress and its own error.
LONGREAD_LIMITS = limits_from()
LONGREAD_PAGE_IMAGES = page_images_from()
LONGREAD_UPLOAD_BYTES = LONGREAD_LIMITS.file_bytes
# Files that are parsed at once where `./run` starts the worker: the other cores are the engine's, the pages' and OCR's.
LONGREAD_INGEST_PROCESSES = max(1, environment.number("LONGREAD_INGEST_PROCESSES", min(4, (os.cpu_count() or 1) // 2)))

# Hosts from which repositories are fetched by their https address, and how much and how long: a large one has 300 MB at its newest commit.
LONGREAD_GIT_HOSTS = environment.words("LONGREAD_GIT_HOSTS", [])
LONGREAD_GIT_BYTES = environment.number("LONGREAD_GIT_BYTES", 500 * 10**6)
LONGREAD_GIT_SECONDS = environment.number("LONGREAD_GIT_SECONDS", 600)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 10**6
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 10**6

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
