"""A role that takes steps as data: what a row of like_ansible/rows asks of prov."""

import importlib
from typing import Any

from provision.role import Host, Params, task
from provision.secrets import Secret


class Same(Params):
    """Parameters of the role `same`."""

    steps: list[tuple[str, str, dict[str, Any]]]
    """Row, step and arguments of each."""


@task
def install(c: Host, p: Same) -> None:
    """Take the steps in their order; the others go on if one fails."""
    for row, step, given in p.steps:
        module, function = step.split(".")
        first = [given.pop("origin")] if "origin" in given else []
        take = getattr(importlib.import_module(f"provision.steps.{module}"), function)
        take(c, *first, **{name: secrets(value) for name, value in given.items()}, ignore_errors=row)


def secrets(value: Any) -> Any:
    """A value of a row, with a Secret for each {"secret": "..."} in it."""
    if not isinstance(value, dict):
        return value
    return (
        Secret(value["secret"])
        if "secret" in value
        else {key: secrets(inner) for key, inner in value.items()}
    )
