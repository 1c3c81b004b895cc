"""A worker: counts the words of notes as they come. Its queue is the table itself."""

import time

from django.core.management.base import BaseCommand
from django.db import transaction

from board.models import Note


class Command(BaseCommand):
    """python manage.py work."""

    def handle(self, **options: object) -> None:
        """Count for ever, one note after the other; several workers take different ones."""
        while True:
            with transaction.atomic():
                waiting = Note.objects.filter(counted=None).select_for_update(skip_locked=True).first()
                if waiting is not None:
                    waiting.counted = len(waiting.text.split())
                    waiting.save()
            if waiting is None:
                time.sleep(1)
