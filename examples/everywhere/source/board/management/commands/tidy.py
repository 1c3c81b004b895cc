"""A job: removes all but the newest notes."""

from django.core.management.base import BaseCommand

from board.models import Note

KEPT = 1000


class Command(BaseCommand):
    """python manage.py tidy."""

    def handle(self, **options: object) -> None:
        """Remove what is too old, and say how much that was."""
        kept = Note.objects.order_by("-id").values_list("id", flat=True)[:KEPT]
        removed, _ = Note.objects.exclude(id__in=list(kept)).delete()
        self.stdout.write(f"removed {removed} notes")
