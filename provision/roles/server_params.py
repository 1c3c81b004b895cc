"""What only the roles of servers have: their parameters, and the function `program`."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field

from provision.apps.process_parts import Size
from provision.declared.serving_roles import PROGRAM
from provision.errors import ConfigError
from provision.roles.params import Params, annotation_of, wrong_function


class ServerParams(Params):
    """Parameters that the roles of all application servers take."""

    workers: int | None = Field(default=None, ge=1)
    """Processes for each application, unless the application sets `workers`. Default: the number of
    processors."""
    graceful_timeout: int = Field(default=30, ge=1)
    """Seconds that a stopped instance has to finish its requests."""
    memory_max: Size = "80%"
    """Memory limit of an instance (systemd's MemoryMax=)."""
    tasks_max: int = Field(default=1024, ge=16)
    """Largest number of processes and threads of an instance (TasksMax=)."""
    open_files: int = Field(default=65536, ge=256)
    """Largest number of open files and connections of a process (LimitNOFILE=)."""
    private_users: bool = True
    """Run in a user namespace of its own (PrivateUsers=)."""
    deny_write_execute: bool = False
    """Forbid memory that is writable and executable; breaks some cffi and JIT packages
    (MemoryDenyWriteExecute=)."""


def program_of(chain: Sequence[types.ModuleType]) -> Callable[..., Any]:
    """The function `program` of a role, or of the nearest role that it extends. chain: their modules."""
    found: Callable[..., Any] = next(getattr(m, PROGRAM) for m in chain if hasattr(m, PROGRAM))
    return found


def is_program(chain: Sequence[types.ModuleType]) -> bool:
    """Whether a role has a function `program` that takes the parameters of a server, as only servers do."""
    try:
        return any(hasattr(module, PROGRAM) for module in chain) and bool(check_program(chain))
    except ConfigError:
        return False


def check_program(chain: Sequence[types.ModuleType]) -> type[ServerParams]:
    """The parameters that `program` takes. Raises ConfigError, with file and line, if it takes anything
    else."""
    function = program_of(chain)
    arguments = list(inspect.signature(function).parameters.values())
    model = annotation_of(function, arguments[2]) if len(arguments) == 3 else None
    if not (isinstance(model, type) and issubclass(model, ServerParams)):
        hint = "Write:  def program(c: Host, release: Release, p: MyServer) -> Program"
        message = "takes a host, a release and parameters of a class that is derived from ServerParams"
        raise wrong_function(function, message, hint)
    return model
