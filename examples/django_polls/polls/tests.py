"""https throughout, so that these pass with the settings of development and of production alike."""

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.test import TestCase
from django.urls import reverse
from django.utils import timezone

from polls.models import Question


class PollsTest(TestCase):
    def setUp(self):
        self.question = Question.objects.get()  # migration 0002 brings it

    def get(self, path):
        return self.client.get(path, secure=True)

    def vote(self, **data):
        path = reverse("polls:vote", args=[self.question.pk])
        return self.client.post(path, data, secure=True, follow=True)

    def test_index_lists_the_sample(self):
        page = self.get("/")
        self.assertContains(page, "<title>Polls</title>", html=True)
        self.assertContains(page, "What&#x27;s new?")

    def test_unpublished_questions_are_hidden(self):
        later = Question.objects.create(question_text="Later?", pub_date=timezone.now() + timedelta(days=1))
        self.assertNotContains(self.get("/"), "Later?")
        for view in ("detail", "results"):
            self.assertEqual(self.get(reverse(f"polls:{view}", args=[later.pk])).status_code, 404)

    def test_a_vote_counts(self):
        choice = self.question.choice_set.first()
        self.assertContains(self.vote(choice=choice.pk), f"{choice}: 1 vote")
        choice.refresh_from_db()
        self.assertEqual(choice.votes, 1)

    def test_a_vote_for_nothing_is_refused(self):
        other = Question.objects.create(question_text="Other?").choice_set.create(choice_text="Yes")
        for data in ({}, {"choice": "x"}, {"choice": other.pk}):
            with self.subTest(data=data):
                self.assertContains(self.vote(**data), "Please pick one", status_code=400)

    def test_admin_edits_questions(self):
        admin = get_user_model().objects.create_superuser("admin")
        self.client.force_login(admin)
        self.assertContains(self.get(reverse("admin:polls_question_changelist")), "What&#x27;s new?")

    def test_health_check_needs_no_https(self):
        answer = self.client.get("/healthz")
        self.assertEqual((answer.status_code, answer.content), (200, b"ok"))
