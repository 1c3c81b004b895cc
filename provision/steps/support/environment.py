"""Environments of processes, with values that may be secret. Shipped to hosts (Python 3.8)."""

from typing import Dict, Mapping, Union

from provision.secrets import Secret

Environment = Mapping[str, Union[str, Secret]]


def check_environment(environment: Environment) -> None:
    """Raise ValueError unless these are names and values that a process can be given (environ(7))."""
    for name, value in dict(environment).items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise ValueError("%r is not the name of an environment variable" % (name,))
        if not isinstance(value, (str, Secret)) or "\0" in revealed_text(value):
            raise ValueError("environment %s must be text without NUL" % name)


def revealed(environment: Environment) -> Dict[str, str]:
    """Return the environment with its secrets, for the process that gets it."""
    return {name: revealed_text(value) for name, value in dict(environment).items()}


def revealed_text(value: Union[str, Secret]) -> str:
    """Return a text, or the text of a Secret."""
    return value.reveal() if isinstance(value, Secret) else value
