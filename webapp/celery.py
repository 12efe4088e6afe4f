"""The workers' way in: celery -A webapp.celery worker -Q ingest | engine."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
app = Celery("longread")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
