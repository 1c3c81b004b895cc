"""Inventory files in YAML (or JSON): groups with hosts, children and vars.

Source: Ansible's inventory plugin `yaml`; what it skips with a warning is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from provision.inventory import yamlfile
from provision.inventory.located import Located
from provision.inventory.unresolved import Draft
from provision.inventory.yaml_values import revealed, shown
from provision.names import suggestion

SECTIONS = ("hosts", "children", "vars")
WHERE_THINGS_GO = (
    "Variables of a group go under its `vars:`, its hosts under `hosts:`, groups below it under `children:`."
)
YamlPath = tuple[str | int, ...]


def load(path: Path, name: str, draft: Draft) -> None:
    """Add what a file says to the draft.

    name: the file's name in error messages.
    Raises ConfigErrors if the file is not YAML; errors in the YAML go to draft.problems.
    """
    document = yamlfile.read(path, name, draft.keyring)
    if document is None or document.value is None:
        # an empty file, or one that is only "---"
        return
    if not isinstance(document.value, dict):
        draft.wrong(document.origin, (), f"an inventory is a mapping of groups, not {shown(document.value)}")
    elif "plugin" in document.parts:
        _plugin(draft, document)
    else:
        for key, part in document.parts.items():
            _group(draft, key, part, (key,))


def _plugin(draft: Draft, document: Located) -> None:
    """What a plugin of Ansible's would give; prov has those for EC2, and for groups made by expressions."""
    # imported here: few inventories have such files, and they bring pydantic
    plugin = document.parts["plugin"]
    if plugin.value in ("aws_ec2", "amazon.aws.aws_ec2"):
        from provision.inventory import aws_ec2_plugin

        aws_ec2_plugin.load(document, draft)
    elif plugin.value in ("constructed", "ansible.builtin.constructed"):
        from provision.inventory import constructed_plugin

        constructed_plugin.load(document, draft)
    else:
        message = (
            f"the inventory plugin {shown(plugin.value)} is not supported; prov has aws_ec2 and constructed"
        )
        hint = (
            f"Let Ansible ask the cloud:  ansible-inventory -i {plugin.origin.file} --list --yaml > hosts.yml\n"
            "A script that prints ansible-inventory's --list works too, and is asked in each run."
        )
        draft.wrong(plugin.origin, ("plugin",), message, hint)


def _group(draft: Draft, name: str | int, located: Located, path: YamlPath) -> None:
    """A group and everything below it."""
    if not isinstance(name, str):
        draft.wrong(
            located.origin, path, f"a group name must be text, not {shown(name)}", "Put it in quotes."
        )
        return
    draft.add_group(name, located.origin)
    if located.value is None:
        return
    if not isinstance(located.value, dict):
        message = f"a group is a mapping with hosts, children or vars, not {shown(located.value)}"
        draft.wrong(located.origin, path, message)
        return
    for section, part in located.parts.items():  # in the order of the file: later variables of a host win
        if section == "hosts":
            for pattern, host in _entries(draft, part, (*path, section)).items():
                _hosts(draft, name, pattern, host, (*path, section, pattern))
        elif section == "children":
            for child, below in _entries(draft, part, (*path, section)).items():
                _group(draft, child, below, (*path, section, child))
                if isinstance(child, str):
                    draft.add_child(name, child)
        elif section == "vars":
            for variable, value in _variables(draft, part, (*path, section)).items():
                draft.set_group_var(name, variable, value)
        else:
            message = f"a group has hosts, children and vars, not {section!r}."
            message += suggestion(str(section), SECTIONS)
            draft.wrong(part.origin, (*path, section), message, WHERE_THINGS_GO)


def _entries(draft: Draft, section: Located, path: YamlPath) -> Mapping[str | int, Located]:
    """Return the contents of hosts or children. As in Ansible, a bare name is a mapping of one."""
    value = revealed(section.value)
    if isinstance(value, str):
        return {value: Located(None, section.origin)}
    if section.value is not None and not isinstance(section.value, dict):
        hint = "Each name is a key: on a line of its own, with no dash before it and a colon after it."
        draft.wrong(section.origin, path, f"must be a mapping, not {shown(section.value)}", hint)
    return section.parts if isinstance(section.value, dict) else {}


def _variables(draft: Draft, located: Located, path: YamlPath) -> dict[str, Located]:
    """Return the variables of a group or host; an empty value means none."""
    if located.value is not None and not isinstance(located.value, dict):
        draft.wrong(located.origin, path, f"variables are a mapping, not {shown(located.value)}")
        return {}
    variables: dict[str, Located] = {}
    for key, part in located.parts.items():
        if isinstance(key, str):
            variables[key] = part
        else:
            draft.wrong(part.origin, (*path, key), f"the name of a variable must be text, not {shown(key)}")
    return variables


def _hosts(draft: Draft, group: str, pattern: str | int, located: Located, path: YamlPath) -> None:
    """The hosts of one key: a name, or a range; its variables belong to each of them."""
    if not isinstance(pattern, str):
        draft.wrong(
            located.origin, path, f"a host name must be text, not {shown(pattern)}", "Put it in quotes."
        )
        return
    draft.add_hosts(pattern, group, _variables(draft, located, path), located.origin, path)
