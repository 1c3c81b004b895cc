"""Steps that wait until something is as it should be. Never a change.

The steps are in modules of their own, because each step travels to hosts with its whole module.
"""

from provision.steps.base import step
from provision.steps.conditions import CommandCondition, FileCondition, ProcessCondition, UnitCondition
from provision.steps.waiting import Port, Url

url = step(Url)
port = step(Port)
file = step(FileCondition)
process = step(ProcessCondition)
command = step(CommandCondition)
unit = step(UnitCondition)
