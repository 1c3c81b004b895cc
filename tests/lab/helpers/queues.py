"""Applications with a queue each, whose tasks write down that they have begun, and that they are done."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.cli import prov
from helpers.hosts import on
from helpers.projects import Project
from helpers.web import Site
from provision.lab import LabHost

#: seconds that a task takes, and between two that are given: the worker has always one under way
TAKES, EVERY = 3.0, 2.5
WORK = f"""
import os, pathlib, time

LOG = pathlib.Path(os.environ["PROV_DATA_DIR"]) / "tasks"

def note(word, n):
    with LOG.open("a") as f:
        f.write(f"{{word}} {{n}} {{os.path.realpath(os.path.dirname(__file__))}}\\n")

def work(n):
    note("begun", n)
    time.sleep({TAKES})
    note("done", n)
"""
WEB = """
import jobs

def application(environ, start_response):
    if environ["QUERY_STRING"]:
        jobs.add(int(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"given"]
"""
CELERY = """
from celery import Celery
from work import work

app = Celery("jobs")
task = app.task(work)

def add(n):
    task.delay(n)
"""
RQ = """
import os, redis, rq
from work import work

queue = rq.Queue(connection=redis.Redis.from_url(os.environ["REDIS_URL"]))

def add(n):
    queue.enqueue(work, n)
"""
HUEY = """
import os
from huey import RedisHuey
from work import work

huey = RedisHuey("jobs", url=os.environ["REDIS_URL"])

@huey.task()
def job(n):
    work(n)

def add(n):
    job(n)
"""
DRAMATIQ = """
import os, dramatiq
from dramatiq.brokers.redis import RedisBroker
from work import work

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))

@dramatiq.actor
def job(n):
    work(n)

def add(n):
    job.send(n)
"""
PROCRASTINATE = """
import procrastinate
from work import work

app = procrastinate.App(connector=procrastinate.PsycopgConnector())

@app.task(name="job")
def job(n):
    work(n)

def add(n):
    with app.open():
        job.defer(n=n)
"""
#: what `procrastinate schema --apply` does, which can do it once only
SCHEMA = """
import jobs, psycopg

with psycopg.connect() as connection:
    found = connection.execute("select to_regclass('procrastinate_jobs')").fetchone()
if found == (None,):
    with jobs.app.open():
        jobs.app.schema_manager.apply_schema()
"""
DJANGO_TASKS = """
import os
import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from tasks import job

def add(n):
    job.enqueue(n)
"""
TASKS = """
from django_tasks import task
from work import work

@task()
def job(n):
    work(n)
"""
SETTINGS = """
import os

SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django_tasks", "django_tasks.backends.database"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"],
        "USER": os.environ["PGUSER"],
        "HOST": os.environ["PGHOST"],
    }
}
TASKS = {"default": {"BACKEND": "django_tasks.backends.database.DatabaseBackend"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
MANAGE = """
import os, sys
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
execute_from_command_line(sys.argv)
"""


@dataclass(frozen=True)
class Queue:
    """A library of queues. files: of its project, besides what all have.  settings: of the application."""

    requirements: str
    files: dict[str, str]
    settings: dict[str, Any]


def worker(command: str, **settings: Any) -> dict[str, Any]:
    return {"processes": {"worker": {"command": command, **settings}}}


REDIS = {"uses": {"queue": "redis"}}
POSTGRES = {"uses": {"database": "postgres"}}
QUEUES = {
    "celery": Queue("celery[redis]", {"jobs.py": CELERY}, {**REDIS, **worker("celery -A jobs worker -c 1")}),
    "rq": Queue("rq", {"jobs.py": RQ}, {**REDIS, **worker("rq worker")}),
    # its TERM ends what is under way
    "huey": Queue(
        "huey\nredis",
        {"jobs.py": HUEY},
        {**REDIS, **worker("huey_consumer jobs.huey -w 1", stop_signal="INT")},
    ),
    "dramatiq": Queue(
        "dramatiq[redis]", {"jobs.py": DRAMATIQ}, {**REDIS, **worker("dramatiq jobs -p 1 -t 1")}
    ),
    "procrastinate": Queue(
        "procrastinate\npsycopg[binary]",
        {"jobs.py": PROCRASTINATE, "schema.py": SCHEMA},
        {**POSTGRES, **worker("procrastinate --app jobs.app worker"), "release": ["python schema.py"]},
    ),
    "django-tasks": Queue(
        "django<6\ndjango-tasks<0.9\npsycopg[binary]",
        {"jobs.py": DJANGO_TASKS, "tasks.py": TASKS, "settings.py": SETTINGS, "manage.py": MANAGE},
        {**POSTGRES, **worker("python manage.py db_worker"), "django": {"settings": "settings"}},
    ),
}


def write(project: Project, host: str, names: list[str]) -> None:
    """Write the projects, and an inventory with an application for each."""
    apps = {}
    for name in names:
        queue, folder = QUEUES[name], project.folder / name
        folder.mkdir()
        for path, text in {"work.py": WORK, "web.py": WEB, **queue.files}.items():
            (folder / path).write_text(text)
        (folder / "requirements.txt").write_text(queue.requirements + "\n")
        apps[name] = {
            "source": f"../{name}",
            "target": "web:application",
            "domains": [f"{name}.test"],
            **queue.settings,
        }
    variables = {"roles": ["base", "python", "app", "redis", "postgres"], "apps": apps}
    variables["app"] = {"check_deploy": False}
    project.inventory({host: variables}, ansible_connection="lab")


@dataclass
class Feeder:
    """Gives tasks to an application, one after the other, until it is told to end. given: numbers of tasks."""

    site: Site
    given: list[int] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._feed, daemon=True)
        self.thread.start()

    def _feed(self) -> None:
        while not self.ended.wait(EVERY):
            number = len(self.given) + 1
            if self.site.get(f"/?{number}").status == 200:
                self.given.append(number)

    def end(self) -> list[int]:
        """End, and return the numbers of all tasks that were given."""
        self.ended.set()
        self.thread.join(30)
        return self.given


def tasks(host: str, name: str) -> list[list[str]]:
    """What the tasks of an application have written: begun or done, number, release."""
    text = on(host, "sh", "-c", f"cat /var/lib/app-{name}/tasks 2>/dev/null || true")
    return [line.split() for line in text.splitlines()]


def drained(host: str, name: str, count: int) -> list[list[str]]:
    """Like `tasks`, once `count` are done. Gives up a minute after the last one was done."""
    known, since = 0, time.monotonic()
    while True:
        found = tasks(host, name)
        done = sum(line[0] == "done" for line in found)
        if done >= count:
            # one that runs twice would be seen now
            time.sleep(TAKES + 1)
            return tasks(host, name)
        if done > known:
            known, since = done, time.monotonic()
        assert time.monotonic() - since < 60, f"{name}: {done} of {count} tasks are done\n{found}"
        time.sleep(1)


def given_while_releases_change(host: LabHost, folder: Path, names: list[str]) -> dict[str, list[int]]:
    """Deploy applications, and change their releases while they are given tasks: the numbers of these, by name."""
    project = Project(folder / "project")
    write(project, host.name, names)
    prov("deploy", host.name, cwd=project.folder, timeout=1200, status=0)
    feeders = {name: Feeder(Site(host.address, f"{name}.test", project.ca)) for name in names}
    for name in names:
        (project.folder / name / "more.py").write_text("")
    deployed = prov("deploy", host.name, cwd=project.folder, timeout=1200, status=0)
    assert deployed.tally(host.name)["changed"] > 0
    return {name: feeder.end() for name, feeder in feeders.items()}


def all_done_once(host: str, name: str, given: list[int]) -> None:
    """Each task was begun once and done once, and each release finished what it had begun."""
    found = drained(host, name, len(given))
    for word in ("begun", "done"):
        assert sorted(int(line[1]) for line in found if line[0] == word) == given, found
    releases = {line[1]: line[2] for line in found if line[0] == "begun"}
    assert len(set(releases.values())) == 2
    assert {line[1]: line[2] for line in found if line[0] == "done"} == releases
