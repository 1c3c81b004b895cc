from django.urls import path

from chat import views

app_name = "chat"
urlpatterns = [
    path("", views.room, name="lobby"),
    path("rooms/<slug:room>/", views.room, name="room"),
    path("events", views.events, name="events"),
    path("healthz", views.healthz),
    path("upload", views.upload),
    path("whoami", views.whoami),
]
