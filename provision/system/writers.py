"""Write values in the syntax of configuration languages, by one function for each language.

Every value goes through one of them. Templates have them as filters, {{ path | nginx }}; steps and roles call
them. Each raises ValueError for a value that its language cannot express. Shipped to hosts (Python 3.8,
standard library).
"""

import json
import math
import re
import shlex
from typing import Callable, Dict, Iterable, List, Sequence, Union

Value = Union[str, int, float]
#: a variable that web servers define, because nginx and Apache can't escape the start of a variable
DOLLAR = "${prov_dollar}"
#: C0 and C1 controls and other line separators: none of them belongs in a configuration file
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: a placeholder for what the language itself fills in, given as `here`: systemd's %i, a variable of Apache
HERE = "\0"
#: maximum bytes of a command, or of a variable with its value, in cron (MAX_COMMAND, MAX_ENVSTR); it skips
#: the whole file if one is longer
CRON_LINE = 998
#: plain words, which mean the same in every language here
WORD = re.compile(r"[A-Za-z0-9_.:/@+,~*-]+\Z")


def line(text: Value, language: str) -> str:
    """Return text without control characters.

    Raises ValueError for other text, which no line of the language can hold.
    """
    found = str(text)
    bad = CONTROL.search(found)
    if bad:
        raise ValueError("%s cannot express %r, as %r is in it" % (language, found, bad.group()))
    return found


def split(text: Value, here: str) -> List[str]:
    """Split a text at each HERE.

    Without `here`, return it whole, so that NUL is refused like other control characters.
    """
    return str(text).split(HERE) if here else [str(text)]


def word(text: Value) -> str:
    """Return a number or a plain name, which needs no quotes in any language.

    Raises ValueError for anything else.
    """
    found = str(text)
    if isinstance(text, bool) or not WORD.match(found):
        raise ValueError("%r is not a plain word" % (text,))
    return found


# -- nginx


def nginx_plain(text: Value) -> str:
    """Return a parameter of a directive without variables: location, proxy_cache_path, a name in a map."""
    return '"%s"' % line(text, "nginx").replace("\\", "\\\\").replace('"', '\\"')


def nginx(text: Value, here: str = "") -> str:
    """Return a parameter of a directive that reads variables, such as alias.

    Needs `geo $prov_dollar { default "$"; }`.  here: the replacement of HERE.
    """
    parts = [nginx_plain(part)[1:-1].replace("$", DOLLAR) for part in split(text, here)]
    return '"%s"' % here.join(parts)


def quoted_string(text: Value) -> str:
    """Return the inside of an HTTP quoted string (RFC 9110, 5.6.4).

    The surrounding language then quotes it.
    """
    return re.sub(r'[\\"]', r"\\\g<0>", line(text, "HTTP"))


# -- Apache


def apache(text: Value, here: str = "") -> str:
    """Return a parameter of a directive.

    Needs an earlier `Define prov_dollar $`. here: the replacement of HERE.
    """
    parts = [line(part, "Apache") for part in split(text, here)]
    escaped = [re.sub(r'[\\"]', r"\\\g<0>", part).replace("${", DOLLAR + "{") for part in parts]
    return '"%s"' % here.join(escaped)


def apache_words(words: Iterable[Value]) -> str:
    """Return several parameters of a directive."""
    return " ".join(map(apache, words))


def apache_expression(text: Value) -> str:
    """Return text for directives with expressions (ap_expr(4)), such as AuthName; `apache` then quotes it."""
    return re.sub(r"[\\%$]", r"\\\g<0>", line(text, "Apache"))


def rewrite_text(text: Value) -> str:
    """Return text for a TestString or Substitution of mod_rewrite; `rewrite` then quotes it."""
    return re.sub(r"[\\%${\s\"']", r"\\\g<0>", line(text, "Apache"))


def rewrite(text: Value) -> str:
    """Return a parameter of mod_rewrite.

    It has no escapes, but a backslash keeps a blank in it (parseargline). Patterns and texts ignore such a
    backslash. Raises ValueError for a value that would end the parameter early.
    """
    found = line(text, "mod_rewrite")
    if not re.match(r"""(?!["'])(\\.|[^\\\s])+\Z""", found) or "${" in found:
        raise ValueError("mod_rewrite cannot express %r" % found)
    return found


def regex(text: Value) -> str:
    """Return text for a regular expression (PCRE); the surrounding language then quotes it."""
    return re.sub(r"[ -,.:-@\[-^`{-~]", r"\\\g<0>", line(text, "a regular expression"))


# -- systemd


def systemd_line(text: Value) -> str:
    """Return the rest of a line, such as Description= (systemd.syntax(7)), with only specifiers escaped."""
    found = line(text, "systemd")
    if found != found.strip() or found.endswith("\\"):
        raise ValueError("systemd cannot express %r as the end of a line" % found)
    return found.replace("%", "%%")


def systemd_path(text: str, here: str = "") -> str:
    """Return an absolute path as the rest of a line, such as WorkingDirectory=.

    here: the replacement of HERE: "%i".
    """
    # systemd strips blanks, and reads a final backslash as a continuation; a final slash is harmless
    whole = text + "/" if re.search(r"[\\\s]\Z", text) else text
    escaped = [line(part, "systemd").replace("%", "%%") for part in split(whole, here)]
    return here.join(escaped)


