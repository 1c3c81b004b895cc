"""How the agent gets to a host: modules as one compressed program on stdin, with nothing installed.

`command` is what the login shell runs: a POSIX sh script that finds (or installs) python3 and hands stdin
over to it. The script reads from stdin the size of the program and the compressed program, which has the
agent's own modules. For a program that the host has kept, it reads 0 and its hash instead. Then follows a
line with the ledger's folder on the host, empty for the agent's own. Other step modules follow with the first
step that needs them.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import shlex
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from provision.controller.own_steps import TRAVELS, check_own
from provision.errors import ConfigError

#: the agent's main module; the modules that it imports are shipped with it
AGENT = "provision.agent.resident"
PLAN = "provision.system.planned.planned_host"
#: packages whose modules are shipped; other modules must be in the host's standard library
PACKAGES = (
    "provision.agent",
    "provision.steps",
    "provision.steps.support",
    "provision.system",
    "provision.system.builds",
    "provision.system.memory",
    "provision.system.packages",
    "provision.system.planned",
    "steps",
)
#: an import at the top level, or one in a function that is marked "shipped", which is compiled on use
IMPORT = re.compile(
    r"^(?:from|(?= +from .*# shipped$) +from) ((?:provision|steps)\b[\w.]*) import (?:\(([^)]*)\)|(.*))$",
    re.MULTILINE,
)
#: prefix of the lines by which the sh script speaks to the controller, on stderr
SAYS = "PROV:"
SUDO_PROMPT = "PROV-SUDO-PASSWORD:"

#: The first line that the script reads. If a login's start file replaces the shell (`exec zsh` in ~/.bashrc),
#: the new shell takes stdin for commands: it exits at this line, and does not run the program that follows.
MODES = {"install": b"exit 97; install\n", "keep": b"exit 97; keep\n"}

# `read` must read one line byte by byte (POSIX), so nothing that follows is lost. Installers get </dev/null,
# or they would consume the stream. A Python that is too old, or lacks modules (python3-minimal), exits with
# 95 before it reads anything; one that can't run (pyenv's shim) with 126 or 127. So a suitable one is started
# only once. File names and program output are UTF-8 in any locale (-X utf8). The installation takes the
# proxies from /etc/environment, because sudo removes them (system/proxies.py). An installation may be silent
# for minutes, behind another program's lock or cloud-init: a loop keeps printing. Login shells get the script
# as one quoted line without single quotes or exclamation marks, for the sake of csh.
SCRIPT = r"""
echo PROV:shell >&2;
read -r mode;
case "$mode" in
  "exit 97; install") mode=install;;
  "exit 97; keep") mode=keep;;
  *) echo PROV:eaten >&2; exit 96;;
esac;
agent() {
  for p in "$python" python3 /usr/bin/python3 /usr/libexec/platform-python; do
    [ -n "$p" ] && command -v "$p" >/dev/null 2>&1 || continue;
    "$p" -X utf8 -ISc "$loader";
    status=$?;
    case $status in 95|126|127) ;; *) exit $status;; esac;
  done;
};
agent;
if command -v apt-get >/dev/null 2>&1; then manager=apt-get;
elif command -v dnf >/dev/null 2>&1; then manager=dnf;
elif command -v yum >/dev/null 2>&1; then manager=yum;
else echo PROV:no-package-manager >&2; exit 92; fi;
if [ "$mode" = keep ]; then echo "PROV:no-python $manager" >&2; exit 91; fi;
[ "$(id -u)" = 0 ] || { echo PROV:not-root >&2; exit 94; };
echo "PROV:installing $manager" >&2;
while sleep 5 >/dev/null 2>&1; do echo PROV:waiting >&2; done </dev/null &
eval "waiting=\$$(printf "\041")";
if command -v cloud-init >/dev/null 2>&1; then cloud-init status --wait >/dev/null 2>&1 </dev/null; fi;
if [ -r /etc/environment ]; then
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%%#*}; line=${line#export }; name=${line%%=*}; value=${line#*=}; value=${value%%[ ]*};
    case "$name" in
      http_proxy|https_proxy|ftp_proxy|all_proxy|no_proxy|HTTP_PROXY|HTTPS_PROXY|FTP_PROXY|ALL_PROXY|NO_PROXY)
        for quote in \" "$(printf "\047")"; do value=${value#"$quote"}; value=${value%"$quote"}; done;
        export "$name=$value" ;;
    esac;
  done </etc/environment;
fi;
export DEBIAN_FRONTEND=noninteractive;
case $manager in
  apt-get)
    apt-get -q -o DPkg::Lock::Timeout=300 update </dev/null >&2;
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-install-recommends
      install python3 </dev/null >&2 ;;
  *) "$manager" -q -y install python3 </dev/null >&2 ;;
esac;
hash -r;
kill $waiting;
echo PROV:installed >&2;
agent;
echo PROV:install-failed >&2;
exit 93
"""

# The code that python3 gets as an argument: it checks the interpreter, then reads the program and runs it. A
# kept program (agent/compiled.py) must have the named hash, because another user may have written the file.
FIRST_WORDS = """
import os, sys
try:
    import dataclasses, hashlib, json, zlib
