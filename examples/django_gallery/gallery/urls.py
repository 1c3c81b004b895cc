"""What the application answers; all other paths are the page's, in page/."""

from django.urls import path
from pictures import views

urlpatterns = [
    path("api/pictures/", views.pictures),
    path("healthz", views.healthz),
]
