"""What of debconf, apt's repositories and PostgreSQL can be had without a host: arguments, files, quoting."""

from __future__ import annotations

import base64
import hashlib

import pytest
from steps_bench import Bench, refuses

from provision.secrets import Secret
from provision.steps.apt import NoPin, PackageFile, Packages, Pin
from provision.steps.base import Step
from provision.steps.debconf import Answers
from provision.steps.postgres import Database, DatabaseRole, DefaultPrivileges, Extension, Grant, Setting
from provision.steps.repository import NoRepository, Repository
from provision.steps.support.psql import identifier, literal, matches, scram, verifier

KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
CONFIG = """Name: shop/mode
Template: shop/mode
Value: fast
Owners: shop
Flags: seen
Variables:
 Choices = a

Name: shop/other
Template: shop/other
Owners: shop

"""


def test_debconf_answers(bench: Bench) -> None:
    bench.over("/var/cache/debconf")
    folder = bench.root / "var/cache/debconf"
    (folder / "config.dat").write_text(CONFIG)
    (folder / "passwords.dat").write_text("Name: shop/password\nValue: old\nFlags: seen\n")
    store = "sed -n 's/^shop \\(\\S*\\) password \\(.*\\)/Name: \\1\\nValue: \\2\\nFlags: seen\\n/p'"
    bench.tool("debconf-set-selections", f"{store} > /var/cache/debconf/passwords.dat")
    bench.settled(Answers("shop", {"shop/mode": ("select", "fast")}))
    real = bench.cycle(Answers("shop", {"shop/password": ("password", Secret("geheim"))}))
    assert real.diff[0][:3] == ("shop/password", "********", "********")
    bench.tool("debconf-set-selections", "cat >&2; exit 1")
    bench.fails(Answers("shop", {"shop/other": ("string", "x")}), "setting answers", plan=False)


def test_repository_that_cannot_be_used_is_taken_away(bench: Bench) -> None:
    bench.over("/etc")
    bench.tool("apt-get", 'case "$*" in *Error-Mode*) test ! -e /etc/broken;; *) true;; esac')
    sources, keys = bench.root / "etc/apt/sources.list.d", bench.root / "etc/apt/keyrings"
    step = Repository("shop", "https://apt.example.org/deb", ["bookworm"], ["main"], key=KEY)
    bench.cycle(step)
    assert (sources / "shop.sources").read_text() == (
        "Types: deb\nURIs: https://apt.example.org/deb\nSuites: bookworm\nComponents: main\n"
        "Signed-By: /etc/apt/keyrings/shop.asc\n"
    )
    assert (keys / "shop.asc").read_text() == KEY
    (sources / "shop.sources").write_text("drift")
    bench.cycle(step)
    bench.cycle(NoRepository("shop"))
    (bench.root / "etc/broken").touch()
    bench.fails(step, "can't be used", plan=False)
    bench.settled(NoRepository("shop"))


def test_a_package_in_a_folder_that_others_can_change_is_refused(bench: Bench) -> None:
    shared = bench.root / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "tool.deb").write_bytes(b"")
    bench.fails(PackageFile(f"{shared}/tool.deb"), "apt would install as root what they put there")


def test_pins(bench: Bench) -> None:
    bench.over("/etc")
    bench.cycle(Pin("shop", ["shop*", "src:shop", "/^libshop/"], "release o=Shop, n=bookworm", 990))
    file = bench.root / "etc/apt/preferences.d/shop.pref"
    assert file.read_text() == (
        "Package: shop* src:shop /^libshop/\nPin: release o=Shop, n=bookworm\nPin-Priority: 990\n"
    )
    bench.cycle(Pin("shop", "*", 'origin "apt.example.org"', -1))
    bench.cycle(NoPin("shop"))
    bench.settled(NoPin("shop"))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Pin("a.b", "shop", "version 1.*", 500), "not a name"),
        (Pin("a", "shop web", "version 1.*", 500), "neither the name"),
        (Pin("a", [], "version 1.*", 500), "a name or a list"),
        (Pin("a", "shop", "release bookworm", 500), "not a pin"),
        (Pin("a", "shop", "origin apt.example.org", 500), "not a pin"),
        (Pin("a", "shop", "version 1.*\nPackage: *", 500), "not a pin"),
        (Pin("a", "shop", "version 1.*", 0), "other than 0"),
        (Pin("a", "shop", "version 1.*", 40000), "from -32768"),
        (Packages("shop", release="a b"), "release must be"),
        (Packages("shop=1.0", release="bookworm"), "asks for the newest"),
        (PackageFile("/srv/shop.rpm"), "ends in .deb"),
    ],
)
def test_what_apt_would_not_take_is_refused(step: Step, message: str) -> None:
    refuses(step, message)


