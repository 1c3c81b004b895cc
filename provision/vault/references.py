"""`!secret`: a value that is fetched when a run first uses it, and kept for that run only.

Sources: the environment, a program (pass, op, bw, gopass, sops), AWS Secrets Manager and SSM parameters, files of age.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from provision.errors import ConfigError, ProvError
from provision.names import suggestion

#: seconds that a program may take, as it may ask a person
LONGEST = 300
#: characters of a program's last line that an error quotes
QUOTED = 200
#: names the file with identities of age, where a reference names none
AGE_IDENTITY = "PROV_AGE_IDENTITY"

Wanted = Mapping[str, Any]
Fetch = Callable[[Wanted, Path], str]


class Fetched:
    """What has been fetched in this run: two references to one secret ask for it once."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._lock = threading.RLock()

    def text(self, wanted: Wanted, folder: Path) -> str:
        """Return the text of a secret. wanted: a checked reference.  folder: where relative paths begin.

        Raises ConfigError with what to do.
        """
        kind = kind_of(wanted)
        rest = {name: value for name, value in wanted.items() if name != "field"}
        key = json.dumps([rest, str(folder)], sort_keys=True)
        with self._lock:
            if key not in self._found:
                self._found[key] = KINDS[kind][0](wanted, folder)
            found = self._found[key]
        found = in_json(found, wanted["field"]) if "field" in wanted else found
        if not found:
            raise ConfigError(f"the secret is empty: {said(wanted)}")
        return found


def kind_of(wanted: Wanted) -> str:
    """Return the kind of a checked reference."""
    return next(kind for kind in KINDS if kind in wanted)


def said(wanted: Wanted) -> str:
    """Return a reference as messages and `prov secrets` name it."""
    kind = kind_of(wanted)
    value = wanted[kind]
    text = " ".join(value) if isinstance(value, list) else str(value)
    return f"{kind} {text}" + (f", field {wanted['field']}" if "field" in wanted else "")


def fault(wanted: Any) -> str:
    """Return what is wrong with what is written after `!secret`, or ""."""
    if not isinstance(wanted, Mapping):
        return "`!secret` takes a mapping such as {env: NAME} or {command: [pass, show, NAME]}"
    kinds = [kind for kind in KINDS if kind in wanted]
    if len(kinds) != 1:
        return f"`!secret` takes one of {', '.join(KINDS)}" + (
            f", not {' and '.join(kinds)}" if kinds else ""
        )
    kind = kinds[0]
    known = (kind, "field", *KINDS[kind][1])
    for name, value in wanted.items():
        if name not in known:
            return f"`!secret` with {kind!r} takes no {name!r}.{suggestion(str(name), known)}"
        if name == "command":
            words = value if isinstance(value, list) else []
            if not words or not all(isinstance(word, str) and word for word in words):
                return "`command` must be a list of texts: [pass, show, shop/token]; no shell is involved"
        elif not isinstance(value, str) or not value:
            return f"{name!r} must be text"
    return ""


def in_json(text: str, field: str) -> str:
    """Return an entry of a JSON object. Raises ConfigError."""
    try:
        found = json.loads(text)
    except ValueError:
        raise ConfigError(f"the secret is not JSON, so it has no field {field!r}") from None
    value = found.get(field) if isinstance(found, dict) else None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        names = ", ".join(map(str, found)) if isinstance(found, dict) else ""
        raise ConfigError(f"the secret has no text under {field!r}", hint=f"It has: {names}" if names else "")
    return str(value)


def from_environment(wanted: Wanted, _: Path) -> str:
    """Return a variable of prov's own environment. Raises ConfigError."""
    name = wanted["env"]
    if name not in os.environ:
        raise ConfigError(
            f"the environment variable {name} is not set", hint=f"Set it before you run prov: {name}=..."
        )
    return os.environ[name]


