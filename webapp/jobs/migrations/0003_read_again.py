"""Documents that were parsed before scan records were kept are read ahead: one job each, which the watchdog sends."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def read_again(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    jobs = apps.get_model("jobs", "Job").objects
    waiting = jobs.filter(kind="prefill", state__in=("queued", "running")).values("document_id")
    parsed = apps.get_model("library", "Document").objects.filter(state="parsed", is_archive=False).exclude(id__in=waiting)
    for document in parsed.select_related("collection").iterator():
        jobs.create(owner_id=document.collection.owner_id, kind="prefill", label=document.path[:255], document=document)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_alter_job_kind"), ("library", "0002_tiers")]

    operations = [migrations.RunPython(read_again, migrations.RunPython.noop)]