def systemd_word(text: Value, here: str = "") -> str:
    """Return a word of a setting with several, in quotes (systemd.syntax(7), "Quoting").

    Newlines become C escapes.  here: the replacement of HERE.
    """
    found = []
    for part in split(text, here):
        if "\0" in part:
            raise ValueError("systemd cannot express %r, as NUL is in it" % part)
        part = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        found.append(CONTROL.sub(lambda bad: "".join("\\x%02x" % b for b in bad.group().encode()), part))
    return '"%s"' % here.join(found)


def systemd_command(argv: Sequence[str], here: str = "") -> str:
    """Return a command for ExecStart= (systemd.service(5), "Command lines").

    here: the replacement of HERE.
    """
    if isinstance(argv, str) or not argv:
        raise ValueError("argv must be a list of words, not %r" % (argv,))
    words: List[str] = []
    for each in argv:
        if not isinstance(each, str):
            raise ValueError("argv: each word must be text, not %r" % (each,))
        found = systemd_word(each, here).replace("$", "$$")
        plain = re.match(r'"[\w/.:=@,+%-]+"\Z', found)
        words.append(found[1:-1] if plain and words else found)
    # variables are not expanded in the program's path, and its first characters could be a prefix
    if not argv[0].startswith("/") or re.search(r"[\s\"'\\$]", argv[0]):
        raise ValueError(
            "the program must be an absolute path without blanks, quotes and $, not %r" % argv[0]
        )
    return " ".join([words[0][1:-1], *words[1:]])


def systemd_environment(text: Value) -> str:
    """Return a value for a file that EnvironmentFile= reads (systemd.exec(5)); newlines are kept."""
    found = str(text)
    if "\0" in found:
        raise ValueError("systemd cannot express %r, as NUL is in it" % found)
    return '"%s"' % re.sub(r'[\\"`$]', r"\\\g<0>", found)


def systemd_property(text: Value) -> str:
    """Return a word of a property for systemd-run(1).

    A backslash escapes what follows, as in an environment file.
    """
    return systemd_environment(text)


# -- the shell, and formats with shell commands


def shell(text: Value) -> str:
    """Return a word of a shell command line."""
    found = str(text)
    if "\0" in found:
        raise ValueError("a shell cannot express %r, as NUL is in it" % found)
    return shlex.quote(found)


def shell_command(argv: Sequence[Value]) -> str:
    """Return a shell command."""
    return " ".join(map(shell, argv))


def cron_command(argv: Sequence[str]) -> str:
    """Return a command for a crontab.

    Cron reads "%" before the shell does, and a backslash before it (crontab(5)).
    Debian's cron also reads two backslashes as one, but cronie does not. So no backslash follows another one.
    """
    found = shell_command([line(each, "cron") for each in argv])
    # only words in single quotes have backslashes: after each one, the quotes are closed and opened again
    found = re.sub(r"\\(?=[\\%])", r"\\''", found).replace("%", "\\%")
    size = len(found.encode())
    if size > CRON_LINE:
        raise ValueError("cron cannot express a command of %d bytes: it takes %d" % (size, CRON_LINE))
    return found


def cron_value(text: str) -> str:
    """Return the value of a variable in a crontab: cron has two kinds of quotes, and no escapes."""
    found = line(text, "cron")
    if '"' in found and "'" in found:
        raise ValueError("cron cannot express %r, as both kinds of quotes are in it" % found)
    return "'%s'" % found if '"' in found else '"%s"' % found


def logrotate_path(text: str) -> str:
    """Return a path for logrotate.conf(5), which has no escapes for characters that end it."""
    found = line(text, "logrotate")
    if '"' in found or "{" in found:
        raise ValueError('logrotate cannot express %r, as " or { is in it' % found)
    return '"%s"' % found


def logrotate_command(argv: Sequence[str]) -> str:
    """Return a line of a script in logrotate.conf(5).

    A line that starts with "endscript" would end the script.
    """
    found = shell_command([line(each, "logrotate") for each in argv])
    return "'%s'%s" % (argv[0], found[len(argv[0]) :]) if found.startswith("endscript") else found


def sudoers(text: Value) -> str:
    """Return a user name for sudoers(5). A name in capital letters would be ALL or an alias."""
    found = line(text, "sudoers")
    if not re.match(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z", found) or re.match(r"[A-Z][A-Z0-9_]*\Z", found):
        raise ValueError("sudoers cannot express %r as the name of a user" % found)
    return found


# -- data formats


def toml(value: "bool | Value") -> str:
    """Return a value in TOML 1.0."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("%r is not a finite number" % value)
    return repr(value)


def python(value: "bool | Value | None") -> str:
    """Return a Python literal."""
    return ascii(value)


QUOTED = (apache_expression, rewrite_text, regex, quoted_string)
_FRONTS = (nginx, nginx_plain, apache, apache_words, rewrite)
_SYSTEMD = (systemd_line, systemd_path, systemd_word, systemd_command, systemd_environment)
_SHELL = (shell, shell_command, cron_command, cron_value, logrotate_path, logrotate_command, sudoers)
#: filters of templates; the output of those in QUOTED is not complete until another filter has quoted it
FILTERS: "Dict[str, Callable[..., str]]" = {
    each.__name__: each for each in (word, toml, python, *QUOTED, *_FRONTS, *_SYSTEMD, *_SHELL)
}
