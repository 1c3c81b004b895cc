"""What the operator's machine reads: inventories, vaults, saved plans, and ssh's own files."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

from fuzzed import JsonParser, Parser

from provision.controller.host_keys import parsed
from provision.controller.ssh_config import user_config
from provision.errors import ConfigError, ProvError
from provision.report.plain_lines import PlainReport
from provision.report.reporting import Style
from provision.steps.base import Change

#: inventories, and what Ansible says of them
LIKE_ANSIBLE = Path(__file__).parents[1] / "unit/like_ansible_inventory"


class Inventory(Parser):
    name = "inventory"
    file = "hosts.yml"
    words: Sequence[bytes] = (
        *(b"&a ", b"*a", b"<<: *a", b"!!python/object:os.system x", b"!vault |", b"? ", b"- ", b": ", b"\\n"),
        *(b"\n", b"  ", b"{", b"}", b"[", b"]", b"'", b'"', b"|\n", b">-\n", b"---\n", b"...\n", b"\t", b"~"),
        *(b"%YAML 1.1\n", b"\xef\xbb\xbf", b"\xff", b"0x7fffffffffffff", b"1:2:3:4", b".inf", b".nan"),
        *(
            b"2024-02-31",
            b"2001-12-14t21:59:43.10-05:00",
            b"!!binary ",
            b"!!set {a}",
            b"!!omap ",
            b"=",
            b"null",
        ),
        *(
            b"!!timestamp ",
            b"!!int ",
            b"!!float ",
            b"!!bool ",
            b"!!value =",
            b"!unsafe ",
            b"\xe2\x80\xae",
            b"yes",
        ),
        *(
            b"web[1:3]",
            b"web[1:99999999]",
            b"web[a:z:0]",
            b"hosts",
            b"children",
            b"vars",
            b"all",
            b"~nobody/x",
        ),
        *(b"[" * 300, b"9" * 5000, b"x" * 300, b"\\0"),
    )

    def seeds(self) -> list[bytes]:
        return [
            path.read_bytes() for path in sorted((Path(__file__).parents[2] / "inventory").glob("*.yml"))
        ] + [BOMB]

    def run(self, data: bytes, folder: Path) -> None:
        from provision.apps.reading import apps_of
        from provision.commands.hosts import as_event, row, tree
        from provision.inventory import load
        from provision.sources.manifests import Manifests

        (folder / self.file).write_bytes(data)
        loaded = load([str(folder / self.file)])
        list(tree(loaded, set(loaded.hosts)))
        for host in list(loaded.hosts.values())[:50]:
            with contextlib.suppress(ProvError):
                row(host)
                json.dumps(as_event(host))
            apps_of(host, Manifests())


BOMB = b"""all:
  vars:
    a: &a [x, x, x, x]
    b: &b [*a, *a, *a, *a]
    c: &c {<<: {k: *b}, l: *b}
    d: {<<: [*c, *c], m: *c}
  children: {web: {hosts: {"web[1:3]": {ansible_host: 192.0.2.1, ansible_port: 22}}}}
"""


class Ini(Inventory):
    """Ansible's INI files."""

    name = "ini"
    file = "hosts.ini"
    words = (
        *(
            b"[web]\n",
            b"[web:children]\n",
            b"[web:vars]\n",
            b"[all:vars]\n",
            b"[",
            b"]",
            b":",
            b"=",
            b"#",
            b";",
            b"\n",
        ),
        *(
            b'"',
            b"'",
            b"\\",
            b"{",
            b"}",
            b"(",
            b")",
            b",",
            b"...",
            b"None",
            b"1e999",
            b"0x",
            b"1j",
            b"b''",
            b"{{ x }}",
        ),
        *(
            b"web[1:3]",
            b"web[1:99999999]",
            b"[2001:db8::1]:22",
            b"\xef\xbb\xbf",
            b"\xff",
            b"\x00",
            b"\xc2\x85",
            b"\x0c",
        ),
        *(b"[" * 5000, b"(" * 5000, b"-" * 5000, b"9" * 5000, b"1*" * 5000, b"[[1]]" * 900),
    )

    def seeds(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(LIKE_ANSIBLE.glob("0*/*.ini"))]


