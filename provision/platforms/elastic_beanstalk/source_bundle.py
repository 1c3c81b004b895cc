"""The bundle of a release: a zip of its source and of what tells Elastic Beanstalk how it runs.

    Procfile                                    the web process and the processes beside it
    requirements.txt                            packages, which instances install
    .ebextensions/50_prov.config                marks the leader
    .platform/hooks/predeploy/50_prov.sh        commands of the release
    .platform/hooks/postdeploy/50_prov.sh       timers of jobs, also in confighooks, as variables may change alone
    .platform/nginx/conf.d/elasticbeanstalk/    health path, largest body, single static files
    .prov/                                      the application behind its front, and what the lines above call
    ...                                         the source

Source: developer guide, "Extending Elastic Beanstalk Linux platforms": Procfile, platform hooks, reverse proxy;
"Customizing software on Linux servers": container commands. No page says that hooks are told who the leader is
(github.com/aws/elastic-beanstalk-roadmap, issue 86), so a container command with `leader_only`, which runs before
them, marks it.
"""

from __future__ import annotations

import json
import posixpath
import shlex
from pathlib import Path

from provision.apps.app_releases import OURS, short_hash
from provision.apps.schedules import calendars
from provision.errors import ProvError
from provision.locks import locked
from provision.oci.app_image import moved, release_files
from provision.oci.layer_writer import LayerFile, text_file
from provision.platforms.elastic_beanstalk.beanstalk_names import version_label
from provision.platforms.elastic_beanstalk.mapped_environments import MIGRATE_TIMEOUT, MappedEnvironment
from provision.platforms.zip_writer import write_zip
from provision.serving.instances import shim_file
from provision.serving.sites import server_name
from provision.system.writers import nginx_plain, word
from provision.user_cache import cache_folder

#: where the platform puts a bundle, once it serves
PLACE = "/var/app/current"
#: largest bundle, in bytes: Elastic Beanstalk, "Create an application source bundle"
MOST = 500 << 20
ON_INSTANCE = Path(__file__).parent / "files" / "prov_instance.py"
SETTINGS = f"{OURS[0]}/elastic_beanstalk.json"
CALLED = f"/usr/bin/python3 {OURS[0]}/{ON_INSTANCE.name}"
#: LEADER of prov_instance.py
LEADER = "/var/lib/prov/leader"
HOOK = "50_prov.sh"


def own_files(mapped: MappedEnvironment) -> dict[str, tuple[str, bool]]:
    """Return what prov adds to the source: text, and whether it is a program, by path."""
    shim = shim_file()
    hooks = {
        f".platform/hooks/predeploy/{HOOK}": "release",
        f".platform/hooks/postdeploy/{HOOK}": "jobs",
        f".platform/confighooks/postdeploy/{HOOK}": "jobs",
    }
    texts = {
        "Procfile": procfile(mapped),
        "requirements.txt": requirements(mapped),
        ".ebextensions/50_prov.config": leader_commands(),
        ".platform/nginx/conf.d/elasticbeanstalk/50_prov.conf": proxy_settings(mapped),
        f"{OURS[0]}/{shim.name}": shim.read_text(encoding="utf-8"),
        f"{OURS[0]}/{ON_INSTANCE.name}": ON_INSTANCE.read_text(encoding="utf-8"),
        SETTINGS: instance_settings(mapped),
        **{f"{OURS[0]}/{name}": text for name, text in mapped.program.files.items()},
    }
    if mapped.release.wanted.constraints:
        texts[f"{OURS[0]}/constraints.txt"] = mapped.release.wanted.constraints
    return {
        **{path: (text, False) for path, text in texts.items()},
        **{path: (f"#!/bin/sh\nexec {CALLED} {action}\n", True) for path, action in hooks.items()},
    }


def procfile(mapped: MappedEnvironment) -> str:
    """Return the lines of processes, the web process first. They name commands, as a shell reads these lines."""
    lines = [f"web: {CALLED} run web"]
    for name, process in mapped.app.processes.items():
        for n in range(1, process.count + 1):
            lines.append(f"{name if n == 1 else f'{name}_{n}'}: {CALLED} run {name}")
    return "\n".join([*lines, ""])


def requirements(mapped: MappedEnvironment) -> str:
    """Return the packages that instances install: those of the release, and its server."""
    release = mapped.release
    lines = [f"-c {OURS[0]}/constraints.txt"] if release.wanted.constraints else []
    return "\n".join([*lines, release.requirements.strip(), *release.packages, ""])


