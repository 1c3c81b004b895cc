"""The role `app`: a Django project with its user, its folders, its settings and its chores."""

from __future__ import annotations

from provision.testing import Host, ProvHost


def test_what_is_served(prov_host: ProvHost) -> None:
    page = prov_host.fetch("/")
    assert (page.status, "<title>" in page.text) == (200, True)
    # collectstatic's output, including Django's own files
    assert prov_host.fetch("/static/admin/css/base.css").status == 200


def test_the_release(host: Host) -> None:
    current = host.file("/srv/polls/current")
    assert current.is_symlink
    manage = host.file("/srv/polls/current/manage.py")
    assert (manage.user, manage.group) == ("root", "root")
    assert not manage.mode & 0o022
    assert host.file("/srv/polls/current/.venv/bin/python").exists


def test_its_user(host: Host, prov_host: ProvHost) -> None:
    user = host.user("app-polls")
    assert user.uid < 1000
    assert user.shell.endswith(("/nologin", "/false"))
    as_user = ["runuser", "-u", "app-polls", "--"]
    assert prov_host.run([*as_user, "touch", "/srv/polls/current/manage.py"]).status != 0
    assert prov_host.run([*as_user, "touch", "/var/lib/app-polls/touched"]).status == 0
    assert prov_host.run(["rm", "/var/lib/app-polls/touched"]).status == 0


def test_data_outlives_releases(host: Host) -> None:
    data = host.file("/var/lib/app-polls")
    assert (data.user, data.group, data.mode) == ("app-polls", "www-data", 0o710)
    media = host.file("/var/lib/app-polls/media")
    assert (media.user, media.group, media.mode) == ("app-polls", "www-data", 0o2750)
    assert host.file("/var/lib/app-polls/db.sqlite3").user == "app-polls"


def test_media_files_are_served(prov_host: ProvHost) -> None:
    argv = ["runuser", "-u", "app-polls", "--", "cp", "/etc/hostname", "/var/lib/app-polls/media/a.txt"]
    assert prov_host.run(argv).status == 0
    assert prov_host.fetch("/media/a.txt").text.strip() == prov_host.facts.hostname


def test_settings_are_roots_alone(host: Host, prov_host: ProvHost) -> None:
    file = host.file("/etc/prov/polls.env")
    assert (file.user, file.mode) == ("root", 0o600)
    assert "a word that no one else may read" in file.content_string
    # what every user may see of processes and units
    for argv in (["ps", "axww"], ["systemctl", "cat", "app-polls@*"]):
        assert "a word that nobody" not in prov_host.run(argv).stdout


def test_migrations_have_run(prov_host: ProvHost) -> None:
    unit = prov_host.run(["sh", "-c", "cat /etc/prov/polls.env; echo"]).stdout
    assert "DJANGO_SETTINGS_MODULE" in unit
    assert prov_host.fetch("/admin/login/").status == 200
