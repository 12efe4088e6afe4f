"""Every question so far becomes a conversation of its own. Apart from the change of the tables, which PostgreSQL wants without new rows."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def one_conversation_each(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- Django calls it so
    conversations, questions = apps.get_model("ask", "Conversation"), apps.get_model("ask", "Question")
    for question in questions.objects.filter(conversation=None).iterator():
        question.conversation = conversations.objects.create(collection_id=question.collection_id, owner_id=question.owner_id)
        question.save(update_fields=["conversation"])


class Migration(migrations.Migration):
    dependencies = [("ask", "0002_conversations")]

    operations = [migrations.RunPython(one_conversation_each, migrations.RunPython.noop)]
