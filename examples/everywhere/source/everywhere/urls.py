"""The addresses of the site."""

from board import views
from django.urls import path

urlpatterns = [path("", views.notes), path("healthz", views.healthz)]
