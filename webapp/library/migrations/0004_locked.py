"""A document may need a password."""

from __future__ import annotations

from django.db import migrations, models

STATES = ["uploaded", "parsing", "parsed", "reading", "indexed", "ready", "failed", "locked"]
SHOWN = {"uploaded": "waiting", "parsed": "can be asked", "locked": "needs a password"}


class Migration(migrations.Migration):
    dependencies = [("library", "0003_membership")]

    operations = [
        migrations.AlterField(
            "document",
            "state",
            models.CharField(
                choices=[(state, SHOWN.get(state, state)) for state in STATES], db_index=True, default="uploaded", max_length=10
            ),
        ),
    ]
