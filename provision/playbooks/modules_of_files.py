"""Modules that write files."""

from __future__ import annotations

import ast
import re

from provision.playbooks.module_arguments import Arguments, module
from provision.playbooks.not_carried import NotCarried
from provision.playbooks.python_layout import Call, quoted


@module("file")
def file(a: Arguments) -> list[Call]:
    """Return the step of one state."""
    path = a.required("path", "dest", "name")
    given = a.raw("state")
    state = str(given) if given is not None else "link" if a.has("src") else "file"
    if "{{" in state:
        raise NotCarried("state from a variable")
    a.ignore("force", "follow", "access_time", "modification_time", "unsafe_writes")
    if state == "absent":
        a.ignore("mode", "owner", "group", "recurse", "src")
        return [Call("files.absent", (path,))]
    if state == "link":
        a.ignore("mode", "owner", "group", "recurse")
        return [Call("files.link", (path, a.required("src")))]
    if state == "directory":
        return directory(a, path)
    if state == "touch":
        raise NotCarried("touch: a step says what a file contains")
    if state == "file":
        raise NotCarried("the mode or owner of a file that another step writes: say it there")
    raise NotCarried(f"state: {state}")


def directory(a: Arguments, path: str) -> list[Call]:
    """Return a directory, and the owner of what is in it if that is asked for."""
    recurse = a.flag("recurse", default=False)
    options = a.owned()
    calls = [Call("files.directory", (path,), {**options, "parents": "True"})]
    if recurse and options:
        deep = {name: each for name, each in options.items() if name != "mode"}
        if "mode" in options:
            mode = options["mode"]
            deep |= {"folders": mode, "files": mode}
        calls.append(Call("permissions.permissions", (path,), deep))
    return calls


@module("copy")
def copy(a: Arguments) -> list[Call]:
    """Return a file from text, or from a file of the role."""
    if a.flag("remote_src", default=False):
        raise NotCarried("remote_src: a copy within the host")
    content = a.raw("content")
    if content is not None:
        if not isinstance(content, str):
            raise NotCarried("content that is not text")
        return [Call("files.file", (a.required("dest", "path"), a.values.value(content)), a.edited())]
    origin = a.literal("src")
    name = a.copied.file(origin, a.folder)
    if not name.endswith("/"):
        return [Call("files.copy", (quoted(name),), {"to": whole(a, origin), **a.edited()})]
    # with a slash at its end the contents of a folder, else the folder itself
    to = a.values.value(
        str(a.raw("dest")).rstrip("/") + ("" if origin.endswith("/") else f"/{name.strip('/')}")
    )
    options = {key: each for key, each in a.edited().items() if key in ("owner", "group")}
    return [Call("tree.sync", (quoted(name.rstrip("/")),), {"to": to, **options, "delete": "False"})]


@module("template")
def template(a: Arguments) -> list[Call]:
    """Return a file from a template of the role, with the names that it uses."""
    origin = a.literal("src")
    a.ignore("newline_sequence")
    if a.has("trim_blocks") or a.has("lstrip_blocks") or a.has("variable_start_string"):
        raise NotCarried("a template with its own syntax")
    name, values = a.copied.template(origin, a.folder, a.values)
    return [Call("files.template", (quoted(name),), {"to": whole(a, origin), **a.edited(), **values})]


def whole(a: Arguments, origin: str) -> str:
    """Take the target, with the file's name added if it is a folder. Raises NotCarried."""
    to = a.raw("dest", "path")
    if not isinstance(to, str):
        raise NotCarried(f"{a.module} without dest")
    return a.values.value(to + origin.rpartition("/")[2] if to.endswith("/") else to)


@module("lineinfile")
def lineinfile(a: Arguments) -> list[Call]:
    """Return a line of a file."""
    path = a.required("path", "dest", "name", "destfile")
    absent = a.literal("state", default="present") == "absent"
    options = a.options(match="regexp", after="insertafter", before="insertbefore")
    if a.has("search_string"):
        raise NotCarried("search_string: write it as a regular expression")
    if options.get("after") == '"EOF"':
        del options["after"]
    if options.get("before") == '"BOF"':
        options["before"] = '"^"'
        options["first"] = "True"
    if a.flag("firstmatch", default=False):
        options["first"] = "True"
    line = a.code("line", "value")
    if absent:
        if "match" not in options:
            options["match"] = f'"^" + re.escape({line}) + "$"'
        line = '""'
        a.ignore("create")
        options = {"match": options["match"]}
    elif not line:
        raise NotCarried("lineinfile without a line")
    if a.flag("create", default=False):
        options["create"] = "True"
    if a.flag("backrefs", default=False):
        options["backrefs"] = "True"
    if "match" in options and not absent:
        refuse_unmatched(options, line)
    return [Call("text.line", (path, line), {**options, **a.edited()})]


