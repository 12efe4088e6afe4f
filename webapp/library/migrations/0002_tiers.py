"""Two tiers of reading ahead: what was called indexed is now parsed, and indexed means that every chunk has left its scan record.

What was stored before is in a layout that is not read any more, so every document that could be asked is parsed and nothing else;
`jobs.0003` has them read again.
"""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

STATES = ["uploaded", "parsing", "parsed", "reading", "indexed", "ready", "failed"]
SHOWN = {"uploaded": "waiting", "parsed": "can be asked"}


def parsed(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    documents = apps.get_model("library", "Document").objects.filter(is_archive=False)
    documents.filter(state__in=("indexed", "reading", "ready")).update(state="parsed", stored_token_count=0)


def indexed(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    documents = apps.get_model("library", "Document").objects.filter(is_archive=False)
    documents.filter(state__in=("parsed", "reading", "ready")).update(state="indexed", stored_token_count=0)


class Migration(migrations.Migration):
    dependencies = [("library", "0001_initial")]

    operations = [
        migrations.AddField("document", "indexed_token_count", models.PositiveBigIntegerField(default=0)),
        migrations.AlterField(
            "document",
            "state",
            models.CharField(
                choices=[(state, SHOWN.get(state, state)) for state in STATES], db_index=True, default="uploaded", max_length=10
            ),
        ),
        migrations.RunPython(parsed, indexed),
    ]
