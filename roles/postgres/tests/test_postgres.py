"""The role `postgres`: a database for an application, reached by a socket only."""

from __future__ import annotations

from provision.testing import Host, ProvHost


def asked(prov_host: ProvHost, user: str, database: str, statement: str) -> str:
    """Return what psql prints for a user of the host, or why it fails."""
    argv = ["runuser", "-u", user, "--", "env", "-C", "/", "psql", "-XAtq", "-d", database, "-c", statement]
    ran = prov_host.run(argv)
    return (ran.stdout + ran.stderr).strip()


def test_the_application_owns_its_database(prov_host: ProvHost) -> None:
    assert asked(
        prov_host, "app-hello", "hello", "create table t (x int); drop table t; select current_user"
    ) == ("app-hello")


def test_no_one_else_gets_in(host: Host, prov_host: ProvHost) -> None:
    assert "does not exist" in asked(prov_host, "nobody", "hello", "select 1")
    assert not host.socket("tcp://5432").is_listening


def test_its_settings(prov_host: ProvHost) -> None:
    assert asked(prov_host, "postgres", "postgres", "show log_min_duration_statement") == "2s"
    assert asked(prov_host, "postgres", "postgres", "show listen_addresses") == ""


def test_the_application_is_told(host: Host, prov_host: ProvHost) -> None:
    told = host.file("/etc/prov/hello.env").content_string
    assert 'DATABASE_URL="postgresql:///hello?host=/run/postgresql"' in told
    assert "PASSWORD" not in told
    assert prov_host.fetch("/healthz").status == 200
