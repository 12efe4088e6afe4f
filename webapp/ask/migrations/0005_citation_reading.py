from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ask", "0004_conversation_title"),
    ]

    operations = [
        migrations.AddField(
            model_name="citation",
            name="reading",
            field=models.CharField(default="file", max_length=10),
        ),
    ]
