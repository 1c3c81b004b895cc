from django.contrib import admin
from django.urls import include, path

from polls_site.health import healthz

urlpatterns = [
    path("", include("polls.urls")),
    path("admin/", admin.site.urls),
    path("healthz", healthz),
]
