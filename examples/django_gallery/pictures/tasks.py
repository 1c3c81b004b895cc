"""What the worker does."""

import hashlib

from celery import shared_task

from pictures.models import Picture


@shared_task
def digest(number: int) -> None:
    """Note the SHA-256 of a picture."""
    picture = Picture.objects.get(pk=number)
    with picture.file.open("rb") as file:
        picture.sha256 = hashlib.sha256(file.read()).hexdigest()
    picture.save(update_fields=["sha256"])
