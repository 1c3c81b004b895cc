"""Orders of certificates by certbot, and the front that has to serve them. Standard library only, Python 3.8."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from acme_files import HOME, Failed, Found, Wanted, digest_of, leaf, openssl, parsed, public_key, shown

#: how often an order is tried again at once: authorities may refuse a nonce at any time (RFC 8555, 6.5)
NONCES = 3
#: how an authority says so: certbot leaves out the kind of an error, and says what its library knows of it; of an
#: account that is made, it says the authority's own words (those of Boulder and Pebble)
BAD_NONCE = re.compile(r"badNonce|(?:unacceptable|invalid) anti-replay nonce")
#: how an authority says that it does not know the account (RFC 8555, 6.7), with certbot's words around it or without
UNKNOWN_ACCOUNT = re.compile(
    r"accountDoesNotExist|unable to find existing account|Account \S+ not found", re.IGNORECASE
)
#: what Amazon or its library says, in a line; certbot adds advice that is not for these hosts
NO_CREDENTIALS = "Unable to locate credentials"
AMAZONS = re.compile(rf"{NO_CREDENTIALS}|An error occurred \(.+|Unable to find a Route53 hosted zone.+")


def ordered(wanted: Wanted, folder: str) -> str:
    """Have certbot order a certificate for the key of the host; return the chain in PEM. Raises Failed."""
    with open(folder + "/names", "w") as file:
        file.write(
            "[req]\ndistinguished_name = name\nreq_extensions = wanted\nprompt = no\n[name]\n[wanted]\n"
        )
        file.write("subjectAltName = {}\n".format(", ".join("DNS:" + each for each in wanted["names"])))
    csr = folder + "/request.pem"
    openssl("req", "-new", "-subj", "/", "-key", wanted["key"], "-config", folder + "/names", "-out", csr)
    challenge, environment = answered(wanted.get("dns") or {}, folder)
    options = [
        "--csr",
        csr,
        *challenge,
        "--cert-path",
        folder + "/cert.pem",
        "--chain-path",
        folder + "/chain.pem",
    ]
    options += ["--fullchain-path", folder + "/full.pem"]
    options += ["--required-profile", wanted["profile"]] if wanted["profile"] else []
    status, said = certbot("certonly", options, wanted, folder, environment)
    if status and UNKNOWN_ACCOUNT.search(said):
        # the authority does not know the account any more: certbot makes another one
        shutil.rmtree(account_folder(wanted))
        status, said = certbot("certonly", options, wanted, folder, environment)
    if status:
        raise Failed(cause(said, wanted))
    with open(folder + "/full.pem") as file:
        return file.read()


def certbot(
    verb: str, options: Sequence[str], wanted: Wanted, folder: str, more: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run certbot with the account of a certificate; return its status, and what it has said. more: of its
    environment."""
    with open(folder + "/settings.ini", "w") as file:
        os.fchmod(file.fileno(), 0o600)
        if wanted["eab"]:
            file.write("eab-kid = {key_id}\neab-hmac-key = {key}\n".format(**wanted["eab"]))
    argv = ["certbot", verb, "--non-interactive", "--agree-tos", "--no-eff-email"]
    argv += ["--email", wanted["email"]] if wanted["email"] else ["--register-unsafely-without-email"]
    argv += ["--server", wanted["server"], "--config", folder + "/settings.ini"]
    argv += ["--config-dir", account_folder(wanted), "--work-dir", HOME + "/work"]
    argv += ["--logs-dir", HOME + "/logs", "--max-log-backups", "20", *options]
    environment = {**os.environ, **(more or {}), "LC_ALL": "C.UTF-8"}
    if wanted["authority"]:
        environment["REQUESTS_CA_BUNDLE"] = wanted["authority"]
    nonces = NONCES
    while True:
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, stdout=-1, stderr=-2, timeout=600
        )
        said = done.stdout.decode(errors="replace")
        if not (done.returncode and BAD_NONCE.search(said) and nonces):
            return done.returncode, said
        nonces -= 1


def account_folder(wanted: Wanted) -> str:
    """Return the folder of the account that orders a certificate."""
    account = [wanted["server"], wanted["email"], wanted["eab"].get("key_id", "")]
    return f"{HOME}/accounts/{digest_of(account)[:16]}"


def answered(dns: dict[str, Any], folder: str) -> tuple[list[str], dict[str, str]]:
    """Return certbot's options and environment for a challenge. dns: how records are written; {} for http-01."""
    if not dns:
        return by_http(), {}
    if dns.get("provider") == "route53":
        return ["--preferred-challenges", "dns", "--dns-route53"], amazon(dns, folder)
    return by_dns(dns, folder), {}


