"""Pictures."""

from django.db import models


class Picture(models.Model):
    """A file, and its digest once the worker has made it."""

    file = models.FileField(upload_to="pictures/")
    sha256 = models.CharField(max_length=64, blank=True)
