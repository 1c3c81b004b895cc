"""The App model, and how its mistakes are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from inventories import errors, host, inventory, project
from pydantic import ValidationError

from provision.apps.app_model import App
from provision.apps.balancing import Balance
from provision.apps.process_parts import (
    BuildSettings,
    Chore,
    ImageSettings,
    JobSettings,
    Openings,
    PackageSettings,
    ProcessSettings,
)
from provision.apps.reading import apps_of
from provision.apps.settings import (
    Auth,
    Cache,
    Django,
    Index,
    RateLimit,
    Settings,
)
from provision.apps.tls_settings import AccountBinding, AcmeDefaults, DnsUpdates, OwnCertificate
from provision.declared.role_folders import BUILTIN
from provision.declared.serving_roles import servers, serving
from provision.inventory import InventoryHost, load
from provision.inventory.ec2_block import instance_spec
from provision.secrets import Secret
from provision.sources.manifests import Manifests

REPO = Path(__file__).parents[2]
BASE = {"source": "source: src", "target": "target: shop:app", "domains": "domains: [shop.example.com]"}


def app_errors(folder: Path, settings: str) -> list[str]:
    """The errors of an app whose settings are these lines and, where they do not say otherwise, BASE."""
    project(folder, {"src/requirements.txt": "", "src/manage.py": ""})
    web1 = host(folder, yaml_of(settings))
    return errors(lambda: apps_of(web1, Manifests()))


def yaml_of(settings: str) -> str:
    said = {line.split(":")[0] for line in settings.splitlines()}
    lines = [*settings.splitlines(), *(line for name, line in BASE.items() if name not in said)]
    return "apps:\n  shop:\n" + "".join(f"    {line}\n" for line in lines)


def one_app(folder: Path, settings: str = "") -> App:
    project(folder, {"src/requirements.txt": "", "src/manage.py": ""})
    (app,) = apps_of(host(folder, yaml_of(settings)), Manifests())
    return app


def test_defaults(tmp_path: Path) -> None:
    app = one_app(tmp_path)
    assert app.model_dump() == {
        "name": "shop",
        "source": tmp_path / "src",
        "ref": None,
        "subdirectory": None,
        "max_source": "2g",
        "interface": "wsgi",
        "target": "shop:app",
        "server": "gunicorn",
        "front": "nginx",
        "domains": ("shop.example.com",),
        "tls": "private-ca",
        "static": {},
        "media": {},
        "environment": {},
        "secrets": {},
        "secrets_as": "environment",
        "health": "/",
        "requirements": None,
        "extras": (),
        "groups": (),
        "install": False,
        "pythonpath": (),
        "start_timeout": 60,
        "expect": (),
        "processes": {},
        "jobs": {},
        "chores": (),
        "writable": (),
        "files": {},
        "uses": {},
        "packages": {"run": (), "build": ()},
        "sandbox": {"writable_paths": (), "proc": False, "netlink": False},
        "indexes": (),
        "python": "/usr/bin/python3",
        "django": None,
        "workers": None,
        "max_body": "10m",
        "redirects": (),
        "default": False,
        "health_by_any_name": False,
        "routes": (),
        "headers": {},
        "allow": {},
        "deny": {},
        "build": None,
        "snippets": (),
        "timeout": 30,
        "path": "/",
        "streams": (),
        "auth": None,
        "cache": None,
        "rate_limit": None,
        "error_pages": None,
        "maintenance": False,
        "keep_releases": 3,
        "user": "app-shop",
        "image": None,
    }


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    settings = """\
source: git@git.example.com:shop/shop.git
ref: v1.4.2
subdirectory: backend
interface: asgi
target: shop.asgi:application
server: hypercorn
front: apache
domains: [Shop.Example.com, "*.shop.example.com"]
tls: none
static: {/static/: static, /static/admin/: ./assets/admin}
media: {/media/: media}
environment: {DEBUG: "0", SECRET_KEY: abc, DATABASE_URL: "postgres://me:pw@db/x", FORMAT: !unsafe "{{x}}"}
health: /healthz/
requirements: requirements/production.txt
django: {settings: shop.settings.production, manage: bin/manage.py, migrate: false, collectstatic: no}
workers: 4
max_body: 1g
timeout: 60
keep_releases: 5
user: shop"""
    app = one_app(tmp_path, settings)
    assert app.source == "git@git.example.com:shop/shop.git"
    assert (app.server, app.front, app.tls) == ("hypercorn", "apache", "none")
    assert app.domains == ("shop.example.com", "*.shop.example.com")
    assert app.static == {"/static/": "static", "/static/admin/": "assets/admin"}
    assert app.environment == {
        "DEBUG": "0",
        "SECRET_KEY": Secret("abc"),
        "DATABASE_URL": Secret("postgres://me:pw@db/x"),
        "FORMAT": "{{x}}",
    }
    assert app.django == Django(
        settings="shop.settings.production", manage="bin/manage.py", migrate=False, collectstatic=False
    )
    assert "abc" not in repr(app) and "pw@" not in repr(app)


SERVERS = "container, daphne, granian, gunicorn, hypercorn, mod_wsgi, uvicorn, uwsgi"
WSGI = "gunicorn, container, granian, hypercorn, mod_wsgi, uwsgi"
QUOTED = "is not a host name like shop.example.com or *.example.com"
BAD = {
    "server: gunicron": f"server: 'gunicron' is not one of {SERVERS}. Did you mean 'gunicorn'?",
    "sevrer: gunicorn": "sevrer: unknown parameter 'sevrer'. Did you mean 'server'?",
    "server: uvicorn": f"server: 'uvicorn' does not speak wsgi; these do: {WSGI}",
    "server: daphne": f"server: 'daphne' does not speak wsgi; these do: {WSGI}",
    "target: shop": "target: 'shop' is not of the form module:callable, or module:factory() without arguments",
    "target: 'shop:create app()'": (
        "target: 'shop:create app()' is not of the form module:callable, or module:factory() without arguments"
    ),
    "target: 3": "target: must be text, not 3",
    "domains: shop.example.com": "domains: must be a list, not 'shop.example.com'",
    "domains: []": "domains: has 0 entries, expected at least 1",
    "domains: [a_b.example]": f"domains.0: 'a_b.example' {QUOTED}",
    "domains: ['*.*.example']": f"domains.0: '*.*.example' {QUOTED}",
    f"domains: [{'a' * 64}.example]": f"domains.0: '{'a' * 64}.example' {QUOTED}",
    "domains: [192.0.2.3]": "domains.0: '192.0.2.3' is an address; an application is served under host names",
    "domains: [x.example, X.example]": "domains: 'x.example' is listed twice",
    "workers: '4'": "workers: must be a whole number, not '4'",
    "workers: 0": "workers: must be at least 1, not 0",
    "timeout: yes": "timeout: must be a whole number, not true",
    "timeout: 1.5": "timeout: must be a whole number, not 1.5",
    "environment: [A]": "environment: must be a mapping, not a list",
    "environment: {PORT: 80}": "environment.PORT: must be text, not 80",
    "environment: {DEBUG: no}": "environment.DEBUG: must be text, not false",
    "environment: {SECRET_KEY: 123}": "environment.SECRET_KEY: must be text",
    "environment: {A: }": "environment.A: must be text, not empty",
    "environment: {a-b: x}": "environment.a-b: 'a-b' is not a name of capital letters, digits and _",
    "environment: {1: x}": "environment.1: must be text, not 1",
    "environment: {A: '{{ b }}'}": "environment.A: '{{ b }}' could not be worked out: 'b' is undefined",
    "environment: {A: !vault b}": "environment.A: the vault is damaged: the first line is not one of Ansible Vault",
    'environment: {A: "\\0"}': "environment: the value of A has a NUL in it",
    "static: {static/: x}": "static.static/: 'static/' is not a path like /admin/ or /",
    "media: {/: x}": "media./: '/' is not a URL prefix like /static/",
    "static: {/s/: ../x}": "static./s/: '../x' is not a relative path without '..'",
    "static: {/s/: /x}": "static./s/: '/x' is not a relative path without '..'",
    "static: {/s/: x}\nmedia: {/s/: y}": "media: '/s/' is a prefix of `static` already",
    "health: healthz": "health: 'healthz' is not a path like /admin/ or /",
    "requirements: /etc/passwd": "requirements: '/etc/passwd' is not a relative path",
    "django: true": "django: must be a mapping, not true",
    "django: {settings: a b}": "django.settings: 'a b' is not a module like shop.settings",
    "django: {settings: a, migrate: 'yes'}": "django.migrate: must be true or false, not 'yes'",
    "django: {settings: a, mange: b}": "django.mange: unknown parameter 'mange'. Did you mean 'manage'?",
    "django: {}": "django.settings: is required",
    "max_body: 10 MB": "max_body: '10 MB' is not a size like 512k, 10m or 1g, or 0",
    "user: root": "user: 'root' is not the name of a user other than root",
    "ref: main": "ref: needs a git source, but this one is a local folder",
    "source: https://git.example.com/x.git\nref: --exec=x": "ref: '--exec=x' is not a branch, tag or commit",
    "tls: letsencrypt": "tls: 'letsencrypt' is not one of acme, private-ca, self-signed, none.",
    "tls: {certificate: a.crt}": "tls.key: is required",
    "tls: {certificate: a, key: b, kay: c}": "tls.kay: unknown parameter 'kay'. Did you mean 'key'?",
    "tls: 1": "tls: 1 is not one of acme, private-ca, self-signed, none.",
    "path: shop": "path: 'shop/' is not a path like /admin/ or /",
    "auth: basic": "auth: basic needs `users`: login names with their passwords",
    "auth: {by: ldap}": "auth.by: 'ldap' is not one of basic, django, certificate.",
    "auth: {by: basic, users: {a: b}, groups: [x]}": "auth: `groups` are Django's; basic has only `users`",
    "rate_limit: fast": "rate_limit: 'fast' is not a rate like 10/s or 100/m",
    "cache: {size: 1}": "cache.size: must be text, not 1",
    "name: other": "name: an application's name is its key in `apps`",
}  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), BAD.items())
def test_bad_settings(tmp_path: Path, settings: str, message: str) -> None:
    line = 6 + settings.count("\n") if "static: {/s/: x}\n" in settings or "git.example" in settings else 6
    assert app_errors(tmp_path, settings) == [f"inv.yml:{line} web1.apps.shop.{message}"]


def test_files_that_are_missing_here_are_found_before_any_connection(tmp_path: Path) -> None:
    for settings, message in (
        ("source: ./nope", f"source: no such folder: {tmp_path}/nope"),
        ("subdirectory: nope", f"subdirectory: no such folder: {tmp_path}/src/nope"),
        ("requirements: r.txt", f"requirements: no such file: {tmp_path}/src/r.txt"),
        ("django: {settings: a, manage: m.py}", f"django.manage: no such file: {tmp_path}/src/m.py"),
    ):
        assert app_errors(tmp_path, settings) == [f"inv.yml:6 web1.apps.shop.{message}"]


def test_all_mistakes_of_all_apps_come_together(tmp_path: Path) -> None:
    web1 = host(
        tmp_path,
        """
        apps:
          shop:
            source: https://git.example.com/shop.git
            server: gunicron
            workers: "4"
          Blog:
            source: https://git.example.com/blog.git
            target: blog:app
            domains: [blog.example.com]
          news: yes
        """,
    )
    assert errors(lambda: apps_of(web1, Manifests())) == [
        "inv.yml:5 web1.apps.shop.target: is required",
        f"inv.yml:7 web1.apps.shop.server: 'gunicron' is not one of {SERVERS}. Did you mean 'gunicorn'?",
        "inv.yml:5 web1.apps.shop.domains: is required",
        "inv.yml:8 web1.apps.shop.workers: must be a whole number, not '4'",
        "inv.yml:9 web1.apps.Blog.name: 'Blog' is not a name of a-z, 0-9 and '-', up to 28, beginning with a letter",
        "inv.yml:13 web1.apps.news: must be a mapping of settings, not true",
    ]


def test_a_domain_has_one_owner_on_a_host(tmp_path: Path) -> None:
    git = "source: https://git.example.com/x.git, target: x:y"
    text = f"""
        web:
          hosts:
            web[1:2]:
          vars:
            apps:
              shop: {{{git}, domains: [a.example, b.example]}}
              blog: {{{git}, domains: [c.example, B.example]}}
        """
    expected = ["inv.yml:7 web1.apps.blog.domains.1: 'b.example' already belongs to 'shop' (inv.yml:6)"]
    assert errors(lambda: apps_of(inventory(tmp_path, text).hosts["web1"], Manifests())) == expected


def test_applications_share_domains_by_their_paths(tmp_path: Path) -> None:
    git = "source: https://git.example.com/x.git, target: x:y"
    text = f"""
        web:
          hosts:
            web1:
          vars:
            apps:
              shop: {{{git}, domains: [a.example, b.example]}}
              blog: {{{git}, domains: [b.example, a.example], path: /blog/}}
              wiki: {{{git}, domains: [a.example], path: /wiki/}}
              news: {{{git}, domains: [b.example, a.example], path: /blog}}
        """
    assert errors(lambda: apps_of(inventory(tmp_path, text).hosts["web1"], Manifests())) == [
        "inv.yml:8 web1.apps.wiki.domains.0: is shared with 'shop' (inv.yml:6): both need the same names, "
        "front and tls",
        "inv.yml:9 web1.apps.news.domains.0: 'b.example' already belongs to 'blog' (inv.yml:7)",
        "inv.yml:9 web1.apps.news.domains.1: 'a.example' already belongs to 'blog' (inv.yml:7)",
    ]


def test_a_host_has_one_front(tmp_path: Path) -> None:
    git = "source: https://git.example.com/x.git, target: x:y"
    text = f"""
        web:
          hosts:
            web1:
          vars:
            apps:
              shop: {{{git}, domains: [a.example]}}
              blog: {{{git}, domains: [b.example], front: apache}}
        """
    assert errors(lambda: apps_of(inventory(tmp_path, text).hosts["web1"], Manifests())) == [
        "inv.yml:7 web1.apps.blog.front: shop has nginx as its front, and both need ports 80 and 443"
    ]


@pytest.mark.parametrize(
    ("settings", "collects"),
    [
        ("", False),
        ("django: {settings: a}", False),
        ("django: {settings: a}\nstatic: {/static/: s}", True),
        ("django: {settings: a, collectstatic: yes}\nstatic: {/static/: s}", True),
        ("django: {settings: a, collectstatic: no}\nstatic: {/static/: s}", False),
    ],
)
def test_static_files_are_collected_where_they_are_served(
    tmp_path: Path, settings: str, collects: bool
) -> None:
    assert one_app(tmp_path, settings).collects_static is collects


def test_what_needs_other_settings(tmp_path: Path) -> None:
    for settings, message in (
        ("auth: {by: basic, users: {a: b}}\ntls: none", "`auth` sends passwords: it needs `tls`"),
        (
            "django: {settings: a, collectstatic: yes}",
            "`collectstatic` fills the folders of `static`, but none are set: set `static`",
        ),
        ("auth: django\nfront: apache", "`auth: django` is for Django projects: set `django`"),
        (
            "auth: django\ndjango: {settings: a}",
            "the front 'nginx' has no `auth: django`",
        ),
    ):
        (error,) = app_errors(tmp_path, settings)
        assert error.endswith(message)


def test_passwords_of_people_are_secrets(tmp_path: Path) -> None:
    auth = one_app(tmp_path, "auth: {by: basic, users: {ann: sesame}}").auth
    assert auth is not None
    assert "sesame" not in repr(auth)
    assert auth.users["ann"].reveal() == "sesame"


def test_apps_that_are_no_mapping(tmp_path: Path) -> None:
    assert apps_of(host(tmp_path, "a: 1"), Manifests()) == []
    assert apps_of(host(tmp_path, "apps:"), Manifests()) == []
    web1 = host(tmp_path, "apps: [shop]")
    assert errors(lambda: apps_of(web1, Manifests())) == [
        "inv.yml:4 web1.apps: must be a mapping of names to settings, not a list"
    ]


def test_sources_start_at_the_file_that_names_them(tmp_path: Path) -> None:
    files = {
        "inventory/group_vars/web.yml": "apps: {shop: {source: ../../shop, target: a:b, domains: [a.b]}}",
        "inventory/hosts.yml": "web: {hosts: {web1: }}",
        "shop/requirements.txt": "",
    }
    web1 = load(cwd=project(tmp_path, files)).hosts["web1"]
    assert apps_of(web1, Manifests())[0].source == tmp_path / "shop"


def test_which_server_speaks_what() -> None:
    assert serving("wsgi", [BUILTIN]) == [
        "gunicorn",
        "container",
        "granian",
        "hypercorn",
        "mod_wsgi",
        "uwsgi",
    ]
    assert serving("asgi", [BUILTIN]) == [
        "uvicorn",
        "container",
        "daphne",
        "granian",
        "gunicorn",
        "hypercorn",
    ]
    common = {
        "name": "x",
        "source": "https://git.example.com/x.git",
        "target": "x:y",
        "domains": ("x.example",),
    }
    for server in servers([BUILTIN]):
        for interface in ("wsgi", "asgi"):
            if interface in server.serves:
                assert App(**common, server=server.name, interface=interface).server == server.name  # type: ignore[arg-type]
            else:
                with pytest.raises(ValidationError, match=f"does not speak {interface}"):
                    App(**common, server=server.name, interface=interface)  # type: ignore[arg-type]


def test_our_own_inventory_is_right() -> None:
    loaded = load(["inventory"], cwd=REPO)
    assert {
        name: [app.name for app in apps_of(host, Manifests())] for name, host in loaded.hosts.items()
    } == {
        "lb1": [],
        "web1": ["hello", "polls"],
        "web2": ["hello"],
        "stage-lb1": [],
        "stage-app2": ["notes"],
        "stage-app1": ["notes", "gallery"],
        "stage-db1": [],
    }
    assert {host.connection.kind for host in loaded.hosts.values()} == {"lab"}


def test_the_example_for_production_is_right() -> None:
    loaded = load(["inventory/production.example.yml"], cwd=REPO)
    staging = load(["inventory/staging.yml"], cwd=REPO)
    # the same set-up, host by host
    assert [served(host) for host in loaded.hosts.values()] == [
        served(host) for host in staging.hosts.values()
    ]
    assert {instance_spec(host).types for host in loaded.hosts.values()} == {("t3.small", "t3a.small")}
    assert instance_spec(loaded.hosts["lb1"]).address == "elastic"


def served(host: InventoryHost) -> list[tuple[str, str]]:
    """Names and servers of a host's applications."""
    return [(app.name, app.server) for app in apps_of(host, Manifests())]


