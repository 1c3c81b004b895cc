"""User data that fetches a bundle: from an imitation of S3 and of the metadata service, with botocore's signature."""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from ec2_account import REGION, account, client, ec2_project, prov

from provision.bundles import fetch_program
from provision.bundles.bundle_file import write_bundle
from provision.errors import ConfigError, UsageError

KEYS = {"AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "s3cret", "Token": "session"}


class Imitation(BaseHTTPRequestHandler):
    """The metadata service and S3 in one. bundle: what S3 has.  asked: methods, paths and headers."""

    bundle = b""
    asked: ClassVar[list[tuple[str, str, dict[str, str]]]] = []
    #: how many requests for the bundle fail before one is answered
    failures = 0

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        self.answer(b"a-token")

    def do_GET(self) -> None:
        if "/meta-data/" in self.path and self.headers["X-aws-ec2-metadata-token"] != "a-token":
            self.send_error(401)
        elif self.path.endswith("/security-credentials/"):
            self.answer(b"shop-role")
        elif self.path.endswith("/shop-role"):
            self.answer(json.dumps(KEYS).encode())
        elif type(self).failures:
            type(self).failures -= 1
            self.send_error(503)
        else:
            self.answer(self.bundle)

    def answer(self, data: bytes) -> None:
        self.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def place() -> Iterator[tuple[str, type[Imitation]]]:
    handler = type("ThisImitation", (Imitation,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


def run(url: str, folder: Path, place: str, sha256: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a first boot does, with a folder of the test's."""
    text = Path(fetch_program.__file__).read_text(encoding="utf-8")
    text = text.replace("/var/cache/prov", str(folder)).replace("PAUSE = 20, 6.0", "PAUSE = 20, 0.01")
    wanted = {"url": url, "region": REGION, "sha256": sha256, "options": ["--check", "--identity", "/k"]}
    return subprocess.run(
        [sys.executable, "-I", "-c", text, json.dumps(wanted)],
        env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": place, "AWS_ENDPOINT_URL": place},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_bundle_is_fetched_by_the_role_and_run(
    place: tuple[str, type[Imitation]], tmp_path: Path
) -> None:
    url, s3 = place
    s3.bundle, s3.failures = b"import sys\nprint('ran', *sys.argv[1:])\n", 2
    done = run("s3://shop/web 1.pyz", tmp_path / "cache", url, hashlib.sha256(s3.bundle).hexdigest())
    assert (done.returncode, done.stdout) == (0, "ran --check --identity /k\n"), done.stderr
    assert done.stderr.count("could not be fetched") == 2
    method, path, headers = s3.asked[-1]
    assert (method, path) == ("GET", "/shop/web%201.pyz")
    assert headers["x-amz-security-token"] == "session"


def test_another_checksum_is_not_run(place: tuple[str, type[Imitation]], tmp_path: Path) -> None:
    url, s3 = place
    s3.bundle = b"print('ran')\n"
    done = run("s3://shop/web1.pyz", tmp_path / "cache", url, "0" * 64)
    assert (done.returncode, done.stdout) == (1, "")
    assert "s3://shop/web1.pyz has another checksum than this user data names" in done.stderr
    assert len([each for each in s3.asked if "/shop/" in each[1]]) == 1


def test_the_signature_is_botocores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(fetch_program, "credentials", lambda: KEYS)
    ours = fetch_program.signed("s3://shop-bundles/a/web 1.pyz", REGION)
    moment = datetime.datetime.strptime(ours.headers["X-amz-date"], "%Y%m%dT%H%M%SZ")
    theirs = AWSRequest("GET", ours.full_url)
    theirs.headers["X-Amz-Content-SHA256"] = fetch_program.EMPTY
    theirs.context.update(timestamp=ours.headers["X-amz-date"], payload_signing_enabled=True)

    auth = S3SigV4Auth(Credentials(KEYS["AccessKeyId"], KEYS["SecretAccessKey"], KEYS["Token"]), "s3", REGION)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: moment)
    auth.add_auth(theirs)
    assert ours.headers["Authorization"] == theirs.headers["Authorization"]


def a_bundle(folder: Path, host: str) -> str:
    write_bundle(folder / "web1.pyz", {"host": host, "said": "in March"}, b"contents")
    return hashlib.sha256((folder / "web1.pyz").read_bytes()).hexdigest()


def test_user_data_names_the_bundle_and_its_checksum(tmp_path: Path) -> None:
    folder = ec2_project(tmp_path)
    digest = a_bundle(folder, "web1")
    with account(tmp_path):
        client("s3", REGION).create_bucket(
            Bucket="shop-bundles", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        words = ["--bundle", str(folder / "web1.pyz"), "--at", "s3://shop-bundles/web1.pyz"]
        (event, *_) = prov(folder, "userdata", "web1", *words, "--upload", "--identity", "/etc/key").events
        kept = client("s3", REGION).get_object(Bucket="shop-bundles", Key="web1.pyz")["Body"].read()
    assert hashlib.sha256(kept).hexdigest() == digest
    text = event["user_data"]
    assert digest in text and '["--identity", "/etc/key"]' in text and len(text) < 16384
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0


def test_user_data_that_could_not_work_is_refused(tmp_path: Path) -> None:
    folder = ec2_project(tmp_path)
    a_bundle(folder, "web2")
    bundle, at = str(folder / "web1.pyz"), ["--at", "s3://shop-bundles/web1.pyz"]
    with pytest.raises(UsageError, match="expected a URL, got ''"):
        prov(folder, "userdata", "web1", "--bundle", bundle)
    with pytest.raises(UsageError, match="expected a URL, got 'http://x/y'"):
        prov(folder, "userdata", "web1", "--bundle", bundle, "--at", "http://x/y")
    with pytest.raises(ConfigError, match="is the bundle of web2, not of web1"):
        prov(folder, "userdata", "web1", "--bundle", bundle, *at)
    (folder / "web1.pyz").write_bytes(b"print()")
    with pytest.raises(ConfigError, match="is not a bundle, or is damaged"):
        prov(folder, "userdata", "web1", "--bundle", bundle, *at)
    with pytest.raises(ConfigError, match="can't be read"):
        prov(folder, "userdata", "web1", "--bundle", "missing.pyz", *at)
    with pytest.raises(UsageError, match="are for a bundle"):
        prov(folder, "userdata", "web1", *at)
