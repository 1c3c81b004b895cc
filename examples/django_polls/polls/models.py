from django.db import models
from django.utils import timezone


class QuestionQuerySet(models.QuerySet):
    def published(self):
        return self.filter(pub_date__lte=timezone.now())


class Question(models.Model):
    question_text = models.CharField(max_length=200)
    pub_date = models.DateTimeField("date published", default=timezone.now)

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ("-pub_date",)

    def __str__(self):
        return self.question_text


class Choice(models.Model):
    question = models.ForeignKey(Question, on_delete=models.CASCADE)
    choice_text = models.CharField(max_length=200)
    votes = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("pk",)

    def __str__(self):
        return self.choice_text