@pytest.mark.parametrize(
    "model",
    [
        App,
        OwnCertificate,
        AcmeDefaults,
        AccountBinding,
        DnsUpdates,
        Django,
        Auth,
        Cache,
        RateLimit,
        Index,
        Balance,
        ProcessSettings,
        JobSettings,
        Chore,
        BuildSettings,
        BuildSettings,
        PackageSettings,
        ImageSettings,
        Openings,
    ],
)
def test_every_parameter_is_in_the_docs(model: type[Settings]) -> None:
    """One source for parameters, their validation and their documentation."""
    page = (REPO / "docs/inventory.md").read_text()
    for name, field in model.model_fields.items():
        rows = re.findall(rf"^\| `{field.alias or name}` \| .* \| (.*) \|$", page, re.MULTILINE)
        assert field.description in rows, f"{model.__name__}.{name} is not in docs/inventory.md"


@pytest.mark.trust("10", "same-user")
def test_an_application_does_not_run_as_a_person(tmp_path: Path) -> None:
    web1 = host(
        tmp_path,
        """
        ansible_user: deploy
        base:
          users:
            - {name: ada}
        apps:
          shop: {source: "https://git.example.com/x.git", target: "x:y", domains: [a.test], user: ada}
          blog: {source: "https://git.example.com/x.git", target: "x:y", domains: [b.test], user: deploy}
          news: {source: "https://git.example.com/x.git", target: "x:y", domains: [c.test], user: root}
          wiki: {source: "https://git.example.com/x.git", target: "x:y", domains: [d.test], user: wiki}
        """,
    )
    own = "but an application needs its own user"
    assert errors(lambda: apps_of(web1, Manifests())) == [
        "inv.yml:11 web1.apps.news.user: 'root' is not the name of a user other than root",
        "inv.yml:9 web1.apps.shop.user: 'ada' is an account of base.users (inv.yml:7), " + own,
        "inv.yml:10 web1.apps.blog.user: 'deploy' is the user that prov logs in as, " + own,
    ]


def test_an_application_without_a_source_is_refused(tmp_path: Path) -> None:
    lines = 'apps:\n  shop: {target: "shop:app", domains: [shop.test]}'
    (said,) = errors(lambda: apps_of(host(tmp_path, lines), Manifests()))
    assert said == "inv.yml:5 web1.apps.shop.source: is required"


PARTS = """
all:
  vars:
    apps:
      shop: {source: src, target: "shop:app", domains: [shop.test], environment: {A: "1", B: "1"}}
  children:
    production:
      vars:
        group_apps: {shop: {workers: 8, environment: {B: "2"}}}
      hosts:
        web1:
          host_apps: {shop: {workers: 9}, blog: {source: src, target: "b:app", domains: [blog.test]}}
        web2:
    staging:
      hosts: {stage1: }
"""


def test_an_application_is_given_in_parts(tmp_path: Path) -> None:
    project(tmp_path, {"src/requirements.txt": ""})
    hosts = inventory(tmp_path, PARTS).hosts
    found = {name: {app.name: app for app in apps_of(host, Manifests())} for name, host in hosts.items()}
    assert {name: list(apps) for name, apps in found.items()} == {
        "web1": ["shop", "blog"],
        "web2": ["shop"],
        "stage1": ["shop"],
    }
    assert [found[name]["shop"].workers for name in ("web1", "web2")] == [9, 8]
    assert found["web2"]["shop"].environment == {"A": "1", "B": "2"}
    assert found["stage1"]["shop"].environment == {"A": "1", "B": "1"}


def test_mistakes_in_parts_are_told_where_they_are(tmp_path: Path) -> None:
    project(tmp_path, {"src/requirements.txt": ""})
    wrong = inventory(tmp_path, PARTS.replace("workers: 8", "workers: none"))
    (said,) = errors(lambda: apps_of(wrong.hosts["web2"], Manifests()))
    assert said.startswith("inv.yml:8 web2.apps.shop.workers: ")
    template = PARTS.replace("    apps:\n      shop:", "    mine:\n      shop:").replace(
        "  vars:\n    mine", '  vars:\n    apps: "{{ mine }}"\n    mine'
    )
    (said,) = errors(lambda: apps_of(inventory(tmp_path, template).hosts["web2"], Manifests()))
    assert said == "inv.yml:9 web2.group_apps: can't be laid over `apps`, which is a template"
