"""Conditions and loops of tasks, and the options that every step takes."""

from __future__ import annotations

import re
from typing import Any

from provision.playbooks.jinja_python import PythonExpressions
from provision.playbooks.module_arguments import FALSE, TRUE, is_one_of
from provision.playbooks.not_carried import NotCarried
from provision.playbooks.playbook_reading import Task, flat, mapping
from provision.playbooks.playbook_scope import PlaybookScope
from provision.playbooks.python_layout import quoted
from provision.playbooks.task_shapes import Lines

LOOPS = {"loop", "with_items", "with_list", "with_dict", "with_flattened"}
CHANGED = re.compile(
    r"\s*(\w+)\s*(?:\.changed|is\s+changed|\|\s*changed)(?:\s*==\s*[Tt]rue|\s*\|\s*bool)?\s*"
)
GOOD = re.compile(
    r"\s*(?:\w+\s+is\s+(?:not\s+failed|succeeded|success)|\w+\.rc\s*==\s*0|not\s+\w+\.failed|\w+\s*\|\s*success)\s*"
)


class Branches:
    """Writes what is around the steps of a task. scope: the names of the function."""

    def __init__(self, scope: PlaybookScope) -> None:
        self.scope = scope
        self.values = PythonExpressions(scope)

    def _heads(self, task: Task, indent: int) -> tuple[Lines, int, dict[str, str], list[str]]:
        """Return `if` and `for` of a task, the indentation below them, the loop's name, and names without secrets."""
        heads: Lines = []
        loop = next((key for key in task.keywords if key in LOOPS or key.startswith("with_")), None)
        conditions = [each for each in flat(task.keywords.get("when")) if each is not True]
        names: dict[str, str] = {}
        plain: list[str] = []
        late: list[Any] = []
        if loop is not None:
            control = mapping(task.keywords.get("loop_control"))
            if set(control) - {"loop_var", "label", "pause"}:
                raise NotCarried(f"loop_control: {', '.join(control)}")
            word = str(control.get("loop_var", "item"))
            late = [each for each in conditions if re.search(rf"\b{word}\b", str(each))]
            conditions = [each for each in conditions if each not in late]
        condition = self.values.condition(conditions) if conditions else "True"
        if condition != "True":
            heads.append((indent, f"if {condition}:"))
            indent += 4
        if loop is not None:
            value = task.keywords[loop]
            source = self._looped(loop, value)
            name = self.scope.new_name(word)
            names = {word: name}
            if isinstance(value, list) and not all(isinstance(each, str) for each in value):
                several = self.scope.new_name(f"{name}s")
                heads.append((indent, f"{several}: list[Any] = {source}"))
                source = several
            elif isinstance(value, list) and all("{{" not in each for each in value):
                plain.append(name)
            heads.append((indent, f"for {name} in {source}:"))
            indent += 4
            if late:
                with self.scope.within(names):
                    heads.append((indent, f"if {self.values.condition(late)}:"))
                indent += 4
        return heads, indent, names, plain

    def _looped(self, kind: str, value: Any) -> str:
        """Return the source of what a loop goes through. Raises NotCarried."""
        if kind not in LOOPS:
            raise NotCarried(f"the loop {kind}")
        if isinstance(value, str) and "{{" not in value:
            source = self.values.bare(value) if kind != "loop" else self.values.value([value])
        else:
            source = self.values.value(value)
        if kind == "with_dict":
            return f'[{{"key": key, "value": value}} for key, value in {source}.items()]'
        return source

    def _options(self, task: Task) -> tuple[dict[str, str], list[Any]]:
        """Return the options that every step takes, and the conditions that remain. Raises NotCarried."""
        keys = task.keywords
        options: dict[str, str] = {}
        conditions = flat(keys.get("when"))
        found = [CHANGED.fullmatch(each) if isinstance(each, str) else None for each in conditions]
        if len(conditions) == 1 and found[0] and found[0][1] in self.scope.registered:
            result = self.scope.registered[found[0][1]]
            options["when"] = result.name if result.many else f"[{result.name}]"
            conditions = []
            if result.many:
                # no outcome at all would be no condition
                conditions = [f"{found[0][1]}.changed"]
                del options["when"]
        if is_one_of(keys.get("ignore_errors"), TRUE):
            options["ignore_errors"] = quoted("the playbook goes on")
        if "failed_when" in keys:
            if not is_one_of(keys["failed_when"], FALSE):
                raise NotCarried("failed_when")
            options["ignore_errors"] = quoted("the playbook goes on")
        if "until" in keys or "retries" in keys:
            if "until" in keys and not GOOD.fullmatch(str(keys["until"])):
                raise NotCarried("until with a condition")
            options["retries"] = self.values.value(keys.get("retries", 3))
            if "delay" in keys:
                options["delay"] = self.values.value(keys["delay"])
        if keys.get("poll") == 0:
            raise NotCarried("a task that goes on in the background")
        for key in ("timeout", "async"):
            if key in keys:
                options["timeout"] = self.values.value(keys[key])
        return options, conditions
