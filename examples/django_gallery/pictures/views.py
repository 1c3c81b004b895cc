"""The API: give pictures, and list them."""

from django.core.files.base import ContentFile
from django.http import HttpRequest, HttpResponse, JsonResponse

from pictures import tasks
from pictures.models import Picture


def pictures(request: HttpRequest) -> JsonResponse:
    """POST takes the body as a picture; every answer lists all of them."""
    if request.method == "POST":
        picture = Picture()
        picture.file.save("picture.bin", ContentFile(request.body))
        tasks.digest.delay(picture.pk)
    found = Picture.objects.order_by("pk")
    return JsonResponse({"pictures": [{"url": each.file.url, "sha256": each.sha256} for each in found]})


def healthz(_: HttpRequest) -> HttpResponse:
    """It serves, and its database answers."""
    Picture.objects.exists()
    return HttpResponse("ok", content_type="text/plain")