def refuse_unmatched(options: dict[str, str], line: str) -> None:
    """Leave out an expression that never finds the line: every run would add the line again."""
    try:
        match, text = ast.literal_eval(options["match"]), ast.literal_eval(line)
        if "backrefs" not in options and not re.search(match, text):
            raise NotCarried("regexp is not found in the line itself, so every run would add it again")
    except (ValueError, SyntaxError, re.error):
        return


@module("blockinfile")
def blockinfile(a: Arguments) -> list[Call]:
    """Return a block of a file."""
    path = a.required("path", "dest", "name", "destfile")
    marker = a.literal("marker")
    if a.literal("state", default="present") == "absent":
        block = '""'
        a.ignore("block", "content")
    else:
        block = a.required("block", "content")
    options = a.options(after="insertafter", before="insertbefore")
    if options.get("after") == '"EOF"':
        del options["after"]
    if options.get("before") == '"BOF"':
        options |= {"before": '"^"', "first": "True"}
    a.ignore("marker_begin", "marker_end")
    name = " ".join(
        marker.replace("{mark}", "").replace("#", "").replace("ANSIBLE MANAGED BLOCK", "").split()
    )
    if name:
        options["name"] = quoted(name)
    if a.flag("create", default=False):
        options["create"] = "True"
    return [Call("text.block", (path, block), {**options, **a.edited()})]


@module("replace")
def replace(a: Arguments) -> list[Call]:
    """Return a replacement."""
    path = a.required("path", "dest", "name", "destfile")
    match, by = a.required("regexp"), a.code("replace") or '""'
    return [
        Call("text.replace", (path, match, by), {**a.options(after="after", before="before"), **a.edited()})
    ]


@module("ini_file")
def ini_file(a: Arguments) -> list[Call]:
    """Return a key of an ini file."""
    path, section = a.required("path", "dest"), a.code("section") or '""'
    if not a.has("option"):
        raise NotCarried("a whole section of an ini file")
    key = a.required("option")
    absent = a.literal("state", default="present") == "absent"
    value = a.code("value") or a.code("values")
    flag = a.flag("allow_no_value", default=False)
    options = {}
    if a.flag("no_extra_spaces", default=False):
        options["separator"] = '"="'
    if a.flag("create", default=True):
        options["create"] = "True"
    a.ignore("modify_inactive_option", "exclusive", "ignore_spaces")
    chosen = "None" if absent else value or ("True" if flag else '""')
    return [Call("text.ini_value", (path, section, key, chosen), {**options, **a.edited()})]


@module("get_url")
def get_url(a: Arguments) -> list[Call]:
    """Return a download with its hash."""
    url, path = a.required("url"), a.required("dest")
    checksum = a.literal("checksum", "sha256sum")
    kind, _, digest = checksum.rpartition(":")
    if kind not in ("sha256", "") or len(digest) != 64:
        raise NotCarried("get_url needs checksum: sha256:..., so that what is fetched is known")
    a.ignore("timeout", "force", "validate_certs", "use_proxy", "http_agent", "backup", "tmp_dest")
    return [Call("fetch.download", (url, path), {"sha256": quoted(digest), **a.owned()})]


@module("unarchive")
def unarchive(a: Arguments) -> list[Call]:
    """Refuse: the hash is not known."""
    raise NotCarried("fetch.unpack needs the archive's sha256, which unarchive does not have")


@module("synchronize")
def synchronize(a: Arguments) -> list[Call]:
    """Return a tree from the role's files."""
    if a.literal("mode", default="push") != "push":
        raise NotCarried("synchronize from the host")
    origin = a.literal("src")
    to = a.required("dest")
    name = a.copied.file(origin, a.folder)
    delete = a.flag("delete", default=False)
    a.ignore(
        "recursive",
        "archive",
        "compress",
        "checksum",
        "times",
        "perms",
        "links",
        "rsync_path",
        "owner",
        "group",
    )
    return [Call("tree.sync", (quoted(name.rstrip("/")),), {"to": to, "delete": repr(delete)})]


@module("htpasswd")
def htpasswd(a: Arguments) -> list[Call]:
    """Return a password file with one user."""
    path, user, password = a.required("path", "dest"), a.required("name", "username"), a.required("password")
    a.ignore("crypt_scheme", "hash_scheme", "create")
    if password[0] in "\"'":
        raise NotCarried("a password in the playbook: put it into a vault")
    options = a.owned()
    return [Call("passwords.htpasswd", (path, f"{{{user}: {password}}}"), options)]


@module("acl")
def acl(a: Arguments) -> list[Call]:
    """Return an entry of an access control list."""
    path = a.required("path", "name")
    kind, entity, allowed = a.literal("etype"), a.code("entity") or '""', a.literal("permissions")
    if a.literal("state", default="present") != "present" or not kind or "{{" in entity:
        raise NotCarried("acl without etype and permissions")
    default = "default:" if a.flag("default", default=False) else ""
    options = {"recursive": "True"} if a.flag("recursive", "recurse", default=False) else {}
    entry = f'joined("{default}{kind}:", {entity}, ":{allowed}")'
    return [Call("acl.acl", (path, f"[{entry}]"), options)]
