"""User data that fetches a bundle and runs it, for launch templates of autoscaling groups and first boots."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from provision.bundles import fetch_program
from provision.bundles.host_program import BundleRefused, read_bundle
from provision.cloud.aws_calls import AwsCalls
from provision.errors import ConfigError

#: python3 may be missing still; apt-get waits for cloud-init's own use of it
SCRIPT = """#!/bin/sh
# made by prov: brings this host to the state of {host}, as of {said}
command -v python3 >/dev/null 2>&1 || {{
  if command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o DPkg::Lock::Timeout=300 update
    apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install python3
  else dnf -q -y install python3; fi
}}
exec python3 -I -c {program} {wanted}
"""


def boot_script(path: Path, host: str, url: str, region: str, options: Sequence[str]) -> str:
    """Return the user data. path: of the bundle.  url: where instances fetch it.  options: of the bundle.

    Raises ConfigError.
    """
    try:
        about, _, _ = read_bundle(str(path))
        whole = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"can't be read: {error.strerror}", where=str(path), hint=f"Make it: prov bundle {host} -o {path}"
        ) from None
    except BundleRefused:
        raise ConfigError("is not a bundle, or is damaged", where=str(path)) from None
    if about["host"] != host:
        raise ConfigError(f"is the bundle of {about['host']}, not of {host}", where=str(path))
    wanted = {
        "url": url,
        "region": region,
        "sha256": hashlib.sha256(whole).hexdigest(),
        "options": list(options),
    }
    return SCRIPT.format(
        host=host,
        said=about["said"],
        program=shlex.quote(Path(fetch_program.__file__).read_text(encoding="utf-8")),
        wanted=shlex.quote(json.dumps(wanted)),
    )


def upload(path: Path, url: str, calls: AwsCalls) -> None:
    """Put a bundle where a URL that begins with s3:// says. Raises CloudError."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    with path.open("rb") as f:
        calls.call("s3:PutObject", Bucket=bucket, Key=key, Body=f)