def from_program(wanted: Wanted, folder: Path) -> str:
    """Return what a program prints, without line feeds at its end. Raises ConfigError."""
    # imported here: few projects use it
    import subprocess

    argv = wanted["command"]
    try:
        done = subprocess.run(argv, capture_output=True, cwd=folder, timeout=LONGEST, check=False)
    except FileNotFoundError:
        hint = "Install it, or take it out of the inventory."
        raise ConfigError(f"the program {argv[0]!r} was not found", hint=hint) from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{argv[0]!r} has printed no secret in {LONGEST} s") from None
    except OSError as error:
        raise ConfigError(f"the program {argv[0]!r} did not start: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")[:QUOTED]
        message = f"{' '.join(argv)!r} ended with status {done.returncode}" + (f": {last}" if last else "")
        raise ConfigError(message, hint="Run it yourself; you may have to log in or unlock first.")
    return utf8(done.stdout).rstrip("\r\n")


def from_age(wanted: Wanted, folder: Path) -> str:
    """Return the text of a file that age has encrypted, without line feeds at its end. Raises ConfigError."""
    try:
        import pyrage
    except ImportError:
        raise ConfigError(
            "files of age need pyrage, which is not installed", hint="pip install 'prov-deploy[age]'"
        ) from None
    path = folder / Path(wanted["age"]).expanduser()
    named = wanted.get("identity") or os.environ.get(AGE_IDENTITY)
    if not named:
        hint = f"Name it: {{age: {wanted['age']}, identity: ~/key.txt}}, or set {AGE_IDENTITY}."
        raise ConfigError("no identity of age is named", hint=hint)
    identities = identities_in(folder / Path(named).expanduser())
    try:
        return utf8(pyrage.decrypt(bytes_of(path), identities)).rstrip("\r\n")
    except pyrage.DecryptError as error:
        hint = f"Was it encrypted for the identity in {named}?"
        raise ConfigError(f"{path} could not be decrypted: {error}", hint=hint) from None


def identities_in(path: Path) -> list[Any]:
    """Return the identities in a file: lines of age-keygen, or a private key of ssh. Raises ConfigError."""
    import pyrage

    data = bytes_of(path)
    try:
        if b"PRIVATE KEY-----" in data:
            return [pyrage.ssh.Identity.from_buffer(data)]
        lines = [line.strip() for line in data.decode("ascii", "replace").splitlines()]
        keys = [line for line in lines if line and not line.startswith("#")]
        found = [pyrage.x25519.Identity.from_str(key) for key in keys]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise ConfigError(f"{path} has no identity of age", hint="Make one: age-keygen -o FILE")
    return found


def from_secrets_manager(wanted: Wanted, _: Path) -> str:
    """Return a secret of AWS Secrets Manager. Raises ConfigError."""
    answer = asked(wanted, "secretsmanager:GetSecretValue", SecretId=wanted["aws_secret"])
    text = answer.get("SecretString")
    return str(text) if text is not None else utf8(answer["SecretBinary"])


def from_parameter(wanted: Wanted, _: Path) -> str:
    """Return a parameter of AWS Systems Manager. Raises ConfigError."""
    answer = asked(wanted, "ssm:GetParameter", Name=wanted["aws_parameter"], WithDecryption=True)
    return str(answer["Parameter"]["Value"])


def asked(wanted: Wanted, action: str, **arguments: Any) -> dict[str, Any]:
    """Return an answer of AWS. Raises ConfigError."""
    # imported here: few projects ask AWS
    from provision.cloud.aws_calls import AwsCalls

    region = wanted.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise ConfigError(
            "no region of AWS is named", hint="Write `region: eu-central-1` beside it, or set AWS_REGION."
        )
    try:
        return AwsCalls(region, wanted.get("profile")).call(action, **arguments)
    except ProvError as error:
        raise ConfigError(error.message, hint=error.hint) from None


def bytes_of(path: Path) -> bytes:
    """Return what a file contains. Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def utf8(data: bytes) -> str:
    """Return bytes as text. Raises ConfigError."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigError("the secret is not UTF-8 text") from None


#: kind -> what fetches it, and the names that it takes besides
KINDS: dict[str, tuple[Fetch, tuple[str, ...]]] = {
    "env": (from_environment, ()),
    "command": (from_program, ()),
    "aws_secret": (from_secrets_manager, ("region", "profile")),
    "aws_parameter": (from_parameter, ("region", "profile")),
    "age": (from_age, ("identity",)),
}
