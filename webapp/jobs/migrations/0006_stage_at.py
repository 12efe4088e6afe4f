"""When a job came to its stage: what the time that is left is told by."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_exports")]

    operations = [migrations.AddField("job", "stage_at", models.DateTimeField(blank=True, null=True))]
