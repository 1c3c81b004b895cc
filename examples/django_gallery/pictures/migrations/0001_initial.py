"""The table of pictures."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Made by makemigrations."""

    initial = True
    operations = (
        migrations.CreateModel(
            name="Picture",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("file", models.FileField(upload_to="pictures/")),
                ("sha256", models.CharField(blank=True, max_length=64)),
            ],
        ),
    )
