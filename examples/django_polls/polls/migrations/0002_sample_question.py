from django.db import migrations

QUESTION = "What's new?"
CHOICES = ("Not much", "The sky", "Just hacking again")


def add_sample(apps, _schema_editor):
    question = apps.get_model("polls", "Question").objects.create(question_text=QUESTION)
    Choice = apps.get_model("polls", "Choice")
    Choice.objects.bulk_create(Choice(question=question, choice_text=text) for text in CHOICES)


def remove_sample(apps, _schema_editor):
    apps.get_model("polls", "Question").objects.filter(question_text=QUESTION).delete()


class Migration(migrations.Migration):
    dependencies = (("polls", "0001_initial"),)

    operations = (migrations.RunPython(add_sample, remove_sample),)
