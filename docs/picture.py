"""Makes docs/picture.svg, the terminal of the README, from real runs on a lab host: `make picture`.

A host serves a Django application. Its inventory gets another setting for nginx; then prov plans, deploys, and deploys
again.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import pyte
from pyte.screens import Char
from recorded_pictures import SVG
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

TOP = Path(__file__).parents[1]
PICTURE = Path(__file__).with_name("picture.svg")
PROV = str(Path(sys.executable).with_name("prov"))
COLUMNS, LINES = 100, 60
INVENTORY = """\
lab:
  vars: {{ansible_connection: lab, roles: [python, app], nginx: {{worker_connections: {connections}}}}}
  hosts:
    web1:
      apps:
        polls:
          source: {source}
          target: polls_site.wsgi:application
          django: {{settings: polls_site.settings}}
          domains: [polls.test]
          static: {{/static/: static}}
          health: /healthz
"""
FRAME = SVG.replace("<style>", "<title>prov plan, deploy, and deploy again</title>\n<style>", 1)


def ran(folder: Path, *words: str) -> Text:
    """Return a command and what it leaves on a terminal. Raises CalledProcessError if it fails."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    child, terminal = pty.fork()
    if not child:
        os.chdir(folder)
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(LINES))
        os.execv(PROV, ["prov", *words])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    while said := read(terminal):
        stream.feed(said)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, 3):  # 3: a plan with changes
        raise subprocess.CalledProcessError(status, ["prov", *words])
    return Text("\n").join([Text(f"$ prov {' '.join(words)}", "bold"), *shown(screen), Text()])


def read(terminal: int) -> bytes:
    """Return what a terminal has to say, b"" once its program has ended (pty(7): EIO)."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def shown(screen: pyte.Screen) -> list[Text]:
    """Return the lines of a screen, without the empty ones at both ends."""
    lines = []
    for row in range(screen.lines):
        cells = [screen.buffer[row][column] for column in range(screen.columns)]
        line = Text()
        for style, run in itertools.groupby(cells, style_of):
            line.append("".join(cell.data for cell in run), style)
        line.rstrip()
        lines.append(line)
    while lines and not lines[-1].plain:
        lines.pop()
    while lines and not lines[0].plain:
        lines.pop(0)
    return lines


def style_of(cell: Char) -> str:
    """Return how a cell of a terminal looks, in rich's words."""
    colour = f"#{cell.fg}" if is_hex(cell.fg) else cell.fg.replace("brown", "yellow")
    return f"{'bold ' if cell.bold else ''}{colour}"


def is_hex(colour: str) -> bool:
    """Tell whether pyte has a colour by its number in RGB."""
    return len(colour) == 6 and set(colour) <= set("0123456789abcdef")


def main() -> None:
    """Boot a host, record the runs, write the picture."""
    folder = Path(tempfile.mkdtemp())
    inventory = folder / "inventory/hosts.yml"
    inventory.parent.mkdir()
    source = TOP / "examples/django_polls"
    try:
        inventory.write_text(INVENTORY.format(source=source, connections=1024))
        subprocess.run([PROV, "lab", "up", "web1"], check=True)
        subprocess.run([PROV, "deploy", "web1"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        inventory.write_text(INVENTORY.format(source=source, connections=4096))
        shown = [ran(folder, verb, "web1") for verb in ("plan", "deploy", "deploy")]
    finally:
        subprocess.run([PROV, "lab", "down", "web1"], check=True)
        shutil.rmtree(folder)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        console.print(Text("\n").join(shown), end="")
        console.save_svg(str(PICTURE), title="prov", theme=MONOKAI, code_format=FRAME, unique_id="prov")


if __name__ == "__main__":
    main()
