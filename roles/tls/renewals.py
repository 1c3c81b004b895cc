"""Certificates of ACME authorities: the program on the host that gets and renews them, and its timer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from provision.apps.app_model import App
from provision.apps.renewals import CHALLENGES, PROGRAM, RENEWALS, RENEWED, acme_authority_path, renewal
from provision.apps.tls import TLS_FOLDER, certificate_path, key_path
from provision.apps.tls_settings import Acme, AcmeDefaults, DnsUpdates, Route53
from provision.role import Host
from provision.secrets import Secret
from provision.steps import acme, apt, files, timers

SETTINGS, TIMER = "/etc/prov/acme.json", "prov-acme"
#: settings of what is served beside the applications of the inventory, a file for each
MORE = "/etc/prov/acme.d"
#: certbot's plugins for records of DNS: by updates (RFC 2136), and Amazon's
DNS_PACKAGES = {DnsUpdates: "python3-certbot-dns-rfc2136", Route53: "python3-certbot-dns-route53"}
PROGRAMS = ("acme.py", "acme_files.py", "acme_orders.py", "acme_revocations.py")
#: what a renewal need not do; see systemd.exec(5). It writes certificates and its own folder, and has systemd reload
#: the front, for which it has to be root
SANDBOX = {
    "ProtectSystem": "strict",
    "ReadWritePaths": [TLS_FOLDER, RENEWED],
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "NoNewPrivileges": "yes",
    # certbot gives folders of challenges the owner of the folder above
    "CapabilityBoundingSet": "CAP_CHOWN",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectProc": "invisible",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallFilter": "@system-service",
    "SystemCallErrorNumber": "EPERM",
    "SystemCallArchitectures": "native",
    "TimeoutStartSec": "1h",
    "Nice": 10,
}


def renewed(
    c: Host, served: Sequence[tuple[App, str]], common: AcmeDefaults | None, check: str, kind: str
) -> None:
    """Have the host get and renew the certificates of these applications, and of no others.

    served: each with the unit of its front.  common: what they have in common.
    check: how often the host looks what is due, as systemd writes it.  kind: of keys, ecdsa or rsa.
    """
    if not served:
        # without it the program does nothing; the timer is no longer declared
        files.absent(c, SETTINGS)
        return
    by_dns = any(isinstance(app.tls, Acme) and app.tls.challenge == "dns-01" for app, _ in served)
    plugins = [DNS_PACKAGES[type(common.dns)]] if by_dns and common and common.dns else []
    apt.packages(c, ["certbot", "openssl", "ca-certificates", *plugins])
    files.directory(c, TLS_FOLDER, mode=0o755, parents=True)
    for folder, mode in (("", 0o755), ("/state", 0o755), ("/webroot", 0o755)):
        files.directory(c, f"{RENEWED}{folder}", mode=mode, owner="root", group="root")
    for folder in ("accounts", "work", "logs"):
        # keys of accounts, and what certbot says of them
        files.directory(c, f"{RENEWED}/{folder}", mode=0o700, owner="root", group="root")
    program(c)
    for app, _ in served:
        temporary(c, app, kind)
    files.file(c, SETTINGS, Secret(settings(served, common, kind)), mode=0o600, owner="root", group="root")
    timers.timer(c, TIMER, list(PROGRAM), every=check, after_boot="1min", settings=SANDBOX)


def also_renewed(c: Host, served: Sequence[tuple[App, str]], common: AcmeDefaults | None, kind: str) -> None:
    """Have the host get and renew the certificates of these applications, too. Arguments: as of `renewed`, which has
    set up the program."""
    for app, front in served:
        temporary(c, app, kind)
        files.directory(c, MORE, mode=0o755)
        text = settings([(app, front)], common, kind)
        files.file(c, f"{MORE}/{app.name}.json", Secret(text), mode=0o600, owner="root", group="root")


def temporary(c: Host, app: App, kind: str) -> None:
    """Have an application serve a certificate of its own until the authority has given one."""
    assert isinstance(app.tls, Acme)
    if app.tls.authority is not None:
        text = app.tls.authority.read_text(encoding="ascii")
        files.file(c, acme_authority_path(app), text, mode=0o644)
    acme.temporary_certificate(c, key_path(app), certificate_path(app), app.names, kind=kind)


def program(c: Host) -> None:
    """Put the program on the host."""
    files.directory(c, RENEWALS, mode=0o755)
    for part in PROGRAMS:
        files.copy(c, part, to=f"{RENEWALS}/{part}", mode=0o644)


def settings(served: Sequence[tuple[App, str]], common: AcmeDefaults | None, kind: str) -> str:
    """Return the program's settings."""
    found: Mapping[str, object] = {app.name: renewal(app, front, common, kind) for app, front in served}
    return json.dumps({"certificates": found, "challenges": CHALLENGES}, indent=1, sort_keys=True) + "\n"
