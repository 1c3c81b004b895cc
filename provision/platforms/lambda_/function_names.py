"""Names of what a target has in AWS."""

from __future__ import annotations


def function_name(target: str, app: str) -> str:
    """Return the name of the function of an application."""
    return f"{target}-{app}"


def log_group(function: str) -> str:
    """Return the name of a function's log group, which Lambda writes to."""
    return f"/aws/lambda/{function}"


def rule_name(function: str, job: str) -> str:
    """Return the name of the rule of a job."""
    return f"{function}-{job}"