def leader_commands() -> str:
    """Return container commands, in the order of their names: no instance is the leader, but for the leader."""
    commands = {
        "50_prov_none": {"command": f"rm -f {LEADER}"},
        "51_prov_leader": {
            "command": f"mkdir -p {posixpath.dirname(LEADER)} && touch {LEADER}",
            "leader_only": True,
        },
    }
    return json.dumps({"container_commands": commands}, indent=1) + "\n"


def proxy_settings(mapped: MappedEnvironment) -> str:
    """Return what the platform's nginx includes in its server: the load balancer can't send a Host of one's choice."""
    app = mapped.app
    lines = [
        f"client_max_body_size {word(app.max_body)};",
        f"location = {nginx_plain(mapped.health_path.partition('?')[0])} {{",
        "    proxy_pass http://127.0.0.1:8000;",
        "    proxy_http_version 1.1;",
        f"    proxy_set_header Host {nginx_plain(server_name(app))};",
        "    proxy_set_header X-Real-IP $remote_addr;",
        "    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        f"    proxy_set_header X-Forwarded-Proto {'http' if app.tls == 'none' else 'https'};",
        "}",
    ]
    for place, path in mapped.static_files.items():
        lines += [f"location = {nginx_plain(place)} {{", f"    alias {nginx_plain(f'{PLACE}/{path}')};", "}"]
    return "\n".join([*lines, ""])


def instance_settings(mapped: MappedEnvironment) -> str:
    """Return what prov_instance.py knows of the application, as JSON."""
    release, app = mapped.release, mapped.app
    web = [moved(word, release, PLACE) for words in mapped.program.argv for word in words.split()]
    environment = {name: moved(value, release, PLACE) for name, value in mapped.program.environment.items()}
    programs = {
        "web": web,
        **{name: list(each.command) for name, each in app.processes.items()},
        **{f"job-{name}": list(each.command) for name, each in app.jobs.items()},
    }
    every = []
    if app.django and app.collects_static:
        every.append(["python", app.django.manage, "collectstatic", "--noinput"])
    found = {
        "app": app.name,
        "folder": app.subdirectory or ".",
        "pythonpath": [OURS[0], *(inner(each) for each in release.search_path(PLACE).split(":"))],
        "environment": {
            **environment,
            "PROV_INTERFACE": app.interface,
            "PROV_TARGET": app.target,
            "PROV_PREFIX": app.path.rstrip("/"),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        "variables": sorted(mapped.variables),
        "programs": programs,
        "every": every,
        "seconds": MIGRATE_TIMEOUT,
        "release": [{"words": list(words), "seconds": seconds} for words, seconds in mapped.before_service],
        "jobs": {
            name: {"calendars": calendars(job.schedule), "seconds": job.timeout}
            for name, job in app.jobs.items()
        },
    }
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def inner(place: str) -> str:
    """Return a place of the search path as instances find it, below the bundle's folder."""
    return "." if place == PLACE else place.removeprefix(f"{PLACE}/")


def label_of(mapped: MappedEnvironment) -> str:
    """Return the label of a release's version, before its bundle is made."""
    contents = sorted((path, *each) for path, each in own_files(mapped).items())
    return version_label(mapped.release.id, short_hash(json.dumps(contents)))


def made(mapped: MappedEnvironment, label: str) -> Path:
    """Return the bundle of a release, from an earlier run if it is the same. Raises ProvError if it is too large."""
    cache = cache_folder("elastic_beanstalk")
    path = cache / f"{label}.zip"
    with locked(cache, mode=0o700):
        if not path.is_file():
            files = {
                **release_files(mapped.release),
                **{
                    name: text_file(text, executable=program)
                    for name, (text, program) in own_files(mapped).items()
                },
            }
            new = path.with_suffix(".new")
            write_zip(new, files)
            refuse_large(mapped, new.stat().st_size, files)
            new.replace(path)
    return path


def refuse_large(mapped: MappedEnvironment, size: int, files: dict[str, LayerFile]) -> None:
    """Raise ProvError for a bundle that is too large, with the largest folders of the source."""
    if size <= MOST:
        return
    sizes: dict[str, int] = {}
    for path, file in files.items():
        top = path.partition("/")[0]
        sizes[top] = sizes.get(top, 0) + file.size
    largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    named = ", ".join(f"{shlex.quote(name)} {sizes[name] >> 20} MB" for name in largest)
    raise ProvError(
        f"the bundle of {mapped.app.name} has {size >> 20} MB, and Elastic Beanstalk takes {MOST >> 20} MB"
        f" (the largest: {named})",
        where=str(mapped.app.source),
        hint="Let .gitignore leave out what it does not need, or keep it in S3.",
    )
