"""Whether the tools have left hosts in equal states."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bench.hosts import Endpoint, ssh
from bench.stack import SAME_ATTRIBUTES, SAME_FILES, UNITS

# runs on the host; prints one JSON object of what is there
PROBE = """
import grp, hashlib, json, os, pwd, re, stat, subprocess, sys
want = json.load(sys.stdin)
found = {}
def name(of, number):
    try: return of(number)[0]
    except KeyError: return str(number)
for path in want["files"] + want["attributes"]:
    try: s = os.lstat(path)
    except OSError: found[path] = "absent"; continue
    said = [stat.filemode(s.st_mode), name(pwd.getpwuid, s.st_uid), name(grp.getgrgid, s.st_gid)]
    if stat.S_ISLNK(s.st_mode): said.append(os.readlink(path))
    if path in want["files"]:
        text = open(path).read()
        text = re.sub("# prov lab: the other hosts.*?# prov lab: end\\n?", "", text, flags=re.S)
        said.append(hashlib.sha256(text.encode()).hexdigest()[:16])
    found[path] = " ".join(said)
def lines(*argv): return subprocess.run(argv, capture_output=True, text=True).stdout.split("\\n")
for line in lines("dpkg-query", "-W", "-f", "${db:Status-Abbrev}\\t${Package}\\t${Version}\\n"):
    if line.startswith("ii"): found["package " + line.split("\\t")[1]] = line.split("\\t")[2]
for line in lines("/srv/shop/venv/bin/python", "-m", "pip", "freeze"):
    if line: found["in venv " + line.split("==")[0]] = line
for unit in want["units"]:
    found["unit " + unit] = " ".join(lines("systemctl", "show", unit, "-p", "ActiveState", "-p", "UnitFileState",
        "-p", "NeedDaemonReload"))
user = pwd.getpwnam("shop")
found["user shop"] = "%s %s %s" % (user.pw_dir, user.pw_shell, grp.getgrgid(user.pw_gid)[0])
found["page"] = " ".join(lines("curl", "-sf", "--cacert", "/etc/shop/tls/shop.test.pem", "https://shop.test/"))
json.dump(found, sys.stdout)
"""


def probe(point: Endpoint) -> dict[str, str]:
    """What of the stack is on a host."""
    want = {"files": SAME_FILES, "attributes": SAME_ATTRIBUTES, "units": UNITS}
    script = f"exec python3 -c '{PROBE}'" if "'" not in PROBE else ""
    return dict[str, str](json.loads(ssh(point, script, timeout=60, stdin=json.dumps(want).encode())))


def compare(states: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where the states differ: one line for each thing, with what every tool has left."""
    keys = sorted({key for state in states.values() for key in state})
    found = []
    for key in keys:
        have = {tool: state.get(key, "-") for tool, state in states.items()}
        if len(set(have.values())) > 1:
            found.append(f"{key}: " + "; ".join(f"{tool}: {value}" for tool, value in have.items()))
    return found
