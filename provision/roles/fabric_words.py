"""What a Host has of a fabric.Connection."""

from __future__ import annotations

#: attributes of a fabric.Connection that a Host has; the connection is made when one is first used
WORDS = (
    "run sudo local put get sftp cd cwd prefix shell forward_local forward_remote config command_cwds"
    " command_prefixes client transport gateway original_host is_connected create_session ssh_config"
    " connect_kwargs connect_timeout inline_ssh_env forward_agent"
)
OF_FABRIC = frozenset(WORDS.split())
OF_PARAMIKO = ("client", "transport")
