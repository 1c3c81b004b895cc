"""Tables that pending migrations may copy in SQLite, read from their text."""

from __future__ import annotations

import pytest

from provision.apps.migration_rewrites import rewrites_in

DJANGO = """
from django.db import migrations, models

class Migration(migrations.Migration):
    operations = [%s]
"""
ALEMBIC = """
from alembic import op

def upgrade():
    %s

def downgrade():
    with op.batch_alter_table("what only the way back copies") as batch:
        batch.drop_column("x")
"""


@pytest.mark.parametrize(
    ("operation", "copied"),
    [
        ('migrations.AlterField("product", "price", models.IntegerField())', ["product"]),
        (
            'migrations.AlterField(model_name="product", name="price", field=models.IntegerField())',
            ["product"],
        ),
        ('migrations.RemoveField("product", "price")', ["product"]),
        ('migrations.AddConstraint("product", models.UniqueConstraint(fields=["a"], name="a"))', ["product"]),
        ('migrations.AlterUniqueTogether("product", {("a", "b")})', ["product"]),
        ('migrations.AddField("product", "tax", models.IntegerField(default=0))', ["product"]),
        ('migrations.AddField("product", "tax", models.IntegerField(null=True, unique=True))', ["product"]),
        ('migrations.AddField("product", "tax", models.IntegerField(null=True, default=0))', ["product"]),
        ('migrations.AddField("product", "tax", models.IntegerField(null=True))', []),
        ('migrations.AddField("product", "tags", models.ManyToManyField("shop.Tag"))', []),
        ('migrations.AddIndex("product", models.Index(fields=["a"], name="a"))', []),
        (
            'migrations.CreateModel("Tax", []), migrations.AlterField("tax", "rate", models.IntegerField())',
            [],
        ),
        ("migrations.RunPython(forwards)", []),
        (
            'migrations.AlterField("a", "b", models.IntegerField()), migrations.RemoveField("a", "c")',
            ["a"],
        ),
    ],
)
def test_operations_of_django(operation: str, copied: list[str]) -> None:
    assert list(rewrites_in((DJANGO % operation).encode())) == copied


@pytest.mark.parametrize(
    ("line", "copied"),
    [
        ('with op.batch_alter_table("product") as batch: batch.drop_column("price")', ["product"]),
        ('op.add_column("product", "tax")', []),
    ],
)
def test_operations_of_alembic(line: str, copied: list[str]) -> None:
    assert list(rewrites_in((ALEMBIC % line).encode())) == copied


def test_what_is_no_python_is_told_by_the_host() -> None:
    assert list(rewrites_in(b"class Migration(")) == []