def test_sql_is_quoted() -> None:
    assert identifier('a"b') == '"a""b"'
    assert literal("a'b") == "'a''b'" and literal("a\\'b") == " E'a\\\\''b'"


def test_passwords_are_known_again() -> None:
    # RFC 7677, section 3: the example's password, salt and count, as the server would keep them
    kept = scram("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    assert kept.endswith(":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
    assert matches("pencil", "user", kept) and not matches("pen", "user", kept)
    assert matches("ä", "x", verifier("ä"))
    assert matches("x", "u", "md5" + hashlib.md5(b"xu").hexdigest())
    assert not matches("x", "u", "")


def test_a_host_without_postgres_says_so(bench: Bench) -> None:
    bench.over("/usr/bin")
    bench.script += "rm -f /usr/bin/psql && "
    bench.fails(DatabaseRole("x"), "no PostgreSQL")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Answers("Shop", {"a/b": ("string", "x")}), "name of a package"),
        (Answers("shop", {}), "no question"),
        (Answers("shop", {"mode": ("string", "x")}), "name of a question"),
        (Answers("shop", {"a/b": ("text area", "x")}), "type"),
        (Answers("shop", {"a/b": ("boolean", "yes")}), "boolean"),
        (Answers("shop", {"a/b": ("string", "x\nshop a/c string y")}), "one line"),
        (Repository("a.b", "https://x/", ["s"], ["main"], key=KEY), "not a name"),
        (Repository("a", "x", ["s"], ["main"], key=KEY), "uri"),
        (Repository("a", "https://u:p@x/", ["s"], ["main"], key=KEY), "password"),
        (Repository("a", "https://x/", ["s"], key=KEY), "components"),
        (Repository("a", "https://x/", ["s/"], ["main"], key=KEY), "components"),
        (Repository("a", "https://x/", ["s"], ["main"]), "one of key"),
        (Repository("a", "https://x/", ["s"], ["main"], key="x"), "armored"),
        (Repository("a", "https://x/", "bookworm", ["main"], key=KEY), "list of words"),
        (Repository("a", "https://x/", ["s\nTrusted: yes"], ["main"], key=KEY), "list of words"),
        (NoRepository("../x"), "not a name"),
        (DatabaseRole("a\nb"), "one line"),
        (DatabaseRole("a" * 64), "63 bytes"),
        (DatabaseRole("a", password=Secret("")), "empty"),
        (DatabaseRole("a", port=0), "port"),
        (DatabaseRole("a", user="x y"), "user of the host"),
        (Database("a", encoding="UTF 8"), "encoding"),
        (Database("template1", present=False), "refusing"),
        (Extension("", "a"), "empty"),
        (Grant("a", ["SELECT"], "d"), "not a privilege"),
        (Grant("a", "SELECT", "d", on="tables"), "list"),
        (Grant("a", ["SELECT"], "d", on="table"), "one of"),
        (DatabaseRole("a", createdb="yes"), "True, False or None"),  # type: ignore[arg-type]
        (DatabaseRole("a", connection_limit=-2), "connection_limit"),
        (DatabaseRole("a", member_of="b"), "list"),
        (DatabaseRole("a", drop_owned=True), "present=False"),
        (DatabaseRole("a", present=False, drop_owned=True, reassign_owned_to="b"), "contradicts"),
        (Database("a", force=True), "present=False"),
        (Extension("a", "b", version="1", latest=True), "cannot be combined"),
        (Grant("a", ["CONNECT"], "d", names=["x"]), "names is a list of tables"),
        (DefaultPrivileges("a", ["CREATE"], "d", owner="b", on="schema"), "one of tables"),
        (Setting("work_mem", ["1"]), "must be text"),
        (Setting("search_path", ""), "to nothing"),
        (Setting("Search_Path", []), "to nothing"),
        (Setting("search_path", 'a, "b'), "not a list of names"),
        (Setting("search_path", "a,, b"), "not a list of names"),
        (Setting("search_path", ["a\nb"]), "one line"),
        (Setting("work mem", "1"), "not the name"),
        (Setting("work_mem", "1\n2"), "one line"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    refuses(step, message)
