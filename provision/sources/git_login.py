"""The login in the URL of a git repository: git gets it from its environment, never by its arguments or its
files."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit, urlunsplit

from provision.errors import ProvError
from provision.secrets import logins, without_logins

USER, PASSWORD = "PROV_GIT_USER", "PROV_GIT_PASSWORD"
#: a shell of git's own, in which both commands are built in (gitcredentials(7), "Custom helpers")
HELPER = (
    f"""!f() {{ test "$1" = get && printf 'username=%s\\npassword=%s\\n' "${USER}" "${PASSWORD}"; }}; f"""
)


def without_login(url: str) -> tuple[str, list[str], dict[str, str]]:
    """The URL that git is given, the options for its host, and the variables in which it finds the login.

    A URL of another scheme than http and https stays as it is: ssh takes a name there, and no password.
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
    # for that host only: a redirection or a submodule elsewhere must not get it
    return clean, ["-c", "credential.helper=", "-c", f"credential.{host}.helper={HELPER}"], values
