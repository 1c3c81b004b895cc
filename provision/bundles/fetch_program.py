"""Fetches a bundle and runs it, in a first boot: Python 3.8 or newer, the standard library alone.

It is called with JSON: url, sha256, region and the bundle's options. A URL that begins with s3:// is fetched by the
role of the instance. Source: Amazon EC2 User Guide, "Use the Instance Metadata Service" (IMDSv2); Amazon S3 API
Reference, "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)".
"""

import datetime
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict

FOLDER = "/var/cache/prov"
METADATA = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
#: tries, and seconds between them: a first boot may be early for the network, and for the role
TRIES, PAUSE = 20, 6.0
FAILED = 1
EMPTY = hashlib.sha256(b"").hexdigest()


def ask(method: str, path: str, headers: Dict[str, str]) -> str:
    """Return what the metadata service answers."""
    request = urllib.request.Request(METADATA + path, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def credentials() -> Dict[str, str]:
    """Return the credentials of the instance's role."""
    token = ask("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"})
    known = {"X-aws-ec2-metadata-token": token}
    folder = "/latest/meta-data/iam/security-credentials/"
    role = ask("GET", folder, known).split()[0]
    found: Dict[str, str] = json.loads(ask("GET", folder + role, known))
    return found


def signed(url: str, region: str) -> urllib.request.Request:
    """Return a request for an object of S3. url: s3://BUCKET/KEY."""
    bucket, _, key = url[len("s3://") :].partition("/")
    path = "/" + urllib.parse.quote(key)
    place = os.environ.get("AWS_ENDPOINT_URL")
    if place:
        path = "/" + bucket + path
    else:
        ending = ".cn" if region.startswith("cn-") else ""
        place = "https://%s.s3.%s.amazonaws.com%s" % (bucket, region, ending)
    who = credentials()
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": urllib.parse.urlsplit(place).netloc,
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": now,
        "x-amz-security-token": who["Token"],
    }
    names = ";".join(sorted(headers))
    lines = "".join("%s:%s\n" % (name, headers[name]) for name in sorted(headers))
    canonical = "\n".join(["GET", path, "", lines, names, EMPTY])
    scope = "%s/%s/s3/aws4_request" % (now[:8], region)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, digest])
    key_ = ("AWS4" + who["SecretAccessKey"]).encode()
    for part in (*scope.split("/"), text):
        key_ = hmac.new(key_, part.encode(), hashlib.sha256).digest()
    headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        who["AccessKeyId"],
        scope,
        names,
        key_.hex(),
    )
    return urllib.request.Request(place + path, headers=headers)


def fetch(wanted: Dict[str, Any], path: str) -> None:
    """Write the bundle into a new file. Raises ValueError if it is not the wanted one, OSError."""
    url = wanted["url"]
    request = signed(url, wanted["region"]) if url.startswith("s3://") else urllib.request.Request(url)
    digest = hashlib.sha256()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o700)
    with os.fdopen(fd, "wb") as f, urllib.request.urlopen(request, timeout=60) as answer:
        for piece in iter(lambda: answer.read(1 << 20), b""):
            digest.update(piece)
            f.write(piece)
    if digest.hexdigest() != wanted["sha256"]:
        raise ValueError("%s has another checksum than this user data names" % url)


def main() -> None:
    """Fetch and run."""
    wanted = json.loads(sys.argv[1])
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)
    path = FOLDER + "/bundle.pyz"
    for left in reversed(range(TRIES)):
        try:
            fetch(wanted, path + ".new")
            break
        except (OSError, ValueError, LookupError) as error:
            sys.stderr.write("prov: %s could not be fetched: %s\n" % (wanted["url"], error))
            # another checksum stays another one
            if not left or isinstance(error, ValueError):
                raise SystemExit(FAILED) from None
            time.sleep(PAUSE)
    os.rename(path + ".new", path)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, path, *wanted["options"]])


if __name__ == "__main__":
    main()
