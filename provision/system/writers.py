"""Values as configuration languages read them: one function a language, and every value goes through one of them.

Templates have these as filters, {{ path | nginx }}; steps and roles call them. Each raises ValueError for a value that
its language cannot express. Shipped to hosts (Python 3.8, standard library).
"""

import json
import math
import re
import shlex
from typing import Callable, Dict, Iterable, List, Sequence, Union

Value = Union[str, int, float]
#: a variable that fronts have defined, as neither nginx nor Apache can escape what begins a variable
DOLLAR = "${prov_dollar}"
#: C0 and C1 controls and what ends a line elsewhere: none of them belongs into a configuration file
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: stands in a text for what the language itself fills in, given as `here`: systemd's %i, a variable of Apache
HERE = "\0"
#: bytes of a command, or of a variable with its value, that cron takes (MAX_COMMAND, MAX_ENVSTR); with one more it
#: passes over the whole file
CRON_LINE = 998
#: plain words mean the same in every language here
WORD = re.compile(r"[A-Za-z0-9_.:/@+,~*-]+\Z")


def line(text: Value, language: str) -> str:
    """Text without control characters. Raises ValueError for other text, which no line of the language can hold."""
    found = str(text)
    bad = CONTROL.search(found)
    if bad:
        raise ValueError("%s cannot express %r, as %r is in it" % (language, found, bad.group()))
    return found


def split(text: Value, here: str) -> List[str]:
    """Text at each HERE; whole if nothing is to be filled in, so that NUL is refused as all that a line can't hold."""
    return str(text).split(HERE) if here else [str(text)]


def word(text: Value) -> str:
    """A number or a plain name, which needs no quotes in any language. Raises ValueError for anything else."""
    found = str(text)
    if isinstance(text, bool) or not WORD.match(found):
        raise ValueError("%r is not a plain word" % (text,))
    return found


# -- nginx


def nginx_plain(text: Value) -> str:
    """A parameter of a directive that reads no variables: location, proxy_cache_path, a name in a map."""
    return '"%s"' % line(text, "nginx").replace("\\", "\\\\").replace('"', '\\"')


def nginx(text: Value, here: str = "") -> str:
    """A parameter of a directive that reads variables, such as alias. Needs `geo $prov_dollar { default "$"; }`.

    here: what HERE stands for in it.
    """
    parts = [nginx_plain(part)[1:-1].replace("$", DOLLAR) for part in split(text, here)]
    return '"%s"' % here.join(parts)


def quoted_string(text: Value) -> str:
    """The inside of a quoted string of HTTP (RFC 9110, 5.6.4); the language around it then quotes it."""
    return re.sub(r'[\\"]', r"\\\g<0>", line(text, "HTTP"))


# -- Apache


def apache(text: Value, here: str = "") -> str:
    """A parameter of a directive. Needs `Define prov_dollar $` before it. here: what HERE stands for in it."""
    parts = [line(part, "Apache") for part in split(text, here)]
    escaped = [re.sub(r'[\\"]', r"\\\g<0>", part).replace("${", DOLLAR + "{") for part in parts]
    return '"%s"' % here.join(escaped)


def apache_words(words: Iterable[Value]) -> str:
    """Several parameters of a directive."""
    return " ".join(map(apache, words))


def apache_expression(text: Value) -> str:
    """Text in which Apache reads expressions (ap_expr(4)), such as AuthName; `apache` then quotes it."""
    return re.sub(r"[\\%$]", r"\\\g<0>", line(text, "Apache"))


def rewrite_text(text: Value) -> str:
    """Text in a TestString or Substitution of mod_rewrite; `rewrite` then writes it."""
    return re.sub(r"[\\%${\s\"']", r"\\\g<0>", line(text, "Apache"))


def rewrite(text: Value) -> str:
    """A parameter of mod_rewrite: it has no escapes, but a backslash keeps a blank in it (parseargline).

    Patterns and texts take such a backslash for nothing. Raises ValueError where a parameter would end earlier.
    """
    found = line(text, "mod_rewrite")
    if not re.match(r"""(?!["'])(\\.|[^\\\s])+\Z""", found) or "${" in found:
        raise ValueError("mod_rewrite cannot express %r" % found)
    return found


def regex(text: Value) -> str:
    """Text in a regular expression (PCRE); the language around it then quotes it."""
    return re.sub(r"[ -,.:-@\[-^`{-~]", r"\\\g<0>", line(text, "a regular expression"))


# -- systemd


def systemd_line(text: Value) -> str:
    """The rest of a line as it is, such as Description= (systemd.syntax(7)): only specifiers are escaped."""
    found = line(text, "systemd")
    if found != found.strip() or found.endswith("\\"):
        raise ValueError("systemd cannot express %r as the end of a line" % found)
    return found.replace("%", "%%")


def systemd_path(text: str, here: str = "") -> str:
    """An absolute path as the rest of a line, such as WorkingDirectory=. here: what HERE stands for: "%i"."""
    # systemd cuts blanks off, and takes a backslash for a line that continues; no path needs its last slash
    whole = text + "/" if re.search(r"[\\\s]\Z", text) else text
    escaped = [line(part, "systemd").replace("%", "%%") for part in split(whole, here)]
    return here.join(escaped)


