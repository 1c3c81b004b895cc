"""What a version of a function was made of, as its description says, and whether that is true.

Source: Lambda API reference, FunctionConfiguration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from provision.apps.app_releases import short_hash
from provision.values import dataclass


@dataclass(frozen=True)
class VersionContents:
    """What a version was made of: prov writes it into its description, and a version does not change.

    key: of its bundle.  code: digest of the bundle.  config: digest of its configuration.
    """

    release: str
    key: str
    code: str
    config: str

    def __str__(self) -> str:
        return f"prov {self.release} {self.key} {self.code} {self.config}"

    @property
    def named(self) -> tuple[str, str, str]:
        """Return what names it, before its bundle is made: release, key and config."""
        return self.release, self.key, self.config


def said_of(configuration: Mapping[str, Any] | None) -> VersionContents | None:
    """Return what the description of a version says; None if its code is not of that bundle, or prov did not make it.

    configuration: of a version, or of the newest state of a function.
    """
    words = str((configuration or {}).get("Description", "")).split()
    if len(words) != 5 or words[0] != "prov":
        return None
    found = VersionContents(*words[1:])
    return found if configuration and found.code == code_digest(configuration["CodeSha256"]) else None


def made_of(configuration: Mapping[str, Any] | None) -> VersionContents | None:
    """Return what a version was made of; None if prov did not make it so, code and configuration."""
    found = said_of(configuration)
    return (
        found if found and configuration and found.config == config_digest(plainly(configuration)) else None
    )


def code_digest(sha256: str) -> str:
    """Return twelve hex digits of a bundle's SHA-256. sha256: as Lambda has it."""
    return short_hash(sha256)


def config_digest(plain: Mapping[str, str]) -> str:
    """Return twelve hex digits of a configuration. plain: as `plainly` returns it."""
    return short_hash(json.dumps(plain, sort_keys=True))


def plainly(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return a configuration as plans show it: a text for each value."""
    variables = (configuration.get("Environment") or {}).get("Variables") or {}
    vpc = configuration.get("VpcConfig") or {}
    return {
        "runtime": str(configuration.get("Runtime", "")),
        "handler": str(configuration.get("Handler", "")),
        "architecture": ", ".join(configuration.get("Architectures") or ("x86_64",)),
        "role": str(configuration.get("Role", "")),
        "memory": f"{configuration.get('MemorySize', '')} MB",
        "timeout": f"{configuration.get('Timeout', '')} s",
        "subnets": ", ".join(sorted(vpc.get("SubnetIds") or ())),
        "security groups": ", ".join(sorted(vpc.get("SecurityGroupIds") or ())),
        "layers": ", ".join(each["Arn"] for each in configuration.get("Layers") or ()),
        **{f"environment {name}": str(value) for name, value in sorted(variables.items())},
    }
