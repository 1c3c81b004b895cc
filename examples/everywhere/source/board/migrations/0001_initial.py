"""The first table."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Make the table of notes."""

    initial = True
    operations = (
        migrations.CreateModel(
            name="Note",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        primary_key=True, serialize=False, auto_created=True, verbose_name="ID"
                    ),
                ),
                ("text", models.CharField(max_length=200)),
                ("written", models.DateTimeField(auto_now_add=True)),
                ("counted", models.PositiveIntegerField(null=True)),
            ],
        ),
    )
