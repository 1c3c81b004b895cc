"""Modules for users, units, commands and the system."""

from __future__ import annotations

import shlex
from typing import Any

from provision.playbooks.module_arguments import Arguments, module
from provision.playbooks.not_carried import NotCarried
from provision.playbooks.python_layout import Call, quoted

EACH_TIME = "the playbook runs it each time"


@module("user")
def user(a: Arguments) -> list[Call]:
    """Return a user."""
    name = a.required("name", "user")
    if a.literal("state", default="present") == "absent":
        a.ignore("remove", "force")
        return [Call("users.no_user", (name,))]
    options = a.options(
        home="home", shell="shell", comment="comment", uid="uid", group="group", password="password"
    )
    groups = a.items("groups")
    if groups and groups != "[]":
        options["groups"] = groups
        if not a.flag("append", default=False):
            options["exact_groups"] = "True"
    a.ignore("append", "force", "non_unique", "generate_ssh_key", "ssh_key_bits", "ssh_key_file", "skeleton")
    if a.literal("update_password", default="always") == "on_create" and "password" in options:
        options["keep_password"] = "True"
    for option, given in (("system", "system"), ("make_home", "create_home")):
        flag = a.flag(given, *(("createhome",) if given == "create_home" else ()))
        if flag is not None and (flag or option == "make_home"):
            options[option] = repr(flag)
    return [Call("users.user", (name,), options)]


@module("group")
def group(a: Arguments) -> list[Call]:
    """Return a group."""
    name = a.required("name")
    if a.literal("state", default="present") == "absent":
        return [Call("users.no_group", (name,))]
    options = a.options(gid="gid")
    if a.flag("system", default=False):
        options["system"] = "True"
    return [Call("users.group", (name,), options)]


@module("authorized_key")
def authorized_key(a: Arguments) -> list[Call]:
    """Return keys of a user."""
    name, key = a.required("user"), a.required("key")
    a.ignore("manage_dir", "validate_certs", "follow", "comment")
    options = a.options(path="path")
    if a.literal("state", default="present") == "absent":
        return [Call("users.no_authorized_keys", (name, f"[{key}]"), options)]
    if a.has("key_options"):
        limits = a.required("key_options")
        key = f'joined({limits}, " ", {key})'
    if a.flag("exclusive", default=False):
        options["exclusive"] = "True"
    return [Call("users.authorized_keys", (name, f"[{key}]"), options)]


@module("service", "systemd", "systemd_service", "sysvinit")
def service(a: Arguments) -> list[Call]:
    """Return a unit. A restart without a change before it is a command."""
    a.ignore(
        "daemon_reload", "daemon-reload", "use", "pattern", "sleep", "no_block", "arguments", "daemon_reexec"
    )
    a.ignore("force", "runlevel")
    if not a.has("name") and not a.has("service") and not a.has("unit"):
        return []
    name = a.required("name", "service", "unit")
    if a.literal("scope", default="system") != "system":
        raise NotCarried("a user's unit: use user_units.user_service")
    enabled, state = a.flag("enabled"), a.literal("state")
    calls = []
    masked = a.flag("masked")
    if masked is not None:
        calls.append(Call("systemd.masked", (name,), {} if masked else {"masked": "False"}))
    if state in ("restarted", "reloaded"):
        word = state.removesuffix("ed")
        argv = f'["systemctl", "{word}", {name}]'
        if enabled is not None:
            calls.append(Call("systemd.service", (name,), {"running": "None", "enabled": repr(enabled)}))
        return [*calls, Call("command.command", (argv,), {"reason": quoted(EACH_TIME)})]
    running = {"started": True, "stopped": False, "": None}.get(state)
    options = {}
    if running is not True:
        options["running"] = repr(running)
    if enabled is not True:
        options["enabled"] = repr(enabled)
    if running is None and enabled is None:
        return calls
    return [*calls, Call("systemd.service", (name,), options)]


@module("command", "shell", "raw")
def command(a: Arguments) -> list[Call]:
    """Return a command, or a line for a shell."""
    text, given = a.raw("_raw", "cmd", "_raw_params"), a.raw("argv")
    a.ignore("warn", "strip_empty_ends", "stdin_add_newline", "expand_argument_vars")
    shell = a.literal("executable", default="/bin/sh")
    if given is not None:
        argv = a.values.value(given)
    elif text is None:
        raise NotCarried(f"{a.module} without a command")
    elif a.module == "command":
        argv = "[" + ", ".join(map(a.values.text, words(str(text)))) + "]"
    else:
        argv = f'[{quoted(shell if shell != "/bin/sh" else "sh")}, "-c", {a.values.text(str(text).rstrip())}]'
    options = a.options(creates="creates", removes="removes", cwd="chdir", stdin="stdin")
    return [Call("command.command", (argv,), options)]