def by_http() -> list[str]:
    """Return certbot's options for http-01: an answer in a folder that the front serves."""
    return ["--preferred-challenges", "http", "--webroot", "--webroot-path", HOME + "/webroot"]


def by_dns(dns: dict[str, Any], folder: str) -> list[str]:
    """Return certbot's options for dns-01: a record that a name server takes (RFC 2136). The key is in a file."""
    path, option = folder + "/dns.ini", "--dns-rfc2136"
    with open(path, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        for name in ("server", "port", "name", "secret", "algorithm"):
            file.write(f"dns_rfc2136_{name} = {dns[name]}\n")
    argv = ["--preferred-challenges", "dns", option, f"{option}-credentials", path]
    return [*argv, f"{option}-propagation-seconds", str(dns["wait"])]


def amazon(dns: dict[str, Any], folder: str) -> dict[str, str]:
    """Return what boto3 reads in the environment. Keys are in a file; without any, it asks the instance."""
    path = folder + "/aws.ini"
    with open(path, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        if "access_key" in dns:
            file.write("[default]\naws_access_key_id = {access_key}\n".format(**dns))
            file.write("aws_secret_access_key = {secret_key}\n".format(**dns))
    # nothing that root keeps for itself
    found = {"AWS_SHARED_CREDENTIALS_FILE": path, "AWS_CONFIG_FILE": "/dev/null"}
    # Route 53 has one for the world, and boto3 asks for one where an endpoint is named
    found["AWS_DEFAULT_REGION"] = "us-east-1"
    if "endpoint" in dns:
        found["AWS_ENDPOINT_URL_ROUTE_53"] = dns["endpoint"]
    return found


def cause(said: str, wanted: Wanted) -> str:
    """Return what certbot has said, in a line."""
    if "No space left on device" in said:
        return "No space left on device"
    reported = re.findall(r"Domain: (\S+)\n\s*Type: +(\S+)\n\s*Detail: (.+)", said)
    if reported:
        parts = [
            "{} ({}): {}".format(name, kind, " ".join(detail.split())) for name, kind, detail in reported
        ]
        return "{} could not verify {}".format(wanted["server"], "; ".join(parts))
    if "certificate is not yet valid" in said:
        return "{}: its certificate is not yet valid: check this host's clock".format(wanted["server"])
    amazons = AMAZONS.search(said)
    if amazons:
        none = "no credentials: name `access_key` and `secret_key` in `dns`, or give the instance a role"
        return "Route 53: " + (none if amazons.group() == NO_CREDENTIALS else amazons.group())
    kept = [line.strip() for line in said.splitlines() if line.strip()]
    noise = ("Saving debug log", "Ask for help", "An unexpected error", "Requesting a", "Account registered")
    kept = [line for line in kept if not line.startswith(noise)]
    return "{}: {}".format(wanted["server"], " ".join(kept)[-700:] or "certbot failed without a message")


def judged(text: str, wanted: Wanted) -> Found:
    """Return what is in a new certificate. Raises Failed unless it is for the key and all names, and valid."""
    found = parsed(text)
    if not found or found["public"] != public_key(wanted["key"]):
        raise Failed("{} has issued a certificate for another key".format(wanted["server"]))
    missing = sorted(set(wanted["names"]) - set(found["names"]))
    if missing:
        raise Failed("the new certificate is not for {}".format(", ".join(missing)))
    if found["begin"] > time.time() or found["end"] < time.time():
        dates = "from {} to {}".format(shown(found["begin"]), shown(found["end"]))
        raise Failed(f"the new certificate is valid {dates}: check this host's clock")
    return found


def serve(wanted: Wanted) -> None:
    """Reload the front, and see by a handshake that it serves the certificate. Raises Failed."""
    # a front that is being stopped for another is left to that: a reload would cancel it (systemctl(1))
    done = subprocess.run(["systemctl", "--job-mode=fail", "reload", wanted["front"]], stdout=-1, stderr=-2)
    if done.returncode:
        raise Failed(
            "the new certificate is in place, but {}".format(done.stdout.decode(errors="replace").strip())
        )
    with open(wanted["certificate"]) as file:
        own = ssl.PEM_cert_to_DER_cert(leaf(file.read()))
    end, problem = time.time() + 15, ""
    while time.time() < end:
        try:
            if handshake(wanted["names"][0].replace("*", "www", 1)) == own:
                return
            problem = "still serves another certificate"
        except OSError as error:
            problem = f"does not answer: {error}"
        time.sleep(0.1)
    raise Failed("the new certificate is in place, but {} {}".format(wanted["front"], problem))


def handshake(name: str) -> bytes | None:
    """Return the certificate that this host's port 443 shows for a name. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", 443), 5)
    with context.wrap_socket(plain, server_hostname=name) as shown_one:
        return shown_one.getpeercert(binary_form=True)