def systemd_word(text: Value, here: str = "") -> str:
    """A word of a setting that takes several, in quotes (systemd.syntax(7), "Quoting"). Newlines are C escapes there.

    here: what HERE stands for in it.
    """
    found = []
    for part in split(text, here):
        if "\0" in part:
            raise ValueError("systemd cannot express %r, as NUL is in it" % part)
        part = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        found.append(CONTROL.sub(lambda bad: "".join("\\x%02x" % b for b in bad.group().encode()), part))
    return '"%s"' % here.join(found)


def systemd_command(argv: Sequence[str], here: str = "") -> str:
    """A command as ExecStart= reads it (systemd.service(5), "Command lines"). here: what HERE stands for."""
    if isinstance(argv, str) or not argv:
        raise ValueError("argv must be a list of words, not %r" % (argv,))
    words: List[str] = []
    for each in argv:
        if not isinstance(each, str):
            raise ValueError("argv: each word must be text, not %r" % (each,))
        found = systemd_word(each, here).replace("$", "$$")
        plain = re.match(r'"[\w/.:=@,+%-]+"\Z', found)
        words.append(found[1:-1] if plain and words else found)
    # the program is not read as a word with variables, and what it begins with would be a prefix
    if not argv[0].startswith("/") or re.search(r"[\s\"'\\$]", argv[0]):
        raise ValueError(
            "the program must be an absolute path without blanks, quotes and $, not %r" % argv[0]
        )
    return " ".join([words[0][1:-1], *words[1:]])


def systemd_environment(text: Value) -> str:
    """A value in a file that EnvironmentFile= reads (systemd.exec(5)): lines are kept as they are."""
    found = str(text)
    if "\0" in found:
        raise ValueError("systemd cannot express %r, as NUL is in it" % found)
    return '"%s"' % re.sub(r'[\\"`$]', r"\\\g<0>", found)


def systemd_property(text: Value) -> str:
    """A word of a property that systemd-run(1) is given: a backslash keeps what follows, as in an environment file."""
    return systemd_environment(text)


# -- the shell, and what is written for it


def shell(text: Value) -> str:
    """A word of a shell's command line."""
    found = str(text)
    if "\0" in found:
        raise ValueError("a shell cannot express %r, as NUL is in it" % found)
    return shlex.quote(found)


def shell_command(argv: Sequence[Value]) -> str:
    """A command of a shell."""
    return " ".join(map(shell, argv))


def cron_command(argv: Sequence[str]) -> str:
    """A command in a crontab: cron reads "%" before the shell does, and a backslash before it (crontab(5)).

    Debian's cron also reads two backslashes as one; cronie does not. So no backslash stands before another one.
    """
    found = shell_command([line(each, "cron") for each in argv])
    # only words in single quotes have backslashes: such a word ends and begins again behind each
    found = re.sub(r"\\(?=[\\%])", r"\\''", found).replace("%", "\\%")
    size = len(found.encode())
    if size > CRON_LINE:
        raise ValueError("cron cannot express a command of %d bytes: it takes %d" % (size, CRON_LINE))
    return found


def cron_value(text: str) -> str:
    """The value of a variable in a crontab: cron knows two kinds of quotes, and no escapes."""
    found = line(text, "cron")
    if '"' in found and "'" in found:
        raise ValueError("cron cannot express %r, as both kinds of quotes are in it" % found)
    return "'%s'" % found if '"' in found else '"%s"' % found


def logrotate_path(text: str) -> str:
    """A path in logrotate.conf(5), which has no escapes for what ends it."""
    found = line(text, "logrotate")
    if '"' in found or "{" in found:
        raise ValueError('logrotate cannot express %r, as " or { is in it' % found)
    return '"%s"' % found


def logrotate_command(argv: Sequence[str]) -> str:
    """A line of a script in logrotate.conf(5). One that began with "endscript" would be the script's end."""
    found = shell_command([line(each, "logrotate") for each in argv])
    return "'%s'%s" % (argv[0], found[len(argv[0]) :]) if found.startswith("endscript") else found


def sudoers(text: Value) -> str:
    """The name of a user in sudoers(5). One of capital letters would be ALL or an alias."""
    found = line(text, "sudoers")
    if not re.match(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z", found) or re.match(r"[A-Z][A-Z0-9_]*\Z", found):
        raise ValueError("sudoers cannot express %r as the name of a user" % found)
    return found


# -- formats of data


def toml(value: "bool | Value") -> str:
    """A value of TOML 1.0."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("%r is not a finite number" % value)
    return repr(value)


def python(value: "bool | Value | None") -> str:
    """A literal of Python."""
    return ascii(value)


QUOTED = (apache_expression, rewrite_text, regex, quoted_string)
_FRONTS = (nginx, nginx_plain, apache, apache_words, rewrite)
_SYSTEMD = (systemd_line, systemd_path, systemd_word, systemd_command, systemd_environment)
_SHELL = (shell, shell_command, cron_command, cron_value, logrotate_path, logrotate_command, sudoers)
#: what templates have as filters; the text of those in QUOTED is not whole until another one has written it
FILTERS: "Dict[str, Callable[..., str]]" = {
    each.__name__: each for each in (word, toml, python, *QUOTED, *_FRONTS, *_SYSTEMD, *_SHELL)
}