def words(text: str) -> list[str]:
    """Return the words of a command, with templates kept whole. Raises NotCarried."""
    templates: list[str] = []

    def replaced(found: str) -> str:
        templates.append(found)
        return f"\0{len(templates) - 1}\0"

    rest, shown = text, ""
    while "{{" in rest:
        before, _, rest = rest.partition("{{")
        inside, end, rest = rest.partition("}}")
        if not end:
            raise NotCarried("a command with unbalanced braces")
        shown += before + replaced("{{" + inside + "}}")
    try:
        found = shlex.split(shown + rest)
    except ValueError:
        raise NotCarried("a command with unbalanced quotes") from None
    for at, word in enumerate(found):
        for number, each in enumerate(templates):
            word = word.replace(f"\0{number}\0", each)
        found[at] = word
    return found


@module("script")
def script(a: Arguments) -> list[Call]:
    """Return a script of the role."""
    parts = words(str(a.raw("_raw", "cmd") or ""))
    if not parts:
        raise NotCarried("script without a file")
    name = a.copied.file(parts[0], a.folder)
    options = a.options(creates="creates", removes="removes", cwd="chdir")
    if parts[1:]:
        options["arguments"] = "[" + ", ".join(map(a.values.text, parts[1:])) + "]"
    return [Call("script.local", (quoted(name),), options)]


@module("cron")
def cron(a: Arguments) -> list[Call]:
    """Return a job of cron."""
    title = a.literal("name")
    name = quoted("".join(each if each.isalnum() else "-" for each in title).strip("-"))
    a.ignore("cron_file", "backup")
    if a.literal("state", default="present") == "absent":
        a.ignore("job", "minute", "hour", "day", "month", "weekday", "user", "special_time")
        return [Call("cron.no_job", (name,))]
    if a.flag("env", default=False) or a.flag("disabled", default=False):
        raise NotCarried("variables and disabled jobs of cron")
    special = a.literal("special_time")
    fields = [a.literal(field, default="*") for field in ("minute", "hour", "day", "month", "weekday")]
    schedule = quoted(f"@{special}" if special else " ".join(fields))
    job = a.required("job")
    options = a.options(user="user")
    return [Call("cron.job", (name, schedule, f'["sh", "-c", {job}]'), options)]


@module("hostname")
def hostname(a: Arguments) -> list[Call]:
    """Return the host's name."""
    a.ignore("use")
    return [Call("system.hostname", (a.required("name"),))]


@module("timezone")
def timezone(a: Arguments) -> list[Call]:
    """Return the time zone."""
    a.ignore("hwclock")
    return [Call("system.timezone", (a.required("name"),))]


@module("locale_gen")
def locale_gen(a: Arguments) -> list[Call]:
    """Return a locale."""
    return [Call("locale.locale", (a.required("name"),), {"default": "False"})]


@module("sysctl")
def sysctl(a: Arguments) -> list[Call]:
    """Return a setting of the kernel."""
    key = a.required("name", "key")
    a.ignore("reload", "sysctl_set", "sysctl_file", "ignoreerrors")
    name = f'"60-" + {key}.replace(".", "-").replace("/", "-")'
    if key[0] in "\"'":
        name = quoted("60-" + key[1:-1].replace(".", "-").replace("/", "-"))
    if a.literal("state", default="present") == "absent":
        a.ignore("value")
        return [Call("kernel.sysctl", (name,))]
    return [Call("kernel.sysctl", (name, f"{{{key}: {a.required('value', 'val')}}}"))]


@module("modprobe")
def modprobe(a: Arguments) -> list[Call]:
    """Return a module of the kernel."""
    a.ignore("persistent")
    absent = a.literal("state", default="present") == "absent"
    return [Call("kernel.module", (a.required("name"),), {"present": "False"} if absent else {})]


@module("mount")
def mount(a: Arguments) -> list[Call]:
    """Return a mount."""
    path, state = a.required("path", "name"), a.literal("state")
    a.ignore("boot", "dump", "backup", "fstab")
    if state in ("absent", "unmounted"):
        a.ignore("src", "fstype", "opts", "passno")
        if state == "unmounted":
            raise NotCarried("unmounted: a mount that stays in fstab")
        return [Call("mounts.no_mount", (path,))]
    options = a.options(options="opts", check_order="passno")
    if state == "present":
        options["mounted"] = "False"
    return [Call("mounts.mount", (path, a.required("src"), a.required("fstype")), options)]


