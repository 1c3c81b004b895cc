"""What answers ssh's questions: a program that ssh starts (SSH_ASKPASS), and that asks this process over a socket.

A password is in no argument, no environment and no file. Source: ssh(1), ENVIRONMENT.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import socket
import sys
import threading
from collections.abc import Callable

from provision.controller.openssh.client_folders import run_folder
from provision.secrets import Secret

#: the program's own variables: where this process listens, and which login the question is about
SOCKET, LOGIN = "PROV_ASKPASS", "PROV_LOGIN"
PROGRAM = """
import os, socket, sys
asked = socket.socket(socket.AF_UNIX)
asked.connect(os.environ["PROV_ASKPASS"])
asked.sendall(os.environ["PROV_LOGIN"].encode() + b"\\0" + os.fsencode(sys.argv[1]) + b"\\0")
answer = b"".join(iter(lambda: asked.recv(4096), b""))
sys.stdout.buffer.write(answer[1:] + b"\\n")
sys.exit(answer[:1] != b"+")
"""
#: "root@web1's password: ", or "(root@web1) Password: " where the words come from the host
OWN_WORDS = re.compile(r"(?P<who>\S+@\S+)'s password: ?")
HOSTS_WORDS = re.compile(r"\((?P<who>[^()\s]+@[^()\s]+)\) .*pass(word|code).*", re.IGNORECASE | re.DOTALL)
#: seconds until it is known whether a person can be asked, and bytes of a question
UNTIL_KNOWN = 60.0
LONGEST = 64 * 1024

#: takes a question of ssh's, and asks a person
AskPerson = Callable[[str], Secret]


class Questions:
    """What ssh asks about one login.

    user, host: by which ssh names it.  password: known to the inventory; it is given once.

    asked: the questions, in their order.  asking: whether a person is being asked.
    """

    def __init__(self, user: str, host: str, password: Secret | None) -> None:
        # ssh cuts them to these lengths
        self._login = f"{user[:30]}@{host[:128]}".lower()
        self._user = user
        self._password = password
        self._person: AskPerson | None = None
        self._known = threading.Event()
        self.asked: list[str] = []
        self.asking = False

    def may_ask(self, person: AskPerson | None) -> None:
        """Say who asks a person; None if there is none to ask."""
        self._person = person
        self._known.set()

    def answer(self, question: str) -> Secret | None:
        """Return the answer; None for none."""
        self.asked.append(question.strip())
        own = self._is_about_the_login(question)
        if own and self._password is not None:
            password, self._password = self._password, None
            return password
        self.asking = True
        try:
            self._known.wait(UNTIL_KNOWN)
            if self._person is None:
                return None
            # the same words for all hosts of that user, so that it is asked once
            return self._person(f"SSH password of {self._user}: " if own else question)
        finally:
            self.asking = False

    def _is_about_the_login(self, question: str) -> bool:
        """Return whether it asks for the login's own password: not a jump host's, nor a key's passphrase."""
        match = OWN_WORDS.fullmatch(question) or HOSTS_WORDS.fullmatch(question)
        return match is not None and match["who"].lower() == self._login


class Listener:
    """Takes questions from the programs that ssh starts. path: of its socket.  program: what ssh is to start."""

    def __init__(self) -> None:
        folder = run_folder()
        self.path = folder / "ask"
        self.program = folder / "askpass"
        self.program.touch(mode=0o700)
        words = shlex.join([sys.executable, "-ISc", PROGRAM])
        self.program.write_text(f'#!/bin/sh\nexec {words} "$1"\n')
        self._logins: dict[str, Questions] = {}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self.path))
        self._socket.listen(64)
        threading.Thread(target=self._listen, daemon=True).start()

    def environment(self, questions: Questions) -> dict[str, str]:
        """Return what has an ssh process bring its questions here."""
        name = str(id(questions))
        self._logins[name] = questions
        return {
            "SSH_ASKPASS": str(self.program),
            "SSH_ASKPASS_REQUIRE": "force",
            SOCKET: str(self.path),
            LOGIN: name,
        }

    def forget(self, questions: Questions) -> None:
        """Answer nothing more about a login."""
        self._logins.pop(str(id(questions)), None)

    def _listen(self) -> None:
        while True:
            asked, _ = self._socket.accept()
            # a person may take their time, and others' questions need none
            threading.Thread(target=self._serve, args=[asked], daemon=True).start()

    def _serve(self, asked: socket.socket) -> None:
        with asked:
            said = b""
            while said.count(b"\0") < 2 and len(said) < LONGEST:
                piece = asked.recv(4096)
                if not piece:
                    return
                said += piece
            login, question = said.split(b"\0")[:2]
            questions = self._logins.get(login.decode(errors="replace"))
            answer = questions.answer(os.fsdecode(question)) if questions else None
            asked.sendall(b"-" if answer is None else b"+" + answer.reveal().encode())


_making = threading.Lock()


def listener() -> Listener:
    """Return the one of this process."""
    with _making:
        return _only_listener()


@functools.cache
def _only_listener() -> Listener:
    return Listener()
