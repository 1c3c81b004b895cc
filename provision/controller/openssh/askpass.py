"""Answers ssh's questions: ssh starts a program (SSH_ASKPASS), which asks this process over a socket.

No password is in an argument, in the environment or in a file. Source: ssh(1), ENVIRONMENT.
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

#: the program's environment variables: the socket of this process, and the login that the question is about
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
#: "root@web1's password: ", or "(root@web1) Password: " if the host sends the prompt
OWN_WORDS = re.compile(r"(?P<who>\S+@\S+)'s password: ?")
HOSTS_WORDS = re.compile(r"\((?P<who>[^()\s]+@[^()\s]+)\) .*pass(word|code).*", re.IGNORECASE | re.DOTALL)
#: seconds to wait until prov knows whether it can ask the user, and bytes of a question
UNTIL_KNOWN = 60.0
LONGEST = 64 * 1024

#: takes one of ssh's questions and asks the user
AskPerson = Callable[[str], Secret]


class Questions:
    """The questions that ssh asks about one login.

    user, host: as ssh names them.  password: from the inventory; it is given once.

    asked: the questions, in order.  asking: whether the user is being asked for a password.
    """

    def __init__(self, user: str, host: str, password: Secret | None) -> None:
        # ssh truncates them to these lengths
        self._login = f"{user[:30]}@{host[:128]}".lower()
        self._user = user
        self._password = password
        self._person: AskPerson | None = None
        self._known = threading.Event()
        self.asked: list[str] = []
        self.asking = False

    def may_ask(self, person: AskPerson | None) -> None:
        """Set who asks the user; None if no one can."""
        self._person = person
        self._known.set()

    def answer(self, question: str) -> Secret | None:
        """Return the answer; None if there is none."""
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
            # the same prompt for all hosts of that user, so that prov asks once
            return self._person(f"SSH password of {self._user}: " if own else question)
        finally:
            self.asking = False

    def _is_about_the_login(self, question: str) -> bool:
        """Return whether ssh asks for the login's own password.

        Jump hosts and keys have prompts of their own.
        """
        match = OWN_WORDS.fullmatch(question) or HOSTS_WORDS.fullmatch(question)
        return match is not None and match["who"].lower() == self._login


class Listener:
    """Takes questions from the programs that ssh starts. path: of its socket.  program: for ssh to start."""

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
        """Return the environment that makes an ssh process send its questions here."""
        name = str(id(questions))
        self._logins[name] = questions
        return {
            "SSH_ASKPASS": str(self.program),
            "SSH_ASKPASS_REQUIRE": "force",
            SOCKET: str(self.path),
            LOGIN: name,
        }

    def forget(self, questions: Questions) -> None:
        """Answer no more questions about a login."""
        self._logins.pop(str(id(questions)), None)

    def _listen(self) -> None:
        while True:
            asked, _ = self._socket.accept()
            # in a thread: the user may take a while, and questions of other logins need no user
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
    """Return the listener of this process."""
    with _making:
        return _only_listener()


@functools.cache
def _only_listener() -> Listener:
    return Listener()
