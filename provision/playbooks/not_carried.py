"""What a playbook says and a role does not."""

from __future__ import annotations


class NotCarried(Exception):
    """A task, or a part of one, has no counterpart. Its text says why; the task becomes a comment."""
