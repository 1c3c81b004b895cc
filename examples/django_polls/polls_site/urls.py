from django.contrib import admin
from django.urls import include, path

from polls_site.clients import upload, whoami
from polls_site.health import healthz

urlpatterns = [
    path("", include("polls.urls")),
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    path("upload", upload),
    path("whoami", whoami),
]
