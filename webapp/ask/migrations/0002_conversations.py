"""Conversations, and questions that leave documents out."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("library", "0001_initial"),
        ("ask", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Conversation",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "collection",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="conversations", to="library.collection"),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="conversations", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={"ordering": ["-created_at"]},
        ),
        migrations.AddField(
            model_name="question", name="asked_as", field=models.CharField(blank=True, max_length=2000, default=""), preserve_default=False
        ),
        migrations.AddField(model_name="question", name="left_out", field=models.JSONField(blank=True, default=list)),
        migrations.AddField(
            model_name="question",
            name="conversation",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="questions", to="ask.conversation"
            ),
        ),
        migrations.AddField(
            model_name="question",
            name="follows",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="followed_by", to="ask.question"),
        ),
    ]
