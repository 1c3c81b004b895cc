"""The program at the top of a bundle. It runs on the host with Python 3.8 or newer and the standard library alone.

It checks the file, the host and its Python, unpacks prov and what it carries into a folder of root's, and runs it
there. A bundle is this text, then comments: what the bundle is, its contents in base64, the digest of all before it.
Python reads a file that was cut as well as a whole one, so the program can say what is wrong.
"""

import argparse
import base64
import fcntl
import hashlib
import io
import json
import os
import platform
import shutil
import socket
import sys
import tarfile
from typing import Any, Dict, List, Tuple

ABOUT, END = b"\n#PROV-BUNDLE ", b"\n#SHA-256 "
#: where an unpacked bundle stays, so that the next run begins at once
UNPACKED = "/var/cache/prov/bundles"
#: the folder of what the host remembers, and which bundle it has had last
STATE = "/var/lib/prov"
#: the newest form of bundles that this program knows
FORM = 1
#: exit status of prov for errors of usage
USAGE = 2


class BundleRefused(Exception):
    """The bundle is not for this host, or not whole. hint: what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def read_bundle(path: str) -> Tuple[Dict[str, Any], bytes, str]:
    """Return what the bundle is, its contents, and its digest. Raises BundleRefused."""
    again = BundleRefused("%s is damaged or was cut" % path, "Copy or fetch it again; nothing was touched.")
    with open(path, "rb") as f:
        whole = f.read()
    text, mark, given = whole.rpartition(END)
    digest = hashlib.sha256(text).hexdigest()
    if not mark or given.strip().decode("ascii", "replace") != digest:
        raise again
    _, _, rest = text.partition(ABOUT)
    about, _, data = rest.partition(b"\n")
    return json.loads(about), base64.b64decode(data.replace(b"\n#", b"").lstrip(b"#")), digest


def check_python(about: Dict[str, Any]) -> None:
    """Run again by the Python that the bundle is for, if it is not this one. Raises BundleRefused."""
    own = "%d.%d" % sys.version_info[:2]
    if platform.machine() != about["machine"]:
        raise BundleRefused(
            "this bundle is for %s, and this host is %s" % (about["machine"], platform.machine()),
            "Make it for this one: prov bundle %s --machine %s" % (about["host"], platform.machine()),
        )
    if own == about["python"]:
        return
    found = shutil.which("python" + about["python"])
    if found:
        os.execv(found, [found, *sys.argv])
    raise BundleRefused(
        "this bundle is for Python %s, and python3 is %s here" % (about["python"], own),
        "Make it for this one: prov bundle %s --python %s" % (about["host"], own),
    )


def check_host(about: Dict[str, Any], state: str) -> None:
    """Raise BundleRefused for the bundle of another host, or one older than the last one. state: folder."""
    host, path = about["host"], state + "/bundle.json"
    try:
        with open(path, encoding="utf-8") as f:
            before = json.load(f)
    except FileNotFoundError:
        before = None
    except ValueError:
        raise BundleRefused("%s is damaged" % path, "Remove it if this host may take this bundle.") from None
    if before is None:
        name = socket.gethostname().partition(".")[0]
        if hashed(name) in about["others"] and name != host:
            raise BundleRefused(
                "this bundle is for %s, and this host is called %s, as another host of its inventory"
                % (host, name),
                "Make its own: prov bundle %s. If it is to be %s, give it that name first." % (name, host),
            )
    elif before["host"] != host:
        raise BundleRefused(
            "this bundle is for %s, and this host has been %s since %s"
            % (host, before["host"], before["said"]),
            "Make its own: prov bundle %s. If it is to be %s, remove %s first."
            % (before["host"], host, path),
        )
    elif before["made"] > about["made"]:
        raise BundleRefused(
            "this bundle was made %s, and this host has had a newer one, made %s"
            % (about["said"], before["said"]),
            "Run the newer one. To go back, make a new bundle from the earlier commit.",
        )


def hashed(name: str) -> str:
    """Return the form in which a bundle knows names of hosts that it is not for."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def remember(about: Dict[str, Any], state: str) -> None:
    """Note which bundle the host has had."""
    os.makedirs(state, mode=0o700, exist_ok=True)
    begun = state + "/bundle.json.new"
    with open(os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        json.dump({name: about[name] for name in ("host", "made", "said")}, f)
        f.flush()
        os.fsync(f.fileno())
    os.rename(begun, state + "/bundle.json")


def lock(folder: str) -> None:
    """Hold the folder of bundles until this process ends, also after exec. Raises BundleRefused."""
    for each in (os.path.dirname(folder), folder):
        os.makedirs(each, mode=0o700, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise BundleRefused(
            "another bundle is running on this host", "Run again once it has ended."
        ) from None


def unpack(data: bytes, digest: str, folder: str) -> str:
    """Return the folder with a bundle's contents; those of other bundles are removed. folder: of them all."""
    place = os.path.join(folder, digest[:16])
    for name in os.listdir(folder):
        if name != digest[:16]:
            shutil.rmtree(os.path.join(folder, name))
    if os.path.isdir(place):
        return place
    begun = place + ".new"
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as packed:
        for member in packed:
            path = os.path.join(begun, member.name)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            if member.issym():
                os.symlink(member.linkname, path)
                continue
            source = packed.extractfile(member)
            assert source is not None
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, member.mode & 0o700), "wb") as f:
                shutil.copyfileobj(source, f)
    os.rename(begun, place)
    return place


def arguments(about: Dict[str, Any], given: List[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description="Brings this host to the state of %s, as of %s." % (about["host"], about["said"]),
        epilog="Exit status: that of prov deploy; with --check, that of prov plan.",
    )
    parser.add_argument("--check", action="store_true", help="change nothing, only show what would change")
    parser.add_argument("--secrets", metavar="FILE", help="the secrets that the bundle lacks, mode 0600")
    parser.add_argument("--identity", metavar="FILE", help="identity of age that opens its secrets")
    parser.add_argument("--diff", action="store_true", help="show whole differences")
    parser.add_argument("-v", "--verbose", action="store_true", help="show unchanged steps too")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--contents", action="store_true", help="list what the bundle contains, and end")
    return parser.parse_args(given)


def run_bundle(path: str, given: List[str]) -> None:
    """Run a bundle. Raises BundleRefused."""
    about, data, digest = read_bundle(path)
    if about["form"] != FORM:
        raise BundleRefused("a bundle of an unknown form", "Make it again with the prov that wrote this one.")
    options = arguments(about, given)
    if options.contents:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as packed:
            print("\n".join(sorted(packed.getnames())))
        return
    check_python(about)
    if os.geteuid():
        raise BundleRefused("a bundle changes this host, so it needs root", "Run it with sudo.")
    check_host(about, STATE)
    lock(UNPACKED)
    place = unpack(data, digest, UNPACKED)
    if not options.check:
        remember(about, STATE)
    for name in ("secrets", "identity"):
        if getattr(options, name):
            setattr(options, name, os.path.abspath(getattr(options, name)))
    os.chdir(os.path.join(place, "project"))
    sys.stdout.flush()
    start = [sys.executable, "-I", "-X", "utf8", os.path.join(place, "run.py")]
    os.execv(sys.executable, [*start, json.dumps(vars(options))])


if __name__ == "__main__":
    try:
        run_bundle(__file__, sys.argv[1:])
    except BundleRefused as error:
        sys.stderr.write("prov: %s\n\n  %s\n" % (error, error.hint))
        raise SystemExit(USAGE) from None
