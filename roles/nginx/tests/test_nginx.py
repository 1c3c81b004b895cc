"""The role `nginx`: two examples behind it, one with TLS, a password and a limit, one without."""

from __future__ import annotations

from base64 import b64encode

from provision.testing import Deployed, Host, ProvHost

HELLO, PLAIN = "https://hello.test", "http://plain.test"


def test_ports(host: Host) -> None:
    listening = {
        socket.rpartition(":")[2] for socket in host.socket.get_listening_sockets() if "tcp" in socket
    }
    assert {"80", "443"} <= listening
    # in front of the network: ssh and this, nothing else
    assert listening <= {"22", "80", "443"}


def test_the_unit(host: Host, prov_host: ProvHost) -> None:
    service = host.service("nginx")
    assert service.is_running
    assert service.is_enabled
    # its parent is root for the ports and keys, may change users, and talks to everybody
    judged = prov_host.run(["systemd-analyze", "security", "--no-pager", "nginx"]).stdout
    assert float(judged.split("Overall exposure level")[1].split(":")[1].split()[0]) <= 2.6, judged


def test_tls(prov_host: ProvHost) -> None:
    page = prov_host.fetch(f"{HELLO}/")
    assert page.status == 200
    assert page.headers["strict-transport-security"] == "max-age=63072000"
    # no version: what is behind it is nobody's business
    assert not any(c.isdigit() for c in page.headers.get("server", ""))


def test_plain_http_is_sent_to_https(prov_host: ProvHost) -> None:
    answer = prov_host.fetch("http://hello.test/a/b?c=d")
    assert (answer.status, answer.headers["location"]) == (308, f"{HELLO}/a/b?c=d")
    assert prov_host.fetch(f"{PLAIN}/").status == 200


def test_static_files_are_the_fronts_own(prov_host: ProvHost) -> None:
    style = prov_host.fetch(f"{HELLO}/static/style.css")
    assert (style.status, style.headers["content-type"].split(";")[0]) == (200, "text/css")
    assert prov_host.fetch(f"{HELLO}/static/../hello.py").status in (400, 404)


def test_names_that_nobody_serves(prov_host: ProvHost) -> None:
    try:
        status = prov_host.fetch("http://nobody.test/").status
    except OSError:
        return
    assert status in (400, 403, 404, 421), "the first site is not everybody's"


def test_passwords(prov_host: ProvHost, host: Host) -> None:
    def status(login: str = "") -> int:
        said = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
        return prov_host.fetch(f"{HELLO}/whoami", headers=said).status

    assert [status(), status("ada:wrong"), status("ada:lovelace")] == [401, 401, 200]
    file = host.file("/etc/prov/passwords/hello")
    assert (file.mode, file.group) == (0o640, "www-data")
    assert "lovelace" not in file.content_string


def test_the_limit(prov_host: ProvHost) -> None:
    statuses = {prov_host.fetch(f"{HELLO}/healthz").status for _ in range(20)}
    assert 200 in statuses
    assert statuses - {200} <= {429, 503}
    assert len(statuses) == 2


def test_it_was_installed_by_the_deploy(deployed: Deployed) -> None:
    assert [name for name in deployed.changed if name.startswith("package") and "nginx" in name]
