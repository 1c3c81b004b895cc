"""Passes the login in a repository's URL to git by the environment, never by arguments or files."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit, urlunsplit

from provision.errors import ProvError
from provision.secrets import logins, without_logins

USER, PASSWORD = "PROV_GIT_USER", "PROV_GIT_PASSWORD"
#: a credential helper in git's own shell, with builtin commands only (gitcredentials(7), "Custom helpers")
HELPER = (
    f"""!f() {{ test "$1" = get && printf 'username=%s\\npassword=%s\\n' "${USER}" "${PASSWORD}"; }}; f"""
)


def without_login(url: str) -> tuple[str, list[str], dict[str, str]]:
    """Return the URL for git, options for its host, and the variables that hold the login.

    URLs of other schemes than http and https stay as they are: ssh takes a user name there, and no password.
    Raises ProvError for a login that cannot be passed to git.
    """
    found = logins(url)
    if not found or not url.startswith(("http://", "https://")):
        return url, [], {}
    user, _, password = found[0].partition(":")
    values = {USER: unquote(user), PASSWORD: unquote(password)}
    if any(character in value for value in values.values() for character in "\n\r\0"):
        raise ProvError("the login in the URL has a line break or NUL in it", where=url)
    clean = without_logins(url)
    parts = urlsplit(clean)
    host = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    # for that host only: a redirection or a submodule elsewhere must not get the login
    return clean, ["-c", "credential.helper=", "-c", f"credential.{host}.helper={HELPER}"], values
