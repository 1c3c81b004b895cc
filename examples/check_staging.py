"""Check inventory/staging.yml from outside, after its deploy:  python check_staging.py

Both applications by verified HTTPS through the balancer, a job through the worker, and a second deploy that changes
nothing. Leaves a picture and a note in the databases.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

from fetch import address_of, fetch

GALLERY, NOTES = "gallery.staging.test", "notes.staging.test"
#: seconds that the worker may take
WORKER_SECONDS = 30


def passed(text: str) -> None:
    """Print what holds."""
    sys.stdout.write(f"  ok  {text}\n")


def page(address: str, domain: str, path: str, body: bytes | None = None) -> str:
    """Return a page. Exits if its status is none of success."""
    status, text = fetch(address, domain, path, body)
    if status not in (200, 201):
        sys.exit(f"https://{domain}{path} at {address} answered {status}:\n{text[:500]}")
    return text


def check_pages(balancer: str) -> None:
    """Both applications answer, and so do their databases: `/healthz` asks them."""
    for domain in (GALLERY, NOTES):
        page(balancer, domain, "/healthz")
        passed(
            f"https://{domain}/ by {balancer}: certificate verified, the application and its database answer"
        )


def check_notes(balancer: str) -> None:
    """A note that is given to one host is served by each: they share the database."""
    text = f"note {uuid.uuid4()}"
    page(balancer, NOTES, "/", json.dumps({"text": text}).encode())
    for name in ("stage-app1", "stage-app2"):
        if text not in json.loads(page(address_of(name), NOTES, "/")):
            sys.exit(f"{name} does not serve the note that was posted")
    passed("a note that was posted through the balancer is served by both hosts")


def check_worker(balancer: str) -> None:
    """The worker notes the digest of a picture."""
    body = uuid.uuid4().bytes
    wanted = hashlib.sha256(body).hexdigest()
    page(balancer, GALLERY, "/api/pictures/", body)
    end = time.monotonic() + WORKER_SECONDS
    while wanted not in page(balancer, GALLERY, "/api/pictures/"):
        if time.monotonic() > end:
            sys.exit(f"the worker has not done its job within {WORKER_SECONDS} s: prov logs stage-app1")
        time.sleep(0.2)
    passed("a job went through the queue, and the worker has done it")


def check_second_deploy() -> None:
    """A second deploy changes nothing."""
    # this environment's prov, whatever PATH has
    command = [Path(sys.executable).with_name("prov"), "deploy", "staging", "--json"]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True).stdout.splitlines()
    summary = json.loads(lines[-1])["hosts"] if lines else {}
    wrong = ("changed", "failed", "unreachable")
    bad = {name: told for name, told in summary.items() if any(told[each] for each in wrong)}
    if bad or not summary:
        sys.exit(f"the second deploy was not one that changes nothing: {bad}")
    passed(f"a second deploy changed nothing on {len(summary)} hosts")


def main() -> None:
    balancer = address_of("stage-lb1")
    check_pages(balancer)
    check_notes(balancer)
    check_worker(balancer)
    check_second_deploy()


if __name__ == "__main__":
    main()
