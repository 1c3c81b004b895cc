"""What pending migrations do that the code in service can't bear, read from their text."""

from __future__ import annotations

import pytest

from provision.apps.migration_risks import NOT_NULL, risks_in

DJANGO = """
from django.db import migrations, models

class Migration(migrations.Migration):
    operations = [%s]
"""
ALEMBIC = """
import sqlalchemy as sa
from alembic import op

def upgrade():
    %s

def downgrade():
    op.drop_table("what only the way back removes")
"""


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ('migrations.RemoveField(model_name="product", name="price")', "removes product.price"),
        ('migrations.RemoveField("product", "price")', "removes product.price"),
        ('migrations.RenameField("product", "price", "cost")', "renames product.price"),
        ('migrations.DeleteModel(name="Product")', "removes the table of Product"),
        ('migrations.RenameModel("Product", "Article")', "renames the table of Product"),
        ('migrations.AlterModelTable("product", "goods")', "renames the table of product"),
        (
            'migrations.AddField("product", "tax", models.IntegerField(default=0), preserve_default=False)',
            f"adds product.tax, which can't be null and has no db_default, {NOT_NULL}",
        ),
        (
            'migrations.SeparateDatabaseAndState(database_operations=[migrations.RemoveField("a", "b")])',
            "removes a.b",
        ),
        ("migrations.DeleteModel(NAME)", "removes the table of ?"),
        ('migrations.AddField("product", "tax", models.IntegerField(null=True))', ""),
        ('migrations.AddField("product", "tax", models.IntegerField(db_default=0))', ""),
        ('migrations.AddField("product", "tags", models.ManyToManyField("shop.Tag"))', ""),
        ('migrations.CreateModel("Tax", []), migrations.AddField("tax", "rate", models.IntegerField())', ""),
        (
            'migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("a", "b")])',
            "",
        ),
        ("migrations.RunPython(forwards)", ""),
    ],
)
def test_operations_of_django(operation: str, said: str) -> None:
    assert list(risks_in((DJANGO % operation).encode())) == ([said] if said else [])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('op.drop_column("product", "price")', "removes product.price"),
        ('op.drop_table("product")', "removes the table product"),
        ('op.rename_table("product", "goods")', "renames the table product"),
        ('op.alter_column("product", "price", new_column_name="cost")', "renames product.price"),
        ('op.alter_column("product", "price", nullable=False)', f"forbids null in product.price, {NOT_NULL}"),
        (
            'op.add_column("product", sa.Column("tax", sa.Integer(), nullable=False))',
            f"adds product.tax, which can't be null and has no server_default, {NOT_NULL}",
        ),
        (
            'with op.batch_alter_table("product") as batch_op: batch_op.drop_column("price")',
            "removes price",
        ),
        ('op.add_column("product", sa.Column("tax", sa.Integer(), nullable=False, server_default="0"))', ""),
        ('op.add_column("product", sa.Column("tax", sa.Integer()))', ""),
        ('op.create_table("tax"); op.add_column("tax", sa.Column("r", sa.Integer(), nullable=False))', ""),
        ('op.create_index("i", "product", ["price"])', ""),
    ],
)
def test_operations_of_alembic(call: str, said: str) -> None:
    assert list(risks_in((ALEMBIC % call).encode())) == ([said] if said else [])


def test_what_stands_for_migrations_that_the_database_has_is_no_risk() -> None:
    squashed = DJANGO % 'migrations.DeleteModel("Product")' + "    replaces = [('shop', '0001_initial')]\n"
    assert list(risks_in(squashed.encode())) == []


@pytest.mark.parametrize("text", [b"def", b"\x00", b"\xff\xfe", b"x = " + b"(" * 300, b""])
def test_what_is_no_module_is_left_to_the_host(text: bytes) -> None:
    assert list(risks_in(text)) == []
