"""The workers' way in: celery -A webapp.celery worker -Q ingest | engine. Imports no app by itself, so that services may send tasks."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
app = Celery("longread")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# The heartbeat and watchdog of each worker (webapp.jobs.workers) connect themselves to the worker's signals.
app.autodiscover_tasks(related_name="workers")
