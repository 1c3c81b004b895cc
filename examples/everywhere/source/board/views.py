"""The pages of the site."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from board.models import Note


def notes(request: HttpRequest) -> HttpResponse:
    """Show the newest notes; what is posted is a new one."""
    text = request.POST.get("text", "").strip()
    if text:
        Note.objects.create(text=text[:200])
        return redirect("/")
    return render(request, "board/notes.html", {"notes": Note.objects.order_by("-id")[:20]})


def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer "ok" if the database does, and has its tables."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM board_note")
    return HttpResponse("ok", content_type="text/plain")
