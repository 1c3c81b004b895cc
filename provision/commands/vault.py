"""prov vault: read, write and change what Ansible Vault encrypts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from provision.cli.nearest_names import NearestNames
from provision.cli.options import format_option
from provision.cli.vault_options import vault_options
from provision.errors import UsageError
from provision.report.formats import Format
from provision.report.screen import write_bytes

if TYPE_CHECKING:
    from provision.vault.keyring import Keyring
    from provision.vault.vault_sources import VaultSource

F = TypeVar("F", bound=Callable[..., Any])
#: blanks before the lines of a value, as `ansible-vault encrypt_string` writes them
INDENT = " " * 10


@click.group(cls=NearestNames, epilog="Example:  prov vault edit group_vars/all/vault.yml")
def vault() -> None:
    """Read, write and change files and values of Ansible Vault.

    Passwords come from --vault-id, --vault-password-file, the environment or pyproject.toml; without any, prov asks.
    """


def passwords(command: F) -> F:
    """--vault-id and the like, and --format."""
    return vault_options(format_option(command))


def encrypts(command: F) -> F:
    """Like `passwords`, with --encrypt-vault-id."""
    return passwords(
        click.option(
            "--encrypt-vault-id",
            "with_id",
            metavar="ID",
            default="",
            help="The id to encrypt with, if several are given.",
        )(command)
    )


several_files = click.argument("files", nargs=-1, required=True, metavar="FILE...")
output_option = click.option(
    "-o", "--output", metavar="FILE", default="", help="Write to FILE, not back to the same; - is stdout."
)


def given_keyring() -> Keyring:
    """Return the passwords that are given, or one that is asked for. Raises ConfigError, UsageError."""
    from provision.inventory.inventory_files import project_settings
    from provision.vault.given import ASK, keyring
    from provision.vault.keyring import Keyring
    from provision.vault.vault_sources import source_of

    found = keyring(project_settings(Path.cwd()).vaults)
    return found if found.sources else Keyring([source_of(ASK, Path.cwd())])


def source_for(keyring: Keyring, with_id: str) -> VaultSource:
    """Return the source to encrypt with. Raises UsageError if it is not the only one, or has no such id."""
    ids = list(dict.fromkeys(source.vault_id for source in keyring.sources))
    if with_id:
        found = [source for source in keyring.sources if source.vault_id == with_id]
        if not found:
            raise UsageError(f"no vault password with the id {with_id!r} is given, only {', '.join(ids)}")
        return found[0]
    if len(ids) > 1:
        raise UsageError(
            f"passwords of several vault ids are given: {', '.join(ids)}",
            hint=f"Say with which one to encrypt: --encrypt-vault-id {ids[0]}",
        )
    return keyring.sources[0]


def sealed(text: bytes, keyring: Keyring, source: VaultSource) -> bytes:
    """Return the text, encrypted with the password of a source. Raises ConfigError."""
    from provision.vault.envelope import encrypted

    return encrypted(text, keyring.new_password(source), source.vault_id)


def tell(out: Format, file: str, vault_id: str, did: str) -> None:
    """Say what was done to a file. did: "encrypted", ..."""
    if file != "-":
        event = {"event": "vault", "file": file, "id": vault_id, "did": did}
        out.show([event], [f"{file}: {did}"])


def put(name: str, data: bytes, *, private: bool = False) -> None:
    """Write a file, or stdout. Raises ProvError."""
    from provision.vault.vault_files import STANDARD, write_file

    if name == STANDARD:
        write_bytes(sys.stdout, data)
    else:
        write_file(name, data, private=private)


def refuse_mixed(files: Sequence[str], output: str, out: Format) -> None:
    """Refuse one output for several files, and JSON beside a text. Raises UsageError."""
    if output and len(files) > 1:
        raise UsageError("--output takes one file only")
    if out.FOR_PROGRAMS and (output == "-" or (not output and "-" in files)):
        raise UsageError("--json cannot be combined with a text on stdout", hint="Name a file: --output FILE")


@vault.command(epilog="Example:  prov vault create group_vars/all/vault.yml")
@click.argument("file")
@encrypts
def create(file: str, with_id: str, out: Format) -> None:
    """Make an encrypted FILE, with what you type into your editor ($VISUAL, $EDITOR, vi).

    The text is in memory while you edit it, and never on a disk.
    """
    from provision.vault.vault_files import edited

    if Path(file).exists():
        raise UsageError("already exists", where=file, hint=f"Change it: prov vault edit {file}")
    if not Path(file).absolute().parent.is_dir():
        raise UsageError("its folder does not exist", where=file)
    keyring = given_keyring()
    source = source_for(keyring, with_id)
    keyring.new_password(source)
    put(file, sealed(edited(b"", file), keyring, source), private=True)
    tell(out, file, source.vault_id, "created")
    out.end()


@vault.command(epilog="Example:  prov vault edit group_vars/all/vault.yml")
@click.argument("file")
@passwords
def edit(file: str, out: Format) -> None:
    """Change an encrypted FILE in your editor ($VISUAL, $EDITOR, vi). Its id and password stay.

    The text is in memory while you edit it, and never on a disk. An unchanged file is not written.
    """
    from provision.vault.envelope import encrypted
    from provision.vault.vault_files import edited, opened_file, read_file

    keyring = given_keyring()
    before = read_file(file)
    opened = opened_file(file, keyring)
    text = edited(opened.text, file)
    if text != opened.text:
        if read_file(file) != before:
            raise UsageError("has changed while you edited it; nothing was written", where=file)
        put(file, encrypted(text, keyring.password(opened.source), opened.vault_id))
    tell(out, file, opened.vault_id, "unchanged" if text == opened.text else "changed")
    out.end()


@vault.command(epilog="Example:  prov vault view group_vars/all/vault.yml")
@several_files
@passwords
def view(files: Sequence[str], out: Format) -> None:
    """Print the text of encrypted FILEs; - is stdin."""
    from provision.vault.vault_files import opened_file

    keyring = given_keyring()
    for file in files:
        opened = opened_file(file, keyring)
        if out.FOR_PROGRAMS:
            text = opened.text.decode("utf-8", "surrogateescape")
            out.show([{"event": "vault", "file": file, "id": opened.vault_id, "text": text}])
        else:
            write_bytes(sys.stdout, opened.text)
    if out.FOR_PROGRAMS:
        out.end()


@vault.command(epilog="Example:  prov vault encrypt host_vars/web1.yml")
@several_files
@output_option
@encrypts
def encrypt(files: Sequence[str], output: str, with_id: str, out: Format) -> None:
    """Encrypt FILEs; - is stdin, and goes to stdout."""
    from provision.vault.envelope import is_envelope
    from provision.vault.vault_files import read_file

    refuse_mixed(files, output, out)
    texts = {file: read_file(file) for file in files}
    for file, text in texts.items():
        if is_envelope(text):
            raise UsageError(
                "is encrypted already", where=file, hint=f"Give it another password: prov vault rekey {file}"
            )
    keyring = given_keyring()
    source = source_for(keyring, with_id)
    for file, text in texts.items():
        put(output or file, sealed(text, keyring, source))
        tell(out, output or file, source.vault_id, "encrypted")
    if output != "-" and "-" not in files:
        out.end()


@vault.command(epilog="Example:  prov vault decrypt host_vars/web1.yml --output -")
@several_files
@output_option
@passwords
def decrypt(files: Sequence[str], output: str, out: Format) -> None:
    """Decrypt FILEs, back to where they are unless --output says otherwise; - is stdin, and goes to stdout."""
    from provision.vault.vault_files import opened_file

    refuse_mixed(files, output, out)
    keyring = given_keyring()
    opened = {file: opened_file(file, keyring) for file in files}
    for file, each in opened.items():
        put(output or file, each.text, private=True)
        tell(out, output or file, each.vault_id, "decrypted")
    if output != "-" and "-" not in files:
        out.end()


@vault.command(epilog="Example:  prov vault rekey group_vars/all/vault.yml --new-vault-id prod@~/.vault-prod")
@several_files
@click.option("--new-vault-id", "new_id", metavar="ID@SOURCE", default="", help="The new id and password.")
@click.option(
    "--new-vault-password-file", "new_file", metavar="FILE", default="", help="File with the new password."
)
@passwords
def rekey(files: Sequence[str], new_id: str, new_file: str, out: Format) -> None:
    """Encrypt FILEs with another password. Without a new source, prov asks for it.

    All files are opened before the first one is written.
    """
    from provision.vault.given import ASK
    from provision.vault.keyring import Keyring
    from provision.vault.vault_files import opened_file
    from provision.vault.vault_sources import source_of

    if new_id and new_file:
        raise UsageError("--new-vault-id and --new-vault-password-file cannot be combined")
    keyring = given_keyring()
    opened = {file: opened_file(file, keyring) for file in files}
    new = source_of(new_id or (f"@{new_file}" if new_file else ASK), Path.cwd())
    renewed = Keyring([new])
    written = {file: sealed(each.text, renewed, new) for file, each in opened.items()}
    for file, data in written.items():
        put(file, data)
        tell(out, file, new.vault_id, "has another password")
    out.end()


@vault.command("encrypt-string", epilog="Example:  prov vault encrypt-string --name db_password")
@click.argument("text", required=False)
@click.option("-n", "--name", default="", metavar="NAME", help="Name of the variable, for a line of YAML.")
@encrypts
def encrypt_string(text: str | None, name: str, with_id: str, out: Format) -> None:
    """Print a value for YAML: `!vault` and the encrypted TEXT.

    Without TEXT, prov asks for it without echo, or reads stdin if that is not a terminal. Other users of this machine
    see the TEXT of a command line, and your shell keeps it in its history.
    """
    from provision.vault.terminal_prompt import ask
    from provision.vault.vault_files import STANDARD, read_file

    keyring = given_keyring()
    source = source_for(keyring, with_id)
    if text is not None and text != STANDARD:
        data = text.encode("utf-8", "surrogateescape")
    elif text is None and sys.stdin.isatty():
        data = ask("Text to encrypt: ").encode()
    else:
        data = read_file(STANDARD)
    lines = sealed(data, keyring, source).decode().splitlines()
    head = f"{name}: !vault |" if name else "!vault |"
    event = {"event": "vault", "name": name, "id": source.vault_id, "value": "\n".join([*lines, ""])}
    out.show([event], [head, *(INDENT + line for line in lines)])
    if out.FOR_PROGRAMS:
        out.end()
