import asyncio
import hashlib

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST


def room(request: HttpRequest, room: str = "lobby") -> HttpResponse:
    return render(request, "chat/room.html", {"room": room})


@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain; charset=utf-8")


@never_cache
def whoami(request: HttpRequest) -> JsonResponse:
    """What the application believes about its client: shows whether the front is believed, and only the front."""
    return JsonResponse(
        {"client": request.META["REMOTE_ADDR"], "scheme": request.scheme, "host": request.get_host()}
    )


@csrf_exempt  # it keeps nothing, and acts for no user
@require_POST
def upload(request: HttpRequest) -> JsonResponse:
    """Tells size and hash of what is sent, which is never in memory as a whole."""
    size, digest = 0, hashlib.sha256()
    while chunk := request.read(65536):
        size += len(chunk)
        digest.update(chunk)
    return JsonResponse({"bytes": size, "sha256": digest.hexdigest()})


async def events(_request: HttpRequest) -> StreamingHttpResponse:
    """A count to ten as server-sent events, two a second."""

    async def ticks():
        for number in range(1, 11):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.5)

    return StreamingHttpResponse(
        ticks(), content_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )
