"""Roles that declare themselves, servers and fronts: what is refused of them; nothing else names them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from inventories import errors, host, inventory, no_roles, project

import provision
from provision.apps.fleet import Fleet
from provision.apps.reading import apps_of
from provision.declared.constants import source_of
from provision.declared.fronts import fronts
from provision.declared.role_folders import BUILTIN, search_path
from provision.declared.serving_roles import server, servers
from provision.errors import ConfigErrors
from provision.roles.project import in_order, resolve
from provision.roles.role_model import find
from provision.serving.instances import Program, checked
from provision.sources.manifests import Manifests

TOP = Path(provision.__file__).parent
#: every built-in server; a module of provision/ that names one would have to be changed for the next one
BUILT_IN = re.compile(r"granian|uvicorn|hypercorn|daphne|uwsgi|gunicorn|mod_wsgi", re.IGNORECASE)
#: what may name them, and why
EXAMPLES = {
    "steps/package.py": "an example shows a package that has another name on Fedora",
    "steps/support/package_names.py": "the names of packages on Debian and on Fedora",
}
SERVER = '''\
"""A server of our own."""
from provision.role import Host, task
from provision.server import Program, Release, ServerParams, serve

SERVES = ("wsgi",)
PACKAGE = "waitress>=3,<4"


def program(c: Host, release: Release, p: ServerParams) -> Program:
    return Program(["waitress"])


@task
def install(c: Host, p: ServerParams) -> None:
    """Serve."""
    serve(c)
'''
FRONT = '''\
"""A front of our own."""
from provision.role import Host, task

OFFERS = ("static",)
UNIT = "caddy"
SITES = "/etc/caddy/sites/{}.conf"


@task
def install(c: Host) -> None:
    """Stand before."""
'''
INVENTORY = """
roles: [python, app]
apps:
  shop:
    source: src
    target: shop:app
    domains: [shop.example.com]
"""


def shop(folder: Path, settings: str, **roles: str) -> list[str]:
    """The errors of a project with these roles, whose application has these settings too."""
    files = {f"roles/{name}/__init__.py": text for name, text in roles.items()}
    project(folder, {**files, "src/requirements.txt": ""})
    lines = "".join(f"    {line}\n" for line in settings.splitlines())
    return [
        text.replace(f"{folder}/", "")
        for text in errors(lambda: apps_of(host(folder, INVENTORY + lines), Manifests()))
    ]


@pytest.mark.parametrize("path", sorted(TOP.rglob("*.py")), ids=lambda p: p.relative_to(TOP).as_posix())
def test_no_module_names_a_built_in_server(path: Path) -> None:
    name = path.relative_to(TOP).as_posix()
    if name.startswith("builtin/") or name in EXAMPLES:
        return
    found = [n for n, line in enumerate(path.read_text().splitlines(), 1) if BUILT_IN.search(line)]
    assert found == [], f"{name} names a built-in server: have its role declare what is special to it"


def test_a_projects_own_server_is_one_of_them(tmp_path: Path) -> None:
    web1 = host(
        project(tmp_path, {"roles/waitress/__init__.py": SERVER, "src/requirements.txt": ""}),
        INVENTORY + "    server: waitress\n",
    )
    (app,) = apps_of(web1, Manifests())
    assert (app.server, app.interface, app.release.packages) == ("waitress", "wsgi", ["waitress>=3,<4"])
    (assignment,) = resolve([web1], project=tmp_path)
    assert [role.name for role, _ in assignment.roles] == ["python", "app", "waitress", "tls", "nginx"]


def test_the_environment_of_a_release_has_its_servers_package(tmp_path: Path) -> None:
    project(tmp_path, {"src/requirements.txt": "", "named/requirements.txt": "uWSGI==2.0\n"})
    for source, server_, packages in (
        ("src", "uwsgi", ["pyuwsgi>=2.0.28,<2.1"]),
        ("named", "uwsgi", []),
        ("src", "mod_wsgi", []),
        ("src", "gunicorn", ["gunicorn>=25.1,<28"]),
    ):
        text = INVENTORY.replace("source: src", f"source: {source}") + f"    server: {server_}\n"
        assert apps_of(host(tmp_path, text), Manifests())[0].release.packages == packages


ALL = "container, daphne, granian, gunicorn, hypercorn, mod_wsgi, uvicorn, uwsgi, waitress"
AT = "inv.yml:10 web1.apps.shop."


def test_what_is_no_server_is_refused_where_it_is_named(tmp_path: Path) -> None:
    for settings, message in (
        ("server: waitres", f"server: 'waitres' is not one of {ALL}. Did you mean 'waitress'?"),
        ("server: ../app", f"server: '../app' is not one of {ALL}."),
        ("server: mod-wsgi", f"server: 'mod-wsgi' is not one of {ALL}. Did you mean 'mod_wsgi'?"),
        ("server: nginx", f"server: 'nginx' is a role without SERVES, so not a server; these are: {ALL}"),
        ("server: 3", "server: must be text, not 3"),
        (
            "front: gunicorn",
            "front: 'gunicorn' is a role without OFFERS, so not a front; these are: apache, nginx",
        ),
        ("front: ngnix", "front: 'ngnix' is not one of apache, nginx. Did you mean 'nginx'?"),
    ):
        assert shop(tmp_path, settings, waitress=SERVER) == [AT + message]
    line = AT.replace("10", "11")
    able = "uvicorn, container, daphne, granian, gunicorn, hypercorn"
    speaks = f"server: 'waitress' does not speak asgi; these do: {able}"
    assert shop(tmp_path, "interface: asgi\nserver: waitress", waitress=SERVER) == [line + speaks]


ROLE = "roles/waitress/__init__.py"
WRONG = {
    ('SERVES = ("wsgi",)', 'SERVS = ("wsgi",)'): f"{ROLE}:5: SERVS declares nothing. Did you mean SERVES?",
    ('SERVES = ("wsgi",)', ""): f"{ROLE}:9: role 'waitress' has no SERVES",
    ('("wsgi",)', '("wsgi")'): f"{ROLE}:5: SERVES must be a literal tuple of words, not 'wsgi'",
    ('("wsgi",)', '("wgsi",)'): f"{ROLE}:5: SERVES: 'wgsi' is not an interface (wsgi, asgi). Did you mean 'wsgi'?",
    ('("wsgi",)', '("WSGI",)'): f"{ROLE}:5: SERVES: 'WSGI' is not an interface (wsgi, asgi).",
    ('SERVES = ("wsgi",)', "from roles.app import SERVES"): f"{ROLE}:5: SERVES must be a literal tuple of words",
    ('SERVES = ("wsgi",)', 'if 1:\n    SERVES = ("wsgi",)'): f"{ROLE}:6: SERVES must be a literal tuple of words",
    ('SERVES = ("wsgi",)', 'SERVES = ("wsgi",)\nSERVES += ("asgi",)'): f"{ROLE}:6: SERVES must be a literal",
    ('("wsgi",)', "()"): f"{ROLE}:5: SERVES must name at least one interface",
    ('("wsgi",)', "(3,)"): f"{ROLE}:5: SERVES must be a literal tuple of words, not (3,)",
    ('("wsgi",)', "tuple(['wsgi'])"): f"{ROLE}:5: SERVES must be a literal tuple of words",
    ('PACKAGE = "waitress>=3,<4"', ""): f"{ROLE}:5: role 'waitress' has SERVES, but no PACKAGE",
    ("PACKAGE", "PACKAGES"): f"{ROLE}:6: PACKAGES declares nothing. Did you mean PACKAGE?",
    ('"waitress>=3,<4"', '""'): f"{ROLE}:6: PACKAGE must be a requirement such as 'name>=1,<2', or None, not ''",
    ('"waitress>=3,<4"', '"--index-url=x"'): f"{ROLE}:6: PACKAGE must be a requirement such as 'name>=1,<2', or None",
    ('"waitress>=3,<4"', '"a\\nb"'): f"{ROLE}:6: PACKAGE must be a requirement such as 'name>=1,<2', or None",
    ('"waitress>=3,<4"', "str()"): f"{ROLE}:6: PACKAGE must be literal text: prov reads it without",
    ("def program", "def programme"): f"{ROLE}:5: role 'waitress' has SERVES, but no function `program`",
    ("SERVES", "DEFAULT_FOR = SERVES"): f"{ROLE}:5: DEFAULT_FOR is for built-in servers",
    ("def install(", "def install(("): f"{ROLE}:14: role 'waitress' can't be imported: SyntaxError: ",
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG.items(), ids=[str(n) for n in range(len(WRONG))])
def test_a_server_that_declares_itself_wrongly_is_refused_where_it_does(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    assert change[0] in SERVER
    (error,) = shop(tmp_path, "server: waitress", waitress=SERVER.replace(*change))
    assert error.startswith(message)


@pytest.mark.parametrize(
    "signature",
    ["c: Host, release: Release", "c: Host, release: Release, p: int", "c, release, p", "c, r, p: Host"],
)
def test_a_program_of_another_form_is_refused_before_any_host(tmp_path: Path, signature: str) -> None:
    text = SERVER.replace("c: Host, release: Release, p: ServerParams)", f"{signature})")
    found = errors(
        lambda: find("waitress", search_path(project(tmp_path, {"roles/waitress/__init__.py": text})))
    )
    takes = "program: takes a host, a release and parameters of a class that is derived from ServerParams"
    assert found == [f"{tmp_path}/{ROLE}:9: {takes}"]


def program() -> None:
    """What the errors are about."""


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "must return a Program, not None"),
        (["waitress-serve"], "must return a Program, not ['waitress-serve']"),
        (Program("waitress-serve --x"), "argv must be a list of words, not 'waitress-serve --x'"),
        (Program([]), "argv must be a list of words, not []"),
        (Program([" "]), "argv must be a list of words, not [' ']"),
        (Program(["waitress-serve", 8]), "argv must be a list of words, not ['waitress-serve', 8]"),  # type: ignore[list-item]
        (Program(["waitress-serve"], processes=0), "processes must be at least 1, not 0"),
    ],
)
def test_a_program_that_starts_nothing_is_refused_with_its_line(returned: object, message: str) -> None:
    line = program.__code__.co_firstlineno
    assert errors(lambda: checked(program, returned)) == [f"{__file__}:{line}: program: {message}"]


def test_a_program_is_what_it_is() -> None:
    good = Program(["waitress-serve --x", "--y"], processes=2)
    assert checked(program, good) is good


def test_a_server_without_serves_is_refused_wherever_it_is_found(tmp_path: Path) -> None:
    text = SERVER.replace("SERVES", "SERVE")
    folders = search_path(project(tmp_path, {"roles/waitress/__init__.py": text}))
    message = f"{tmp_path}/{ROLE}:5: SERVE declares nothing. Did you mean SERVES?"
    assert errors(lambda: find("waitress", folders)) == [message]


def test_a_role_that_extends_a_server_is_one(tmp_path: Path) -> None:
    extending = """\
        from provision.builtin import uvicorn
        from provision.role import Host, task

        EXTENDS = uvicorn
        PACKAGE = "uvicorn==0.35.0"


        @task
        def more(c: Host) -> None:
            '''More.'''
        """
    folders = search_path(project(tmp_path, {"roles/ours/__init__.py": extending}))
    found = server("ours", folders)
    assert found is not None
    assert (found.serves, found.package) == (("asgi",), "uvicorn==0.35.0")
    # in the place of the built-in one, by its name
    project(tmp_path, {"roles/uvicorn/__init__.py": extending})
    assert server("uvicorn", folders) == type(found)(
        "uvicorn", str(tmp_path / "roles/uvicorn/__init__.py"), ("asgi",), "uvicorn==0.35.0"
    )
    assert [each.name for each in servers(folders)].count("uvicorn") == 1


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from provision.builtin import uvicorn", "uvicorn"),
        ("from provision.builtin import uvicorn as theirs", "theirs"),
        ("from provision import builtin\nimport provision.builtin.uvicorn", "builtin.uvicorn"),
        ("import roles.uvicorn as theirs", "theirs"),
        ("from roles import uvicorn", "uvicorn"),
    ],
)
def test_a_role_may_extend_a_server_by_any_import(tmp_path: Path, line: str, name: str) -> None:
    folders = search_path(project(tmp_path, {"roles/ours/__init__.py": f"{line}\nEXTENDS = {name}\n"}))
    found = find("ours", folders)
    assert found is not None and found.server is not None
    assert (found.server.name, found.server.serves, found.requires) == ("ours", ("asgi",), ("app",))


def test_a_server_that_is_extended_by_a_way_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    text = "import importlib\n\nEXTENDS = importlib.import_module('provision.builtin.uvicorn')\n"
    folders = search_path(project(tmp_path, {"roles/ours/__init__.py": text}))
    message = f"{tmp_path}/roles/ours/__init__.py:3: role 'ours' extends a server, but prov cannot read which"
    assert errors(lambda: find("ours", folders)) == [message]


def test_roles_that_extend_each_other_end(tmp_path: Path) -> None:
    one, two = (f"from roles import {name}\nEXTENDS = {name}\n" for name in ("two", "one"))
    folders = search_path(project(tmp_path, {"roles/one/__init__.py": one, "roles/two/__init__.py": two}))
    source = source_of("one", folders)
    assert source is not None and len(source.modules) == 2


def test_two_servers_of_one_class_have_parameters_of_their_own(tmp_path: Path) -> None:
    extending = """\
        from provision.builtin import gunicorn

        EXTENDS = gunicorn
        """
    project(tmp_path, {"roles/ours/__init__.py": extending, "src/requirements.txt": ""})
    text = """
        roles: [python, app]
        ours: {threads: 9, worker_class: asgi}
        gunicorn: {threads: 3}
        apps:
          shop: {source: src, target: shop:app, domains: [a.test], interface: asgi, server: ours}
          blog: {source: src, target: blog:app, domains: [b.test], server: gunicorn}
    """
    (assignment,) = resolve([host(tmp_path, text)], project=tmp_path)
    assert [(name, p.threads) for name, p in assignment.params.items() if hasattr(p, "threads")] == [
        ("ours", 9),
        ("gunicorn", 3),
    ]
    # each is judged by the applications that it serves
    wrong = text.replace("interface: asgi, server: ours", "server: ours")
    assert errors(lambda: resolve([host(tmp_path, wrong)], project=tmp_path)) == [
        "inv.yml:5 web1.ours.worker_class: 'asgi' does not serve 'shop', which speaks wsgi; "
        "left out, each gets a worker that does"
    ]


def test_any_role_may_have_constants_that_look_like_declarations(tmp_path: Path) -> None:
    text = '''
        """A package."""
        from provision.role import Host, task

        PACKAGE = "memcached"
        SERVERS = ["a", "b"]
        UNIT = "memcached"
        OFFER = 1


        @task
        def install(c: Host) -> None:
            """Install."""
        '''
    role = find("mine", search_path(project(tmp_path, {"roles/mine/__init__.py": text})))
    assert role is not None and (role.server, role.front, role.after, role.requires) == (None, None, (), ())


# -- fronts


def test_a_projects_own_front_is_one_of_them(tmp_path: Path) -> None:
    roles = {"roles/caddy/__init__.py": FRONT, "roles/waitress/__init__.py": SERVER}
    web1 = host(
        project(tmp_path, {**roles, "src/requirements.txt": ""}),
        INVENTORY + "    front: caddy\n    server: waitress\n",
    )
    (assignment,) = resolve([web1], project=tmp_path)
    assert [role.name for role, _ in assignment.roles] == ["python", "app", "waitress", "tls", "caddy"]
    caddy = next(role for role, _ in assignment.roles if role.name == "caddy")
    assert [role.name for role in in_order([caddy, *(r for r, _ in assignment.roles)])][-1] == "caddy"
    assert caddy.front is not None and caddy.front.site("shop") == "/etc/caddy/sites/shop.conf"
    assert [each.name for each in fronts(search_path(tmp_path))] == ["apache", "caddy", "nginx"]


@pytest.mark.parametrize(
    ("settings", "lacks"),
    [
        ("auth: {by: basic, users: {a: b}}", "auth: basic"),
        ("rate_limit: 10/s", "rate_limit"),
        ("cache: {}", "cache"),
        ("media: {/media/: media}", "media"),
        ("streams: [/events]", "streams"),
        ("maintenance: true", "maintenance"),
    ],
)
def test_what_a_front_does_not_do_is_refused(tmp_path: Path, settings: str, lacks: str) -> None:
    project(tmp_path, {"roles/caddy/__init__.py": FRONT, "src/requirements.txt": ""})
    web1 = host(tmp_path, f"{INVENTORY}    front: caddy\n    {settings}\n")
    with pytest.raises(ConfigErrors) as raised:
        apps_of(web1, Manifests())
    (error,) = raised.value.errors
    at = f"inv.yml:11 web1.apps.shop.{settings.partition(':')[0]}: "
    assert str(error) == f"{at}the front 'caddy' has no `{lacks}`"
    assert error.hint == "Set `front` to one that has: apache, nginx"


def test_a_front_that_does_not_balance_or_cache_does_not_stand_before_others(tmp_path: Path) -> None:
    project(
        tmp_path,
        {
            "roles/caddy/__init__.py": FRONT,
            "roles/half/__init__.py": FRONT.replace('("static",)', '("balance",)'),
            "src/requirements.txt": "",
        },
    )
    text = """\
        all:
          hosts:
            lb1: {balance: {shop: {hosts: web1, front: FRONT}}}
            web1: {apps: {shop: {source: src, target: a:b, domains: [a.test], cache: {}}}}
        """
    for front, message in (
        ("caddy", "the front 'caddy' does not balance"),
        ("half", "the front 'half' has no `cache`, which shop needs"),
        ("apache2", "'apache2' is not one of apache, caddy, half, nginx. Did you mean 'apache'?"),
    ):
        lb1 = inventory(tmp_path, text.replace("FRONT", front)).hosts["lb1"]
        assert errors(lambda: Fleet(lb1.inventory, no_roles).balanced(lb1)) == [  # noqa: B023
            f"inv.yml:3 lb1.balance.shop.front: {message}"
        ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('("static",)', '("statics",)'), "4: OFFERS: 'statics' is not one of static, media, "),
        (('UNIT = "caddy"', ""), "4: role 'caddy' has OFFERS, but no UNIT"),
        (("UNIT", "UNITS"), "5: UNITS declares nothing. Did you mean UNIT?"),
        (('"caddy"', '"a b"'), "5: UNIT must be the name of a unit, not 'a b'"),
        (("{}.conf", "x.conf"), "6: SITES must be an absolute path with {} for the application's name"),
        (('"/etc/caddy/sites/{}.conf"', "3"), "6: SITES must be literal text"),
        (("OFFERS", "OFERS"), "4: OFERS declares nothing. Did you mean OFFERS?"),
    ],
)
def test_a_front_that_declares_itself_wrongly_is_refused_where_it_does(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    assert change[0] in FRONT
    (error,) = shop(tmp_path, "front: caddy", caddy=FRONT.replace(*change))
    assert error.startswith(f"roles/caddy/__init__.py:{message}")


def test_the_built_in_ones() -> None:
    assert [each.name for each in fronts([BUILTIN])] == ["apache", "nginx"]
    assert {each.name for each in servers([BUILTIN])} == {
        *("container", "daphne", "granian", "gunicorn", "hypercorn", "mod_wsgi", "uvicorn", "uwsgi")
    }


# -- the example


def test_the_docs_show_the_example_as_it_is() -> None:
    role = TOP.parent / "examples/own_server/roles/waitress"
    page = (TOP.parent / "docs/servers.md").read_text(encoding="utf-8")
    files = [role / "__init__.py", role / "files/waitress_on_systemd.py"]
    assert [f"```python\n{file.read_text(encoding='utf-8')}```" in page for file in files] == [True, True]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 40
    everything = [*(TOP.parent / "provision").rglob("*.py"), *(TOP.parent / "roles").rglob("*.py")]
    named = [path.name for path in everything if "waitress" in path.read_text(encoding="utf-8").lower()]
    assert named == ["serving_roles.py"], "but for what the module of declarations shows as an example"
