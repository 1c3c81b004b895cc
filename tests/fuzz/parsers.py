"""All parsers of what others have written."""

from __future__ import annotations

from fuzzed import Parser
from local_parsers import Ini, Inventory, KnownHosts, Plan, SshConfigs, Vault
from record_parsers import History, Ledgers
from template_parsers import Scripts, Templates
from wire_parsers import Agent, Messages, Stream

EVERY = (
    Inventory,
    Ini,
    Templates,
    Scripts,
    Vault,
    Plan,
    Ledgers,
    History,
    Messages,
    Stream,
    Agent,
    KnownHosts,
    SshConfigs,
)
PARSERS: dict[str, Parser] = {cls.name: cls() for cls in EVERY}