except ImportError:
    sys.exit(95)
if sys.version_info < (3, 8):
    sys.exit(95)
size, _, digest = sys.stdin.buffer.readline().decode().strip().partition(" ")
ledger = sys.stdin.buffer.readline().decode().strip()
text = sys.stdin.buffer.read(int(size))
try:
    if digest:
        path = "/var/cache/prov/programs/" + digest
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as f:
            text = f.read()
    text = zlib.decompress(text)
except (OSError, zlib.error):
    text = b""
if digest not in ("", hashlib.sha256(text).hexdigest()):
    sys.exit("PROV:lacks")
program = json.loads(text)
exec(program["loader"])
"""

# The start of the program: serve imports from its modules, then run the agent.
LOADER = """
import gc
from importlib.machinery import ModuleSpec

gc.set_threshold(200000)
MODULES = program["modules"]

class Shipped:
    modules = MODULES
    new = not digest
    def text(self):
        own = {name: text for name, text in MODULES.items() if not name.startswith("steps.")}
        return json.dumps({**program, "modules": own}, sort_keys=True).encode()
    def code(self, name, source):
        return compile(source, name, "exec")
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            return ModuleSpec(name, self, is_package=MODULES[name] is None)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        source = MODULES[module.__spec__.name]
        if source is not None:
            exec(self.code(module.__spec__.name, source), module.__dict__)

shipped = Shipped()
sys.meta_path.insert(0, shipped)
from provision.agent.compiled import Compiled
shipped.compiled = Compiled()
shipped.code = shipped.compiled.code
from provision.agent.resident import main
main(ledger)
"""


def program_text(names: Iterable[str]) -> bytes:
    """Return the program: prov's modules, and the code that imports from them.

    `LOADER` builds the same text on the host.
    """
    modules: dict[str, str | None] = dict.fromkeys(("provision", *PACKAGES))
    modules.update({name: source(name) for name in names})
    return json.dumps({"loader": LOADER, "modules": modules}, sort_keys=True).encode()


@functools.cache
def module_payload(name: str) -> bytes:
    """Return one module, compressed."""
    return zlib.compress(source(name).encode(), 9)


@functools.cache
def needed(name: str) -> tuple[str, ...]:
    """Return a module and prov's modules that it imports, dependencies first."""
    found: dict[str, None] = {}

    def visit(module: str, above: tuple[str, ...]) -> None:
        for other in imports(module):
            if other not in found and other not in above:
                visit(other, (*above, module))
        found[module] = None

    visit(name, ())
    return tuple(found)


def imports(name: str) -> Iterator[str]:
    """Return prov's modules that a module imports at its top level, or marks as shipped.

    Other imports inside functions, or for type checkers, stay on the controller. The source is not parsed by
    `ast`, which would take longer than connecting.
    """
    for match in IMPORT.finditer(source(name)):
        package, several, one = match.groups()
        if package in PACKAGES:
            words = (several or one).split("#")[0].split(",")
            yield from (f"{package}.{word.split()[0]}" for word in words if word.strip())
        else:
            yield package


@functools.cache
def source(name: str) -> str:
    """Return the source of a module that travels to hosts.

    Raises ConfigError for a module that can't travel.
    """
    if not name.startswith(TRAVELS):
        raise ConfigError(
            f"{name} does not travel to hosts",
            hint="A class of steps belongs in a module of the project's folder steps/.",
        )
    path = Path(file_of(name))
    text = path.read_text(encoding="utf-8")
    if name.startswith("steps."):
        check_own(path, text)
    return text


def file_of(name: str) -> str:
    """Return the file of a module."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    return spec.origin


def check_own_steps() -> None:
    """Check the imported modules of the project's own steps. Raises ConfigError."""
    for name in list(sys.modules):
        if name.startswith("steps."):
            needed(name)


def forget_own_steps() -> None:
    """Forget the modules of own steps: another project's may have the same names."""
    for cached in (module_payload, needed, source):
        cached.cache_clear()


def command(*, interpreter: str = "", sudo: bool = False, password: bool = False) -> str:
    """Return the command for the login shell.

    interpreter: tried before the host's own python3.
    sudo: become root first.  password: let sudo ask for one on stderr, with prov's prompt.
    """
    loader = shlex.quote(f"exec({json.dumps(FIRST_WORDS)})")
    script = f"python={shlex.quote(interpreter)}; loader={loader}; {' '.join(SCRIPT.split())}"
    inner = ["sh", "-c", script]
    if sudo:
        # messages in English, whatever the host's language
        words = ["env", "LANGUAGE=", "LC_ALL=C.UTF-8", "sudo"]
        how = ["-S", "-p", SUDO_PROMPT] if password else ["-n"]
        # every login shell understands `;`, but not every one >&2
        before = said_by_sh("login") + "; " if password else ""
        return before + shlex.join([*words, *how, "--", *inner])
    return shlex.join(inner)


def said_by_sh(word: str) -> str:
    """Return a command that works in any login shell and has the script's shell print this word on stderr."""
    return shlex.join(["sh", "-c", f"echo {SAYS}{word} >&2"])
