"""The step over a function itself: its newest state. What serves is a version: alias_steps.py."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from provision.errors import ProvError
from provision.inventory.masking import is_secret
from provision.platforms.aws_steps import SecretParameter
from provision.platforms.lambda_.bundle_zip import FunctionBundle, bundle_key, made
from provision.platforms.lambda_.function_calls import FunctionCalls
from provision.platforms.lambda_.mapped_functions import MappedFunction
from provision.platforms.lambda_.version_contents import (
    VersionContents,
    code_digest,
    config_digest,
    plainly,
    said_of,
)
from provision.platforms.platform_run import Note
from provision.secrets import MASK
from provision.steps.base import Change, Diff

HANDLER = "prov_handler.handler"


class NewestState:
    """A function's newest state, which versions are made from. live: the function, or None.

    parameters: of its secrets; they are checked and applied before it.
    """

    def __init__(
        self,
        calls: FunctionCalls,
        mapped: MappedFunction,
        parameters: list[SecretParameter],
        live: dict[str, Any] | None,
        note: Note,
    ) -> None:
        self.name = f"function {mapped.name}"
        self._calls, self._mapped, self._parameters, self._live, self._note = (
            calls,
            mapped,
            parameters,
            live,
            note,
        )
        self._bundle: FunctionBundle | None = None

    def configuration(self) -> dict[str, Any]:
        """Return the wanted configuration, but for its description."""
        mapped, block = self._mapped, self._mapped.block
        pins = {each.variable: each.version for each in self._parameters}
        variables = dict(mapped.plain)
        if pins:
            variables["PROV_PARAMETER_PATH"] = mapped.parameter_path
            variables["PROV_PARAMETERS"] = json.dumps(pins, sort_keys=True, separators=(",", ":"))
        return {
            "Runtime": f"python{mapped.python}",
            "Handler": HANDLER,
            "Role": block.role,
            "MemorySize": block.memory,
            "Timeout": mapped.timeout,
            "Environment": {"Variables": variables},
            "VpcConfig": {
                "SubnetIds": sorted(block.subnets),
                "SecurityGroupIds": sorted(block.security_groups),
            },
            "Layers": [],
        }

    @cached_property
    def key(self) -> str:
        """Return the key of the wanted bundle, which every version is compared with."""
        return bundle_key(self._mapped)

    def _plain(self) -> dict[str, str]:
        """Return the wanted configuration as plans show it."""
        return plainly({**self.configuration(), "Architectures": [self._mapped.block.architecture]})

    def named(self) -> tuple[str, str, str]:
        """Return what names the contents of the wanted version: VersionContents.named."""
        return self._mapped.release.id, self.key, config_digest(self._plain())

    def check(self) -> Diff:
        """Compare, and make the bundle if its code differs."""
        live = self._live["Configuration"] if self._live else None
        changes = list(self._changes(live))
        found = said_of(live)
        if found is None or found.key != self.key:
            self._bundle = made(self._mapped, self._note)
            self._refuse_no_bucket()
            if live is None or live["CodeSha256"] != self._bundle.sha256:
                before = "" if live is None else f"release {found.release}" if found else "not made by prov"
                changes.append(Change("code", before, f"release {self._mapped.release.id}"))
        if live and not changes and (found is None or found.named != self.named()):
            said = str(live.get("Description", ""))
            changes.append(Change("description", said, f"release {self._mapped.release.id}"))
        return Diff(changes, "" if changes else "as declared")

    def _changes(self, live: dict[str, Any] | None) -> Iterator[Change]:
        """Yield what differs in its configuration."""
        mapped, wanted = self._mapped, self._plain()
        now = plainly(live) if live else {}
        for name in [*wanted, *(name for name in now if name not in wanted)]:
            before, after = now.get(name, ""), wanted.get(name, "")
            if before != after:
                # another client may have put secrets there
                hidden = name.startswith("environment") and is_secret(name.partition(" ")[2], before)
                yield Change(name, MASK if hidden and before else before, after)
        tags = (self._live or {}).get("Tags") or {}
        if live and any(tags.get(name) != value for name, value in mapped.tags.items()):
            yield Change("tags", "", ", ".join(mapped.tags))

    def _refuse_no_bucket(self) -> None:
        """Raise ProvError for a bucket that can't be used."""
        bucket = self._mapped.block.bucket
        if bucket and self._calls.found("s3:HeadBucket", Bucket=bucket) is None:
            hint = "Create it, or correct the block `lambda`."
            raise ProvError(f"there is no S3 bucket {bucket!r} for bundles", hint=hint)

    def apply(self, note: Note) -> None:
        """Create or update it. The description comes last, so that a cut run is seen by the next one."""
        mapped, calls, name = self._mapped, self._calls, self._mapped.name
        bundle = self._bundle or made(mapped, note)
        config, code = self.configuration(), self._code(bundle)
        release, key, config_hash = self.named()
        said = VersionContents(release, key, code_digest(bundle.sha256), config_hash)
        given = {"FunctionName": name, "Description": str(said), **config}
        if self._live is None:
            created = {
                **given,
                "Code": code,
                "Architectures": [mapped.block.architecture],
                "Tags": mapped.tags,
            }
            calls.call("lambda:CreateFunction", **created)
            calls.wait(name)
            return
        live = self._live["Configuration"]
        if live["CodeSha256"] != bundle.sha256 or live.get("Architectures") != [mapped.block.architecture]:
            note(f"{name}: uploading {bundle.size / (1 << 20):.1f} MB")
            calls.call(
                "lambda:UpdateFunctionCode",
                FunctionName=name,
                Architectures=[mapped.block.architecture],
                **code,
            )
            calls.wait(name)
        calls.call("lambda:UpdateFunctionConfiguration", **given)
        calls.wait(name)
        calls.call("lambda:TagResource", Resource=live["FunctionArn"], Tags=mapped.tags)

    def _code(self, bundle: FunctionBundle) -> Mapping[str, Any]:
        """Return where the code of a function comes from, uploading it if that is S3."""
        bucket = self._mapped.block.bucket
        if not bucket:
            return {"ZipFile": bundle.path.read_bytes()}
        key = f"prov/{self._mapped.host.name}/{self._mapped.app.name}/{bundle.path.name}"
        with bundle.path.open("rb") as body:
            self._calls.call("s3:PutObject", Bucket=bucket, Key=key, Body=body)
        return {"S3Bucket": bucket, "S3Key": key}
