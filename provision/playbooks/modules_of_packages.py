"""Modules that install software."""

from __future__ import annotations

import re
import shlex

from provision.playbooks.module_arguments import Arguments, module
from provision.playbooks.not_carried import NotCarried
from provision.playbooks.python_layout import Call, quoted


@module("apt")
def apt(a: Arguments) -> list[Call]:
    """Return packages, an upgrade, a cleaning."""
    a.ignore(
        "update_cache", "update-cache", "cache_valid_time", "force", "force_apt_get", "install_recommends"
    )
    a.ignore("dpkg_options", "lock_timeout", "policy_rc_d", "update_cache_retries", "allow_unauthenticated")
    a.ignore("autoclean", "only_upgrade", "allow_downgrade", "fail_on_autoremove", "clean")
    release = a.code("default_release")
    calls = []
    state = a.literal("state", default="present")
    purge = {"purge": "True"} if a.flag("purge", default=False) else {}
    autoremove = a.flag("autoremove", default=False)
    if a.has("deb"):
        deb = a.required("deb")
        calls.append(Call("apt.package_file", (deb,)))
    upgrade = a.literal("upgrade", default="no")
    if upgrade in ("dist", "full", "yes", "safe", "True", "true", "1"):
        calls.append(Call("apt.upgrade", (), {"full": "True"} if upgrade in ("dist", "full") else {}))
    names = a.items("name", "pkg", "package")
    if names == '["*"]':
        calls.append(Call("apt.upgrade", ()))
    elif names and state in ("absent", "removed"):
        calls.append(Call("apt.no_packages", (names,), purge))
    elif names:
        options = {"latest": "True"} if state == "latest" else {}
        calls.append(Call("apt.packages", (names,), {**options, **({"release": release} if release else {})}))
    if autoremove:
        calls.append(Call("apt.autoremove", ()))
    return calls


@module("dnf", "yum")
def dnf(a: Arguments) -> list[Call]:
    """Return packages."""
    a.ignore("update_cache", "enablerepo", "disable_gpg_check", "install_weak_deps", "lock_timeout")
    names, state = a.items("name", "pkg"), a.literal("state", default="present")
    if names == '["*"]':
        return [Call("dnf.upgrade", ())]
    if state in ("absent", "removed"):
        return [Call("dnf.no_packages", (names,))]
    return [Call("dnf.packages", (names,), {"latest": "True"} if state == "latest" else {})]


@module("package")
def package(a: Arguments) -> list[Call]:
    """Return packages by the host's own manager."""
    a.ignore("use", "update_cache")
    names, state = a.items("name"), a.literal("state", default="present")
    if state in ("absent", "removed"):
        return [Call("package.no_packages", (names,))]
    return [Call("package.packages", (names,), {"latest": "True"} if state == "latest" else {})]


@module("dpkg_selections")
def dpkg_selections(a: Arguments) -> list[Call]:
    """Return a hold."""
    name, selection = a.required("name"), a.literal("selection")
    if selection not in ("hold", "install"):
        raise NotCarried(f"selection: {selection}")
    return [Call("apt.hold", (f"[{name}]",), {} if selection == "hold" else {"held": "False"})]


@module("debconf")
def debconf(a: Arguments) -> list[Call]:
    """Return an answer to a package's question."""
    name, question = a.required("name", "pkg"), a.required("question", "selection", "setting")
    kind, value = a.required("vtype"), a.code("value", "answer") or '""'
    a.ignore("unseen")
    return [Call("debconf.answers", (name, f"{{{question}: ({kind}, {value})}}"))]


@module("apt_repository")
def apt_repository(a: Arguments) -> list[Call]:
    """Return a repository whose line names its keyring."""
    line = a.literal("repo")
    a.ignore("update_cache", "mode", "codename", "validate_certs", "install_python_apt")
    name = a.literal("filename")
    if line.startswith("ppa:"):
        raise NotCarried("a PPA: repository.repository needs its address and its key")
    match = re.fullmatch(r"(deb(?:-src)?)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)", line)
    key = re.search(r"signed-by=(\S+)", (match[2] or "") if match else "")
    if match is None or not key or a.literal("state", default="present") != "present":
        raise NotCarried("repository.repository needs the key, which apt_repository does not have")
    parts = [quoted(name or re.sub(r"\W+", "-", match[3].split("//")[-1]).strip("-")), quoted(match[3])]
    parts += [f"[{quoted(match[4])}]"]
    if match[5].split():
        parts.append(a.values.value(match[5].split()))
    return [Call("repository.repository", tuple(parts), {"signed_by": quoted(key[1])})]


@module("deb822_repository")
def deb822_repository(a: Arguments) -> list[Call]:
    """Return a repository."""
    name = a.required("name")
    if a.literal("state", default="present") == "absent":
        return [Call("repository.no_repository", (name,))]
    uri, suites = a.required("uris"), a.items("suites")
    key = a.code("signed_by")
    if "BEGIN PGP" not in key and not key.startswith('"/'):
        raise NotCarried("signed_by must be the key itself, or a path on the host")
    options = {"key" if "BEGIN PGP" in key else "signed_by": key}
    components, architectures = a.items("components"), a.items("architectures")
    a.ignore("types", "enabled")
    if components:
        options["components"] = components
    if architectures:
        options["architectures"] = architectures
    return [Call("repository.repository", (name, uri, suites), options)]


@module("apt_key")
def apt_key(a: Arguments) -> list[Call]:
    """Refuse: the key belongs to its repository."""
    raise NotCarried("apt-key is gone: give the key to repository.repository")


@module("pip")
def pip(a: Arguments) -> list[Call]:
    """Return a virtual environment."""
    if not a.has("virtualenv"):
        raise NotCarried("pip outside of a virtual environment, which PEP 668 forbids")
    path = a.required("virtualenv")
    a.ignore("virtualenv_command", "virtualenv_site_packages", "umask", "chdir", "executable", "editable")
    a.ignore("break_system_packages")
    state = a.literal("state", default="present")
    if state not in ("present", "latest", "forcereinstall"):
        raise NotCarried(f"state: {state} of pip")
    options = {}
    version = a.code("version")
    if a.has("requirements"):
        requirements = a.literal("requirements")
        name = a.copied.file(requirements, a.folder)
        options["requirements"] = f'python.requirements(c, str(Path(__file__).parent / "files/{name}"))'
    names = a.items("name")
    if names:
        options["packages"] = f'[joined({names[1:-1]}, "==", {version})]' if version else names
    python = a.code("virtualenv_python")
    if python.startswith('"/'):
        options["python"] = python
    extra = a.literal("extra_args")
    if set(shlex.split(extra)) - {"--upgrade", "-U", "--no-cache-dir"}:
        raise NotCarried("extra_args of pip")
    return [Call("python.venv", (path,), options)]


@module("git")
def git(a: Arguments) -> list[Call]:
    """Return a checkout."""
    url, path = a.required("repo", "name"), a.required("dest")
    version = a.code("version")
    a.ignore(
        "update", "clone", "track_submodules", "umask", "single_branch", "accept_newhostkey", "accept_hostkey"
    )
    options = a.options(key_file="key_file", depth="depth", remote="remote")
    for option, name in (("force", "force"), ("submodules", "recursive")):
        if a.flag(name, default=False):
            options[option] = "True"
    return [Call("git.checkout", (url, path, *([version] if version else [])), options)]