@module("known_hosts")
def known_hosts(a: Arguments) -> list[Call]:
    """Return the key of a host."""
    name = a.required("name", "host")
    a.ignore("path", "hash_host")
    if a.literal("state", default="present") == "absent":
        return [Call("known_hosts.known_host", (name,))]
    key = a.required("key")
    if "ssh-keyscan" in key:
        raise NotCarried("a key that is fetched over the network")
    return [Call("known_hosts.known_host", (name, f"[{key}.split(None, 1)[1]]"))]


@module("openssh_keypair")
def openssh_keypair(a: Arguments) -> list[Call]:
    """Return a pair of keys."""
    kind = a.literal("type", default="rsa")
    a.ignore("size", "comment", "force", "mode", "regenerate", "group")
    user = a.code("owner") or '"root"'
    return [Call("ssh_keys.key_pair", (user, quoted(kind), a.required("path")))]


@module("ufw")
def ufw(a: Arguments) -> list[Call]:
    """Return an opening; ufw.ufw turns ufw on as well."""
    a.ignore("direction", "insert", "comment", "log", "logging")
    rule, port = a.literal("rule"), a.literal("port", "to_port")
    state, policy, proto = (
        a.literal("state"),
        a.literal("policy", "default"),
        a.literal("proto", default="tcp"),
    )
    origin, interface = a.literal("from_ip", "from", "src"), a.literal("interface", "interface_in", "if")
    name = a.literal("name", "app")
    if policy == "allow" or (policy and policy not in ("deny", "reject")) or a.flag("delete", default=False):
        raise NotCarried("an open policy, or the removal of a rule")
    if state in ("disabled", "reset"):
        raise NotCarried(f"state: {state} of ufw")
    if not rule:
        return [Call("ufw.ufw", ())]
    known = {"OpenSSH": "22", "Nginx Full": "80,443", "Nginx HTTP": "80", "Nginx HTTPS": "443"}
    port = (port or known.get(name, "")).replace(":", "-")
    if rule not in ("allow", "limit", "deny") or not port:
        raise NotCarried("a rule of ufw without a port")
    extra = ("/udp" if proto == "udp" else "") + (f" from {origin}" if origin not in ("", "any") else "")
    extra += f" on {interface}" if interface else ""
    rules = a.values.value([each.strip() + extra for each in port.split(",")])
    options: dict[str, Any] = {"allow": {}, "limit": {"limited": rules}, "deny": {"denied": rules}}[rule]
    return [Call("ufw.ufw", (rules,) if rule == "allow" else (), options)]


@module("wait_for")
def wait_for(a: Arguments) -> list[Call]:
    """Return waiting for a port or a file."""
    a.ignore("delay", "sleep", "connect_timeout", "msg")
    within, state = a.options(within="timeout"), a.literal("state", default="started")
    if a.has("path"):
        found = a.options(contains="search_regex")
        return [
            Call(
                "wait.file",
                (a.required("path"),),
                {**found, **({"gone": "True"} if state == "absent" else {}), **within},
            )
        ]
    options = a.options(address="host")
    if state in ("stopped", "absent"):
        options["closed"] = "True"
    return [Call("wait.port", (a.required("port"),), {**options, **within})]


@module("uri")
def uri(a: Arguments) -> list[Call]:
    """Return waiting for an answer."""
    a.ignore("return_content", "validate_certs", "follow_redirects", "timeout")
    if a.literal("method", default="GET") != "GET":
        raise NotCarried("a request other than GET")
    url, status = a.required("url"), a.raw("status_code")
    options = (
        {} if status is None else {"expect": a.values.value(status if isinstance(status, list) else [status])}
    )
    return [Call("wait.url", (url,), options)]


@module("reboot")
def reboot(a: Arguments) -> list[Call]:
    """Return a reboot."""
    a.ignore(
        "msg", "pre_reboot_delay", "post_reboot_delay", "connect_timeout", "test_command", "boot_time_command"
    )
    options = a.options(within="reboot_timeout")
    return [Call("reboot.reboot", (), {"reason": quoted(EACH_TIME), **options})]


@module("pam_limits")
def pam_limits(a: Arguments) -> list[Call]:
    """Return a limit."""
    domain, kind = a.required("domain"), a.literal("limit_type")
    item, value = a.literal("limit_item"), a.required("value")
    a.ignore("comment", "backup", "dest")
    if kind != "-":
        raise NotCarried("only one of the soft and the hard limit")
    return [
        Call("limits.limits", (domain, f"{{{quoted(item)}: {value}}}"), {"name": quoted(f"limits-{item}")})
    ]


@module("ping", "setup", "gather_facts", "service_facts", "package_facts")
def asked(a: Arguments) -> list[Call]:
    """Return nothing: prov asks for what it needs."""
    return []
