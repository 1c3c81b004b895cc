"""Asks Django who someone is, for Apache (mod_wsgi: "Access Control Mechanisms"). Made by prov, role apache.

Browsers send a password with every request, and Django takes a good part of a second to hash one. So what has
proven right is remembered, by a keyed hash, for as long as the user and its password in the database stay the same.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

import django

django.setup()

from django import db  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.handlers import modwsgi  # noqa: E402

KEY = os.urandom(32)
MOST = 10_000
proven: set[bytes] = set()


def check_password(environ: dict[str, Any], name: str, password: str) -> bool | None:
    """True: it is them.  False: it is not.  None: there is no one of that name, or no longer active."""
    users: Any = get_user_model()
    db.reset_queries()
    try:
        user = users._default_manager.get_by_natural_key(name)
        digest = hmac.digest(KEY, repr((name, user.password, password)).encode(), hashlib.sha256)
        if user.is_active and digest in proven:
            return True
        answer: bool | None = modwsgi.check_password(environ, name, password)
        if answer:
            if len(proven) >= MOST:
                proven.clear()
            proven.add(digest)
        return answer
    except users.DoesNotExist:
        return None
    finally:
        db.connection.close()


groups_for_user = modwsgi.groups_for_user