class Vault(Inventory):
    name = "vault"

    def seeds(self) -> list[bytes]:
        body = b"\n".join([b"6162636465666768" * 5] * 4)
        head = b"$ANSIBLE_VAULT;1.1;AES256\n"
        inner = b"\n".join(b"          " + line for line in (head + body).split(b"\n"))
        return [
            head + body + b"\n",
            b"all:\n  vars:\n    password: !vault |\n" + inner + b"\n  hosts: {web1: }\n",
        ]


class Plan(JsonParser):
    name = "plan"

    def seeds(self) -> list[bytes]:
        from provision.saved import plan_file as plans

        step = plans.PlannedStep(
            role="r", step="s", state="changed", diff=(Change("a", "b", "c"),), wanted="w", digest="d"
        )
        body = plans.SavedPlan(
            made=1.0,
            seconds=1.0,
            by="a@b",
            asked=plans.Asked(target="all"),
            code={"a": "b"},
            seal=plans.Seal.of({"h": ["x"]}),
            hosts={"web1": plans.PlannedHost(variables={"a": "1"}, steps=(step,))},
        ).model_dump(mode="json")
        return [json.dumps(body).encode()]

    def run(self, data: bytes, folder: Path) -> None:
        from provision.cli.saved_plans import tell_age
        from provision.commands.show import events
        from provision.saved import plan_file as plans
        from provision.saved.differences import check_configuration

        try:
            value = json.loads(data)
            whole = {"format": plans.FORMAT, "version": 1, "sha256": plans.checksum(value), "plan": value}
            data = json.dumps(whole).encode()
        except (ValueError, RecursionError):
            # read as it is
            pass
        (folder / "x.plan").write_bytes(data)
        plan = plans.read(folder / "x.plan")
        report = PlainReport(io.StringIO(), Style(verbose=True, plan=True))
        for event in events(plan):
            report.take(event)
        with contextlib.redirect_stderr(io.StringIO()):
            tell_age(plan)
        check_configuration(
            plan, {name: dict(host.variables) for name, host in plan.hosts.items()}, plan.code
        )


class KnownHosts(Parser):
    name = "known_hosts"
    allowed = ()
    words = (
        b"@revoked ",
        b"@cert-authority ",
        b" ",
        b"\t",
        b"\n",
        b"=",
        b"|1|",
        b"|",
        b"\xff",
        b"#",
        b",",
        b"*",
        b"?",
        b"!",
        b"* " * 50,
    )

    def seeds(self) -> list[bytes]:
        key = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPCGWsr5FyIEFvQTZ0YJhJtW2n0t3sS0tQxCTO6r0T1E"
        hashed = b"|1|nExP0zVDCe+kDTqz7VnYyI3/54c=|DYvABQHsNwXC/rhf1T8/l5Wn/iI= "
        return [
            b"web1,10.0.0.? "
            + key
            + b"\n"
            + hashed
            + key
            + b" c\n@revoked [x]:22,!y "
            + key
            + b"\nold 2048 35 12\n"
        ]

    def run(self, data: bytes, folder: Path) -> None:
        for line in parsed(data, "known_hosts"):
            line.matches("web1")
            line.matches("[web1]:2222")


class SshConfigs(Parser):
    name = "ssh_config"
    allowed = (ConfigError,)
    words = (
        b"Host ",
        b"Match ",
        b"Include ",
        b"none",
        b'"',
        b"#",
        b"=",
        b" ",
        b"\n",
        b"ProxyJump ",
        b"%h",
        b"%%",
        b"\xff",
        b"~",
        b"*",
        b"!",
    )

    def seeds(self) -> list[bytes]:
        return [
            b'Host shop\n HostName 10.0.0.1\n User "ann"\n Port 22\n IdentityFile ~/.ssh/id # x\n'
            b" ProxyJump a,ssh://b@c:22\nHost *\n ConnectTimeout 5\n ForwardAgent no\n Include config.d/*\n"
        ]

    def run(self, data: bytes, folder: Path) -> None:
        (folder / ".ssh").mkdir()
        (folder / ".ssh/config").write_bytes(data)
        before = os.environ.get("HOME", "")
        os.environ["HOME"] = str(folder)
        try:
            user_config().lookup("shop")
        finally:
            os.environ["HOME"] = before
