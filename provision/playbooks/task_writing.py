"""The tasks of a playbook as statements of Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from typing import Any

from provision.playbooks import modules_of_databases, modules_of_files, modules_of_hosts, modules_of_packages
from provision.playbooks.copied_files import CopiedFiles
from provision.playbooks.module_arguments import FALSE, TRANSLATORS, Arguments, is_one_of
from provision.playbooks.modules_of_hosts import EACH_TIME
from provision.playbooks.not_carried import NotCarried
from provision.playbooks.playbook_reading import Task, flat, mapping
from provision.playbooks.playbook_scope import PlaybookScope, Registered
from provision.playbooks.python_layout import Call, quoted
from provision.playbooks.task_branches import LOOPS, Branches
from provision.playbooks.task_shapes import Lines, handler_word, one_line, restarted, solid, unrolled
from provision.values import dataclass

#: importing them notes what they translate
MODULES = (modules_of_databases, modules_of_files, modules_of_hosts, modules_of_packages)
PACKAGES = {"apt", "dnf", "yum", "package"}
#: what has no effect in prov, or is only about how Ansible runs
SILENT = {"debug", "meta", "pause"}


@dataclass(frozen=True)
class Count:
    """How many tasks there were, and which were not carried over: (where, task, why)."""

    tasks: list[str] = field(default_factory=list)
    left: list[tuple[str, str, str]] = field(default_factory=list)


class TaskWriter(Branches):
    """Writes the tasks of one function. handlers: those that its tasks may notify."""

    def __init__(self, scope: PlaybookScope, handlers: list[Task], copied: CopiedFiles, count: Count) -> None:
        super().__init__(scope)
        self.copied = copied
        self.count = count
        self.handlers = handlers
        #: handler -> the list of outcomes that it looks at
        self.notified: dict[str, str] = {}
        self.lists: list[str] = []
        self._waiting = False
        self._when = ""

    def tasks(self, tasks: list[Task], indent: int) -> Lines:
        """Return the statements of tasks; those that cannot be carried over are comments."""
        return [line for task in tasks for line in self.task(task, indent)]

    def task(self, task: Task, indent: int) -> Lines:
        """Return the statements of a task or block."""
        if task.module == "block":
            return self._block(task, indent)
        self.count.tasks.append(task.where)
        try:
            with self.scope.undone_if_not_carried():
                lines = self._carried(task, indent)
        except NotCarried as why:
            return self.comment(task, str(why), indent)
        return [(indent, f"# {one_line(task.name)}"), *lines] if task.name and lines else lines

    def comment(self, task: Task, why: str, indent: int) -> Lines:
        """Return a task that was not carried over as a comment, and note what it would have set."""
        self.count.left.append((task.where, task.name or task.module, why))
        for name in [
            task.keywords.get("register"),
            *(mapping(task.args) if task.module == "set_fact" else ()),
        ]:
            if isinstance(name, str):
                self.scope.lost[name] = f"the task in line {task.where.rpartition(':')[2]}"
                self.scope.registered.pop(name, None)
                self.scope.local.pop(name, None)
        said = [f"# Not carried over ({task.where}): {one_line(why)}"]
        return [(indent, line) for line in (*said, *(f"#   {line}" for line in task.source))]

    # -- blocks

    def _block(self, task: Task, indent: int) -> Lines:
        parts = task.parts
        if not any(key in task.keywords for key in ("when", "vars", *LOOPS)) and not parts.get("rescue"):
            lines = self.tasks(self._inherited(task, parts["block"]), indent)
            return lines + self.tasks(parts.get("always", []), indent)
        try:
            with self.scope.undone_if_not_carried():
                return self._controlled(task, indent)
        except NotCarried as why:
            return [
                line
                for part in parts.values()
                for each in part
                for line in self._left_in_block(each, str(why), indent)
            ]

    def _left_in_block(self, task: Task, why: str, indent: int) -> Lines:
        if task.module == "block":
            inside = [each for part in task.parts.values() for each in part]
            return [line for each in inside for line in self._left_in_block(each, why, indent)]
        self.count.tasks.append(task.where)
        return self.comment(task, f"it is in a block with {why}", indent)

    def _inherited(self, block: Task, tasks: list[Task]) -> list[Task]:
        """Return tasks with the keywords that their block has for all of them."""
        for_all = (
            "become_user",
            "sudo_user",
            "become",
            "environment",
            "delegate_to",
            "run_once",
            "ignore_errors",
        )
        given = {key: block.keywords[key] for key in for_all if key in block.keywords}
        if "notify" in block.keywords:
            given["notify"] = block.keywords["notify"]
        return [
            Task(t.name, t.module, t.args, {**given, **t.keywords}, t.where, t.source, t.folder, t.parts)
            for t in tasks
        ]

    def _controlled(self, task: Task, indent: int) -> Lines:
        """Return a block with a condition, a loop or a rescue."""
        lines: Lines = []
        with self.scope.within(
            {k: self.values.value(v) for k, v in mapping(task.keywords.get("vars")).items()}
        ):
            heads, inner, names, plain = self._heads(task, indent)
            added = self.scope.plain_names(plain)
            with self.scope.within(names):
                body: Lines = []
                if task.parts.get("rescue"):
                    before, self._waiting = self._waiting, True
                    tried = self._many(self._inherited(task, task.parts["block"]), inner + 4)
                    self._waiting = before
                    body += [(inner, "try:"), *solid(tried, inner + 4), (inner, "except StepFailed:")]
                    body += solid(self._many(task.parts["rescue"], inner + 4), inner + 4)
                    if task.parts.get("always"):
                        body += [
                            (inner, "finally:"),
                            *solid(self._many(task.parts["always"], inner + 4), inner + 4),
                        ]
                else:
                    body = self._many(
                        [*self._inherited(task, task.parts["block"]), *task.parts.get("always", [])], inner
                    )
            self.scope.plain -= added
            if not heads:
                return lines + body
            if not any(not text.startswith("#") for _, text in body):
                return lines + [(indent, text) for _, text in body]
            return lines + heads + body

    def _many(self, tasks: list[Task], indent: int) -> Lines:
        """Return tasks that may run several times, or not at all."""
        before, self.scope.branched = self.scope.branched, True
        lines = self.tasks(tasks, indent)
        self.scope.branched = before
        return lines

    # -- one task

    def _carried(self, task: Task, indent: int) -> Lines:
        """Return the statements of a task. Raises NotCarried."""
        for key in ("delegate_to", "run_once", "local_action", "any_errors_fatal", "throttle"):
            if task.keywords.get(key) not in (None, False):
                raise NotCarried(f"{key}, as a host's role acts on that host")
        if task.keywords.get("connection") == "local" or task.module == "local_action":
            raise NotCarried("a task for the machine that Ansible runs on")
        if task.module == "meta" and "flush_handlers" in str(task.args):
            return self.handled(indent)
        if task.module in SILENT:
            return []
        given = mapping(task.keywords.get("vars"))
        with self.scope.within({key: self.values.value(value) for key, value in given.items()}):
            if task.module == "set_fact":
                return self._set(task, indent)
            if task.module in ("fail", "assert"):
                return self._refused(task, indent)
            if task.module not in TRANSLATORS:
                raise NotCarried(f"the module {task.module or 'is missing'}")
            task, args = self._squashed(task)
            several = unrolled(task, args)
            try:
                return self._steps(task, args, indent)
            except NotCarried as why:
                if not several or "from a variable" not in str(why):
                    raise
            # a file of the project is named by the loop: one call for each
            return [line for each in several for line in self._steps(each, mapping(each.args), indent)]

    def _squashed(self, task: Task) -> tuple[Task, dict[str, Any]]:
        """Return a task and its arguments; a loop over names of packages becomes one list of them."""
        args = dict(mapping(task.args) if task.args is not None else {})
        if isinstance(task.args, list):
            args = {"name": task.args}
        name = next((key for key in ("name", "pkg") if key in args), "")
        loops = [key for key in ("loop", "with_items") if key in task.keywords]
        if (
            task.module in PACKAGES
            and loops
            and re.fullmatch(r"\{\{\s*item\s*\}\}", str(args.get(name, "")).strip())
            and "item" not in str(task.keywords.get("when", ""))
        ):
            keywords = {key: value for key, value in task.keywords.items() if key not in loops}
            args[name] = task.keywords[loops[0]]
            task = Task(task.name, task.module, args, keywords, task.where, task.source, task.folder)
        return task, args

    def _steps(self, task: Task, args: dict[str, Any], indent: int) -> Lines:
        """Return the calls of steps of a task, below its conditions and loops."""
        options, when = self._options(task)
        unconditional = Task(
            task.name,
            task.module,
            args,
            {**task.keywords, "when": when},
            task.where,
            task.source,
            task.folder,
        )
        heads, inner, names, plain = self._heads(unconditional, indent)
        register = task.keywords.get("register")
        topics = [str(each) for each in flat(task.keywords.get("notify"))]
        if any("{{" in topic for topic in topics):
            raise NotCarried("notify with a variable")
        added = self.scope.plain_names(plain)
        with self.scope.within(names):
            arguments = Arguments(task.module, args, self.values, task.folder, self.copied)
            calls = TRANSLATORS[task.module](arguments)
            arguments.done()
            options |= self._acting(task, calls)
        self.scope.plain -= added
        sources = [self._source(call, dict(options), task) for call in calls]
        if not sources:
            return []
        lists = [name for topic in topics for name in self._lists_of(topic)]
        many = bool(heads) or self.scope.branched or len(sources) > 1
        body: Lines = []
        for source in sources:
            if isinstance(register, str):
                body += self._registered(register, source, many, inner, lists)
            elif len(lists) == 1:
                body.append((inner, f"{lists[0]}.append({source})"))
            elif lists:
                name = self.scope.new_name("outcome")
                body.append((inner, f"{name} = {source}"))
                body += [(inner, f"{each}.append({name})") for each in lists]
            else:
                body.append((inner, source))
        return heads + body

    def _registered(self, register: str, source: str, many: bool, indent: int, lists: list[str]) -> Lines:
        """Return the statements that keep an outcome under the name that the task registers."""
        known = self.scope.registered.get(register)
        if known is None or known.many != many:
            known = Registered(self.scope.new_name(register), many)
            self.scope.registered[register] = known
            self.scope.lost.pop(register, None)
            if many:
                self.lists.append(known.name)
        if not many:
            return [
                (indent, f"{known.name} = {source}"),
                *((indent, f"{each}.append({known.name})") for each in lists),
            ]
        lines = [(indent, f"{known.name}.append({source})")]
        return lines + [(indent, f"{each}.append({known.name}[-1])") for each in lists]

    def _source(self, call: Call, options: dict[str, str], task: Task) -> str:
        """Return a call with the options that fit its step."""
        when = options.pop("when", "") or self._when
        if when:
            each_time = call.options.get("reason") == quoted(EACH_TIME)
            command = "".join(call.arguments[:1]) if each_time else ""
            parts = re.fullmatch(r'\["systemctl", "(restart|reload)", (.+)\]', command)
            if parts:
                call = Call("systemd.service", (parts[2],), {"enabled": "None", f"{parts[1]}_on": when})
            else:
                options["when"] = when
        free = call.function in ("command.command", "script.local") and not when
        if free and not {"creates", "removes", "reason"} & set(call.options):
            quiet = is_one_of(task.keywords.get("changed_when"), FALSE)
            options["reason"] = quoted("it changes nothing" if quiet else EACH_TIME)
        suffix = ".wait()" if self._waiting else ""
        return call.source(options) + suffix

    def _acting(self, task: Task, calls: list[Call]) -> dict[str, str]:
        """Return the user and the environment of a task's steps. Raises NotCarried."""
        options = {}
        user = task.keywords.get("become_user", task.keywords.get("sudo_user"))
        own = task.keywords.get("become", task.keywords.get("sudo"))
        if is_one_of(own, FALSE):
            user = "{{ ansible_user }}"
        functions = {call.function for call in calls}
        if user not in (None, "root") and not any(each.startswith("postgres.") for each in functions):
            option = "user" if functions <= {"command.command", "git.checkout", "script.local"} else "as_user"
            options[option] = self.values.value(user)
        if task.keywords.get("environment"):
            if not functions <= {"command.command", "script.local", "python.venv", "cron.job"}:
                raise NotCarried(f"environment of {task.module}")
            merged = mapping(task.keywords["environment"])
            options["environment"] = self.values.value(merged or task.keywords["environment"])
        return options

    def _set(self, task: Task, indent: int) -> Lines:
        """Return assignments. Raises NotCarried."""
        if any(key.startswith("with_") or key == "loop" for key in task.keywords) or self.scope.branched:
            raise NotCarried("set_fact in a loop or a block with a condition")
        lines: Lines = []
        conditions = flat(task.keywords.get("when"))
        for name, value in mapping(task.args).items():
            if name == "cacheable":
                continue
            source = self.values.value(value)
            if [str(each).split() for each in conditions] == [[name, "is", "not", "defined"]]:
                source = f"c.vars.get({quoted(name)}, {source})"
            elif conditions:
                other = self.scope.variable(name, self.values)
                other = f"c.vars.get({quoted(name)})" if other.startswith("c.vars[") else other
                source = f"{source} if {self.values.condition(conditions)} else {other}"
            python = self.scope.local.get(name) or self.scope.new_name(name)
            self.scope.local[name] = python
            self.scope.lost.pop(name, None)
            lines.append((indent, f"{python} = {source}"))
        return lines

    def _refused(self, task: Task, indent: int) -> Lines:
        """Return `fail` and `assert`: a run that ends with a message. Raises NotCarried."""
        args = mapping(task.args)
        heads, inner, names, _ = self._heads(task, indent)
        with self.scope.within(names):
            message = args.get("msg", args.get("fail_msg", task.name or "the playbook refuses this host"))
            said = f"raise ProvError({self.values.value(str(message).strip())})"
            if task.module == "fail":
                return [*heads, (inner, said)]
            conditions = self.values.condition(args.get("that"))
        return [*heads, (inner, f"if not ({conditions}):"), (inner + 4, said)]

    # -- handlers

    def _lists_of(self, topic: str) -> Iterator[str]:
        """Yield the lists of outcomes of the handlers that a topic notifies."""
        topic = topic.rpartition(" : ")[2]
        for handler in {h.where: h for h in reversed(self.handlers)}.values():
            if topic in (handler.name, *map(str, flat(handler.keywords.get("listen")))):
                if handler.where not in self.notified:
                    self.notified[handler.where] = self.scope.new_name(handler.name or topic)
                    self.lists.append(self.notified[handler.where])
                yield self.notified[handler.where]

    def handled(self, indent: int) -> Lines:
        """Return what handlers do that have been notified so far."""
        lines: Lines = []
        units: dict[str, dict[str, str]] = {}
        for handler in self.handlers:
            name = self.notified.pop(handler.where, None)
            if name is None:
                continue
            unit = restarted(handler)
            if unit is not None:
                self.count.tasks.append(handler.where)
                try:
                    source = self.values.text(unit)
                    units.setdefault(source, {})[f"{handler_word(handler)}_on"] = name
                except NotCarried as why:
                    lines += self.comment(handler, str(why), indent)
                continue
            lines += self._handler(handler, name, indent)
        for source, options in units.items():
            call = Call("systemd.service", (source,), {"enabled": "None", **options})
            lines.append((indent, call.source()))
        return lines

    def _handler(self, handler: Task, name: str, indent: int) -> Lines:
        """Return a handler other than a restart: its steps run if an outcome has changed."""
        before, self.scope.branched, self._when = self.scope.branched, True, name
        body = self.task(handler, indent + 4)
        self.scope.branched, self._when = before, ""
        if not any(not text.startswith("#") for _, text in body):
            return [(indent, text) for _, text in body]
        # no outcome at all would be no condition
        return [(indent, f"if {name}:"), *body]
