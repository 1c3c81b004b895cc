"""What the board keeps."""

from django.db import models


class Note(models.Model):
    """A line of text. counted: its words, which the worker counts; None until then."""

    text = models.CharField(max_length=200)
    written = models.DateTimeField(auto_now_add=True)
    counted = models.PositiveIntegerField(null=True)

    def __str__(self) -> str:
        return self.text
