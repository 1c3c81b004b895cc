"""The project. Celery's application is imported with it, so that tasks find their broker."""

from gallery.celery import app as celery_app

__all__ = ["celery_app"]
