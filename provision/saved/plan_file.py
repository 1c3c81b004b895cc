"""Saved plans: `prov plan -o FILE` writes one, `prov deploy --plan FILE` deploys exactly that.

A file is written whole or not at all, and only its owner can read it. It has no secret in clear text: values
are masked as on the screen, and one salted scrypt digest over all secrets of the run shows whether one has
changed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import provision
from provision.errors import ConfigError, UsageError
from provision.steps.base import Change

FORMAT = "prov plan"
VERSION = 1
#: RFC 7914, "Test vectors", has these as its interactive parameters: 16 MB and some 50 ms a guess
SCRYPT = {"n": 16384, "r": 8, "p": 1}
AGAIN = "Save the plan again:  prov plan TARGET -o FILE"


class PlanPart(BaseModel):
    """Base of all parts of the file: strict types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PlannedStep(PlanPart):
    """A step as the plan found it.

    app, part: the application that it is for, as of events.About.
    wanted: digest of the step's arguments.  digest: of the diff, as computed on the host; "" for none.
    """

    role: str
    step: str
    state: Literal["ok", "changed", "maybe", "failed", "skipped"]
    why: str = ""
    diff: tuple[Change, ...] = ()
    where: str = ""
    line: str = ""
    ignored: str = ""
    app: str = ""
    part: str = ""
    wanted: str
    digest: str = ""


class PlannedHost(PlanPart):
    """variables: of the inventory, each value by its path, as JSON; secrets are masked."""

    variables: dict[str, str]
    steps: tuple[PlannedStep, ...]


class Asked(PlanPart):
    """The options of the command line; see their help."""

    target: str
    inventory: tuple[str, ...] = ()
    limit: str | None = None
    roles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    start_at: str = ""
    releases: dict[str, str] = Field(default_factory=dict)


class Seal(PlanPart):
    """Recognizes a set of secrets without storing them."""

    salt: str
    digest: str

    @classmethod
    def of(cls, secret: Mapping[str, Sequence[str]]) -> Seal:
        """Return the seal of some hosts' secrets."""
        salt = secrets.token_bytes(16)
        return cls(salt=base64.b64encode(salt).decode(), digest=scrypt(secret, salt))

    def fits(self, secret: Mapping[str, Sequence[str]]) -> bool:
        """Return whether these are the same secrets."""
        return hmac.compare_digest(self.digest, scrypt(secret, base64.b64decode(self.salt)))


def scrypt(secret: Mapping[str, Sequence[str]], salt: bytes) -> str:
    """Return one digest over all secrets together, so that a short one can't be guessed alone."""
    text = json.dumps({host: list(found) for host, found in secret.items()}, sort_keys=True)
    return hashlib.scrypt(text.encode(), salt=salt, **SCRYPT).hex()


class SavedPlan(PlanPart):
    """made: when, in seconds since 1970.  seconds: how long that took.  by: who, where.  prov: its version.
    code: sha256 of each file of the roles that run, and of the project's own steps.
    """

    made: float
    seconds: float
    by: str
    prov: str = provision.__version__
    asked: Asked
    code: dict[str, str]
    seal: Seal
    hosts: dict[str, PlannedHost] = Field(min_length=1)


def check_place(path: Path) -> None:
    """Raise UsageError if no plan can be saved at this path; called before planning, which takes time."""
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", where=str(path))
    if path.exists() and not path.is_file():
        raise UsageError("is not a file", where=str(path))
    if path.is_file() and path.stat().st_size and not is_plan(path):
        hint = "Choose another name, or remove it first."
        raise UsageError("already exists and is not a plan file", where=str(path), hint=hint)
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"the folder {path.parent} is not writable", where=str(path))


def is_plan(path: Path) -> bool:
    """Return whether a file begins like a plan."""
    with path.open("rb") as f:
        return f.read(len(FORMAT) + 20).startswith(f'{{"format": "{FORMAT}"'.encode())


def write(path: Path, plan: SavedPlan) -> None:
    """Save a plan: whole or not at all. Raises ConfigError."""
    body = plan.model_dump(mode="json", exclude_defaults=True)
    body["prov"] = plan.prov
    head = {"format": FORMAT, "version": VERSION, "sha256": checksum(body), "plan": body}
    temporary = ""
    try:
        # mkstemp: mode 0600 and a unique name
        fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            f.write(json.dumps(head) + "\n")
            f.flush()
            os.fsync(f.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        said = (error.strerror or str(error)).lower()
        raise ConfigError(f"the plan could not be saved: {said}", where=str(path)) from None


def read(path: Path) -> SavedPlan:
    """Read a plan. Raises UsageError: no such file, not a plan, damaged, or of a newer prov."""
    where = str(path)
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise UsageError(f"can't be read: {(error.strerror or str(error)).lower()}", where=where) from None
    except UnicodeDecodeError:
        raise UsageError("is not a saved plan", where=where, hint=AGAIN) from None
    try:
        head = json.loads(text)
    except (ValueError, RecursionError):
        cut = text.startswith(f'{{"format": "{FORMAT}"')
        message = "is damaged: it is incomplete, or other text was written into it"
        raise UsageError(message if cut else "is not a saved plan", where=where, hint=AGAIN) from None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise UsageError("is not a saved plan", where=where, hint=AGAIN)
    version = head.get("version")
    if isinstance(version, int) and version > VERSION:
        hint = "Deploy it with that prov, or save it again with this one."
        raise UsageError(
            f"was saved by a newer prov (format {version}; this one knows {VERSION})", where=where, hint=hint
        )
    body = head.get("plan")
    if version != VERSION or head.get("sha256") != checksum(body):
        raise UsageError("is damaged: its checksum does not match its contents", where=where, hint=AGAIN)
    try:
        return SavedPlan.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise UsageError(f"is damaged: {at}: {first['msg'].lower()}", where=where, hint=AGAIN) from None


def checksum(body: Any) -> str:
    """Return the checksum that shows damage."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
