"""A preview of an application whose certificate an ACME authority gives: it gets one of its own, and goes with it."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest
from helpers.cli import prov
from helpers.hosts import Hosts, Kind, on
from helpers.issued import issued_on

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-acme-preview"
ORDER = ["--app", "hello", "--ref", "x", "--yes"]


@pytest.mark.at_length
def test_a_preview_has_a_certificate_of_the_same_authority(
    lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host = lab_hosts.one(NAME, Kind("debian-13"))
    issued = issued_on(host, tmp_path_factory.mktemp("acmepreview"), seconds=900, check="1h")
    folder = issued.project.folder
    source = folder / "flask_hello"
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "x"], ["branch", "x"]):
        subprocess.run(["git", *identity, *words], cwd=source, check=True)
    issued.deploy(source=f"file://{source}")
    settings, live = on(NAME, "sha256sum", "/etc/prov/acme.json"), issued.site.serial()

    prov("preview", NAME, *ORDER, cwd=folder, timeout=300, status=0)
    preview = replace(issued.site, domain="x.hello.test")
    assert preview.get("/healthz").text == "ok"
    assert preview.serial() not in (0, live)
    assert prov("preview", NAME, *ORDER, cwd=folder, timeout=300, status=0).tally(NAME)["changed"] == 0
    assert on(NAME, "sha256sum", "/etc/prov/acme.json") == settings
    assert on(NAME, "stat", "-c", "%a %U", "/etc/prov/acme.d/hello-x.json") == "600 root"
    # its program renews both, and a deploy of the live one leaves the preview's alone
    on(NAME, "python3", "-B", "/usr/local/lib/prov-acme/acme.py", timeout=180)
    assert prov("deploy", NAME, "--prune", cwd=folder, timeout=200, status=0).tally(NAME)["changed"] == 0
    assert preview.get("/healthz").text == "ok"

    prov("preview", NAME, "--down", "hello-x", "--yes", cwd=folder, timeout=300, status=0)
    left = on(NAME, "sh", "-c", "ls /etc/prov /etc/prov/tls /var/lib/prov-acme/state")
    assert "hello-x" not in left and "acme.d" not in left
    assert issued.site.get().status == 200
    assert prov("deploy", NAME, cwd=folder, timeout=200, status=0).tally(NAME)["changed"] == 0
