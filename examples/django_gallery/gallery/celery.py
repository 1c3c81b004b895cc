"""Celery's application. Its broker is in the environment: CELERY_BROKER_URL."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gallery.settings")
app = Celery("gallery")
app.autodiscover_tasks()
