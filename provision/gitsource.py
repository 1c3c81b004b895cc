"""Sources in git: fetched once into a cache on the controller, so that hosts need neither git nor its keys."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from provision.errors import ProvError
from provision.gitlogin import without_login
from provision.secrets import without_logins

#: seconds for one git command, a clone of a large repository included
GIT_TIMEOUT = 600
#: stands for the repository's URL among git's arguments
URL = "URL"


def checkout(url: str, ref: str | None) -> Path:
    """A folder with the files of a commit. url: of the repository.  ref: branch, tag or commit, or its default.

    Raises ProvError if git is missing, the repository can't be read or has no such ref.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "prov" / "git"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    # what is in private repositories is private here, too
    cache.chmod(0o700)
    key = hashlib.sha256(without_logins(url).encode()).hexdigest()[:16]
    mirror = cache / f"{key}.git"
    if mirror.is_dir():
        git(
            ["fetch", "--quiet", "--prune", "--tags", "--force", "--", URL, "+refs/heads/*:refs/heads/*"],
            mirror,
            url,
        )
    else:
        git(["clone", "--quiet", "--bare", "--", URL, str(mirror)], cache, url)
    commit = resolve(mirror, ref or "HEAD", url)
    folder = cache / key / commit
    if not folder.is_dir():
        export(mirror, commit, folder, url)
    return folder


def resolve(mirror: Path, ref: str, url: str) -> str:
    """The commit that a ref names. Raises ProvError."""
    try:
        return git(
            ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"], mirror, url
        ).strip()
    except ProvError:
        heads = git(["for-each-ref", "--format=%(refname:short)", "--count=20"], mirror, url).split()
        raise ProvError(f"{url} has no {ref!r}", hint=f"It has: {', '.join(heads)}") from None


def export(mirror: Path, commit: str, folder: Path, url: str) -> None:
    """Write the files of a commit into a new folder, whole or not at all."""
    partial = folder.with_suffix(f".{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    archive = partial.with_suffix(".tar")
    git(["archive", "--format=tar", f"--output={archive}", commit], mirror, url)
    with tarfile.open(archive) as tar:
        # the filter came with Python 3.11.4, and Debian 12 has 3.11.2; git itself refuses paths that lead outside
        if hasattr(tarfile, "data_filter"):
            tar.extractall(partial, filter="data")
        else:
            tar.extractall(partial)
    archive.unlink()
    try:
        partial.rename(folder)
    except OSError:
        # another process was faster, with the same files
        shutil.rmtree(partial)


def git(arguments: list[str], folder: Path, url: str) -> str:
    """Run git and return what it prints. Never asks for a password. Raises ProvError.

    arguments: URL among them becomes the url, without its login, which git gets from its environment.
    """
    address, options, login = without_login(url)
    argv = ["git", *options, *(address if word == URL else word for word in arguments)]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", **login}
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise ProvError("git is not installed on this machine", hint="apt-get install git") from None
    except subprocess.TimeoutExpired:
        raise ProvError(f"git did not end within {GIT_TIMEOUT} s", where=url) from None
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise ProvError(f"git: {words[-1]}", where=url, hint="Can you clone it by hand from this machine?")
    return done.stdout
