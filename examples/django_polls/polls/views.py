from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views import generic
from django.views.decorators.http import require_POST

from polls.models import Question


class IndexView(generic.ListView):
    template_name = "polls/index.html"
    context_object_name = "questions"

    def get_queryset(self):
        return Question.objects.published()[:10]


class DetailView(generic.DetailView):
    template_name = "polls/detail.html"

    def get_queryset(self):
        return Question.objects.published()


class ResultsView(DetailView):
    template_name = "polls/results.html"


@require_POST
def vote(request: HttpRequest, pk: int) -> HttpResponse:
    question = get_object_or_404(Question.objects.published(), pk=pk)
    chosen = request.POST.get("choice", "")
    # One UPDATE in the database, so that two votes at once both count.
    if not (chosen.isdecimal() and question.choice_set.filter(pk=chosen).update(votes=F("votes") + 1)):
        context = {"question": question, "error": "Please pick one of the choices."}
        return render(request, "polls/detail.html", context, status=400)
    return redirect("polls:results", pk=question.pk)
