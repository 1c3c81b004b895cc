"""Which certificate a server shows: a real server on a port of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from steps_bench import Bench, refuses

from provision.steps.base import Step
from provision.steps.served import ServedCertificate


def certificate(folder: Path, name: str) -> Path:
    """A new certificate, and its key beside it."""
    path = folder / f"{name}.crt"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-keyout", str(path.with_suffix(".key")), "-out", str(path), "-subj", f"/CN={name}.test"]
    subprocess.run(argv, check=True, capture_output=True)
    return path


class TlsServer:
    """Shows the certificate at `shown`, read again for each connection."""

    def __init__(self, shown: Path) -> None:
        self.shown = shown
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.shown, self.shown.with_suffix(".key"))
            with plain:
                try:
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:
                    continue

    def close(self) -> None:
        # whoever waits in accept() would take one more
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def server(bench: Bench) -> Iterator[TlsServer]:
    found = TlsServer(certificate(bench.folder, "one"))
    yield found
    found.close()


def served(server: TlsServer, path: Path, within: float = 10) -> ServedCertificate:
    return ServedCertificate(str(path), "one.test", port=server.port, within=within)


def test_the_certificate_in_the_file_is_the_one_that_is_shown(bench: Bench, server: TlsServer) -> None:
    (found,) = bench.run(served(server, server.shown))
    assert (found.state, found.why) == ("ok", f"is the one in {server.shown}")
    (planned,) = bench.run(served(server, Path("/no/such")), plan=True)
    assert (planned.state, planned.why) == ("ok", "asked only in a deploy")


def test_another_one_is_told(bench: Bench, server: TlsServer) -> None:
    other = certificate(bench.folder, "two")
    bench.fails(served(server, other, within=0.2), "after 0.2 s: it shows another certificate", plan=False)


def test_a_server_that_has_still_to_reload_is_waited_for(bench: Bench, server: TlsServer) -> None:
    other = certificate(bench.folder, "two")

    def reload() -> None:
        server.shown = other

    threading.Timer(0.5, reload).start()
    (found,) = bench.run(served(server, other, within=30))
    assert found.state == "ok", found.error


def test_nobody_and_nothing(bench: Bench, server: TlsServer) -> None:
    server.close()
    bench.fails(served(server, server.shown, within=0.2), "Connection refused", plan=False)
    empty = bench.folder / "empty"
    empty.write_text("no certificate\n")
    bench.fails(served(server, empty), "there is no certificate in the file", plan=False)


def test_only_the_first_of_a_chain_counts(bench: Bench, server: TlsServer) -> None:
    chain = bench.folder / "chain"
    chain.write_text(server.shown.read_text() + certificate(bench.folder, "two").read_text())
    assert bench.run(served(server, chain))[0].state == "ok"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (ServedCertificate("a.crt", "a.test"), "absolute"),
        (ServedCertificate("/a.crt", ""), "empty"),
        (ServedCertificate("/a.crt", "a.test", port=0), "from 1 to 65535"),
        (ServedCertificate("/a.crt", "a.test", address="a\nb"), "one line"),
        (ServedCertificate("/a.crt", "a.test", within=-1), "number of seconds"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    refuses(step, message)
