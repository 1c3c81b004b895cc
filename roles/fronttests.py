"""Common tests of both fronts: two examples behind each, one of them with TLS, a password and a limit."""

from __future__ import annotations

from base64 import b64encode

from provision.testing import Host, ProvHost

HELLO, PLAIN = "https://hello.test", "http://plain.test"


class FrontTests:
    """Tests that every front must pass."""

    def test_ports(self, host: Host) -> None:
        # other machines cannot reach what is for the host itself, such as systemd-resolved
        reachable = [
            s for s in host.socket.get_listening_sockets() if "//127." not in s and "//::1:" not in s
        ]
        listening = {socket.rpartition(":")[2] for socket in reachable if "tcp" in socket}
        assert {"80", "443"} <= listening
        # open to the network: ssh and the front, nothing else
        assert listening <= {"22", "80", "443"}, listening

    def test_tls(self, prov_host: ProvHost) -> None:
        page = prov_host.fetch(f"{HELLO}/")
        assert page.status == 200
        assert page.headers["strict-transport-security"] == "max-age=63072000"
        # no version: clients need not know what is behind it
        assert not any(c.isdigit() for c in page.headers.get("server", ""))

    def test_plain_http_is_sent_to_https(self, prov_host: ProvHost) -> None:
        answer = prov_host.fetch("http://hello.test/a/b?c=d")
        assert (answer.status, answer.headers["location"]) == (308, f"{HELLO}/a/b?c=d")
        assert prov_host.fetch(f"{PLAIN}/").status == 200

    def test_static_files_are_the_fronts_own(self, prov_host: ProvHost) -> None:
        style = prov_host.fetch(f"{HELLO}/static/style.css")
        assert (style.status, style.headers["content-type"].split(";")[0]) == (200, "text/css")
        assert prov_host.fetch(f"{HELLO}/static/../hello.py").status in (400, 404)

    def test_names_that_nobody_serves(self, prov_host: ProvHost) -> None:
        try:
            status = prov_host.fetch("http://nobody.test/").status
        except OSError:
            return
        assert status in (400, 403, 404, 421), "the first site is not everyone's"

    def test_passwords(self, prov_host: ProvHost, host: Host) -> None:
        def status(login: str = "") -> int:
            said = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
            return prov_host.fetch(f"{HELLO}/whoami", headers=said).status

        assert [status(), status("ada:wrong"), status("ada:lovelace")] == [401, 401, 200]
        file = host.file("/etc/prov/passwords/hello")
        assert (file.mode, file.group) == (0o640, "www-data")
        assert "lovelace" not in file.content_string

    def test_the_limit(self, prov_host: ProvHost) -> None:
        statuses = {prov_host.fetch(f"{HELLO}/healthz").status for _ in range(20)}
        assert 200 in statuses
        assert statuses - {200} <= {429, 503}
        assert len(statuses) == 2
