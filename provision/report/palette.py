"""Colours. A word or sign beside each says the same, so that no colour is needed."""

#: by the state of a step or host
STATES = {
    "ok": "green",
    "changed": "yellow",
    "maybe": "magenta",
    "failed": "bold red",
    "skipped": "dim",
    "unreachable": "bold red",
}
#: by the kind of a report.text.Line
KINDS = {
    "add": "green",
    "remove": "red",
    "hunk": "cyan",
    "place": "bold",
    "code": "",
    "message": "red",
    "hint": "yellow",
    "dim": "dim",
    "": "",
}
