"""Who gets the inventory's password, and how far a login has come by ssh's own log."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.controller.openssh.askpass import Questions
from provision.controller.openssh.log import Log
from provision.secrets import Secret

OWN = ["root@web1's password: ", "(root@web1) Password: ", "(root@WEB1) Enter your password for today: "]
OTHERS = [
    "root@gate's password: ",
    "ann@web1's password: ",
    "(root@gate) Password: ",
    # words of a host that would like to have the password of another one
    "(root@gate) root@web1's password: ",
    "(root@gate) (root@web1) Password: ",
    "Enter passphrase for key '/root/.ssh/root@web1's password: ': ",
    "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
    "Password: ",
]


def questions() -> Questions:
    found = Questions("root", "web1", Secret("right"))
    found.may_ask(None)
    return found


@pytest.mark.parametrize("question", OWN)
def test_the_login_itself_gets_the_password_once(question: str) -> None:
    asked = questions()
    answer = asked.answer(question)
    assert answer is not None and answer.reveal() == "right"
    assert asked.answer(question) is None, "it was wrong, and would be again"


@pytest.mark.parametrize("question", OTHERS)
def test_nothing_else_gets_it(question: str) -> None:
    assert questions().answer(question) is None


def test_a_person_is_asked_the_same_for_all_hosts_of_a_user() -> None:
    heard: list[str] = []

    def person(question: str) -> Secret:
        heard.append(question)
        return Secret("typed")

    for host in ("web1", "web2"):
        asked = Questions("root", host, None)
        asked.may_ask(person)
        assert asked.answer(f"root@{host}'s password: ") is not None
    assert heard == ["SSH password of root: "] * 2


TRIED = "debug1: auto-mux: Trying existing master\n"
LOGS = {
    "debug1: Connecting to web1 port 22.\n": (False, False),
    'Authenticated to web1 ([192.0.2.1]:22) using "publickey".\n': (True, False),
    TRIED: (False, True),
    TRIED + "debug1: mux_client_request_session: master session id: 2\n": (True, True),
    TRIED + 'debug1: Control socket "/x" does not exist\n': (False, False),
    TRIED + "ssh: Could not resolve hostname x: no\n": (False, False),
}


@pytest.mark.parametrize(("text", "expected"), LOGS.items())
def test_how_far_a_login_has_come(tmp_path: Path, text: str, expected: tuple[bool, bool]) -> None:
    (tmp_path / "log").write_text(text)
    log = Log(tmp_path / "log")
    assert (log.logged_in(), log.used_master()) == expected
