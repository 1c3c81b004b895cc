"""Every step that roles call is held to the pasts of a host: by a drawn test, or by one that says why it draws none."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

from drawnresults import DRAWN
from test_steps_options import functions

TESTS = Path(__file__).parents[1]

#: steps, a test of them on a real host or with real agents, and why that draws nothing
OTHERS: list[tuple[str, str, str]] = [
    (
        "dnf.packages dnf.upgrade",
        "lab/test_packages_dnf.py::test_versions_and_upgrades",
        "a lab host has no rpm of its own",
    ),
    (
        "dnf.no_packages dnf.autoremove",
        "lab/test_packages_dnf.py::test_what_needs_it_goes_too",
        "as dnf.packages",
    ),
    ("dnf.module", "lab/test_packages_dnf.py::test_streams_of_modules", "as dnf.packages"),
    (
        "dnf_repository.repository dnf_repository.no_repository",
        "lab/test_packages_dnf.py::test_a_repository_and_its_packages_in_one_plan",
        "as dnf.packages",
    ),
    (
        "apt.package_file",
        "lab/test_packages.py::test_releases_pins_and_files_of_packages",
        "drawn as apt.packages, which installs as it does",
    ),
    (
        "credentials.credential",
        "steps_more/test_credentials.py::test_it_is_encrypted_compared_and_changed",
        "two encryptions of one text differ; its file is drawn as files.file",
    ),
    ("apt.pin", "steps_more/test_debian.py::test_pins", "drawn as files.file"),
    ("apt.no_pin", "steps_more/test_debian.py::test_pins", "drawn as files.absent"),
    (
        "ufw.route",
        "steps_more/test_ufw_routes.py::test_a_route_goes_before_one_that_decides_otherwise",
        "beside rules of others, as written there",
    ),
    ("history.history", "lab/test_history.py::test_a_stack_is_undone_byte_for_byte", "it changes nothing"),
    (
        "prune.prune",
        "agent/test_prune.py::test_what_was_there_before_is_never_pruned",
        "its past is earlier runs",
    ),
    ("undo.undo", "lab/test_history.py::test_a_stack_is_undone_byte_for_byte", "all drawn tests end with it"),
    ("reboot.reboot", "lab/test_reboot.py::test_the_run_goes_on_after_the_reboot", "a host boots in seconds"),
    (
        "python.venv python.uv",
        "lab/test_commands_python.py::test_uv_gives_the_same_result_and_repairs_it",
        "an environment takes seconds",
    ),
    (
        "python.interpreter",
        "lab/test_commands_python.py::test_an_interpreter_from_an_archive",
        "as python.venv",
    ),
    (
        "python.requirements",
        "lab/test_commands_python.py::test_from_a_bare_host_to_an_environment_in_one_plan",
        "it reads a local file",
    ),
    (
        "selinux.restored selinux.boolean",
        "agent/test_cases.py::test_case",
        "hosts of the lab have no SELinux",
    ),
    (
        "served.served_certificate",
        "steps_more/test_served.py::test_a_server_that_has_still_to_reload_is_waited_for",
        "it changes nothing",
    ),
    (
        "certificate_states.certificate_states",
        "steps_more/test_certificate_states.py::test_a_good_one_and_another_one_that_is_served",
        "it changes nothing",
    ),
    (
        "acme.temporary_certificate acme.acme_certificate",
        "steps_more/test_acme_steps.py::test_what_is_not_as_wanted_is_got",
        "drawn as certificates.self_signed, whose files they have",
    ),
    (
        "acme.acme_replacement",
        "lab/test_acme.py::test_a_compromised_key_is_replaced_and_its_certificate_revoked",
        "an authority has to issue each",
    ),
    (
        "rotated_certificates.rotated_certificate",
        "lab/test_deploy_tls.py::test_a_key_is_replaced_on_demand_and_the_next_deploy_changes_nothing",
        "each run replaces what the last one has made",
    ),
    (
        "ssh.sshd_drop_in ssh.client_drop_in",
        "lab/test_files_users.py::test_settings_of_ssh_are_judged",
        "drawn as files.file",
    ),
    (
        "sudoers.sudoers",
        "steps_more/test_sudoers.py::test_the_whole_is_judged_and_nothing_stays_of_it",
        "drawn as files.file; visudo judges",
    ),
    (
        "sudoers.no_sudoers",
        "steps_more/test_sudoers.py::test_a_file_is_made_repaired_and_removed",
        "drawn as files.absent",
    ),
    (
        "assets.built",
        "lab/test_front_settings.py::test_assets_are_built_on_the_host_by_no_one_it_knows",
        "it acts in a release's own folder",
    ),
    (
        "releases.current",
        "agent/test_release_terms.py::test_the_link_in_service_knows_commits",
        "drawn as files.link",
    ),
    (
        "balancer_members.balancer_member balancer_members.connections_ended",
        "lab/test_fronts.py::test_a_host_is_out_of_its_balancers_while_it_is_deployed",
        "they need a front that reloads, and another host",
    ),
    (
        "built_releases.built_release",
        "agent/test_releases_served.py::test_what_is_built_ahead_is_no_release_to_go_back_to_until_it_has_been_in_service",
        "it writes one file into a release's own folder",
    ),
    (
        "failed_releases.failed_release",
        "agent/test_release_terms.py::test_a_release_that_failed_goes_with_its_run",
        "it is about this run alone",
    ),
    (
        "service_environment.environment_file",
        "agent/test_release_terms.py::test_variables_are_named_and_their_values_are_not",
        "drawn as files.file",
    ),
    (
        "file_reading.files_listed file_reading.part_read",
        "unit/test_cli_cp.py::test_a_folder_there_and_back_of_several_hosts",
        "they change nothing",
    ),
    (
        "containers.image containers.old_images",
        "lab/test_containers.py::test_images_go_with_their_releases_and_secrets_can_be_files",
        "they act in podman's storage alone",
    ),
    ("wait.unit", "lab/test_systemd_steps.py", "it changes nothing"),
    ("files.watched", "agent/test_cases.py::test_case", "it changes nothing"),
    (
        "application_logs.log_lines application_states.application_states staying_well.stays_well"
        " process_control.processes_controlled",
        "lab/test_traffic.py::test_status_and_logs_and_processes",
        "they read, or ask systemd",
    ),
    (
        "holds.changes_allowed holds.free_of_locks holds.operator_locked holds.resumed",
        "agent/test_releases_served.py::test_a_lock_refuses_with_its_reason",
        "they go by records of root's alone, which that file damages",
    ),
    (
        "releases_served.environment_before releases_served.release_served releases_served.releases_known"
        " releases_served.schema_known pending_migrations.pending_migrations",
        "agent/test_releases_served.py::test_a_damaged_record_is_told_and_written_again",
        "they go by records of root's alone, which that file damages",
    ),
    (
        "previews.preview previews.previews_known previews.preview_gone previews.preview_forgotten"
        " postgres.database_copy",
        "agent/test_preview_steps.py",
        "they go by records of root's alone, and make what they copy",
    ),
    (
        "maintenance.maintenance maintenance.switches",
        "steps_more/test_maintenance.py::test_a_switch_is_set_changed_and_taken_away",
        "their files are in a folder of prov's alone",
    ),
]


@lru_cache
def drawn_in(name: str) -> dict[str, bool]:
    """Tests of a file, with whether each is drawn."""
    found = {}
    for node in ast.walk(ast.parse((TESTS / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            calls = [each.func for each in node.decorator_list if isinstance(each, ast.Call)]
            found[node.name] = any(isinstance(each, ast.Name) and each.id == "drawn" for each in calls)
    return found


def test_every_step_has_a_drawn_past_or_says_why_not() -> None:
    drawn = [step for tests in DRAWN.values() for steps in tests.values() for step in steps.split()]
    others = [step for steps, _, _ in OTHERS for step in steps.split()]
    assert len(drawn) == len(set(drawn))
    assert len(others) == len(set(others))
    assert not set(drawn) & set(others)
    there = {name for name, _ in functions()} | {"python.requirements"}
    assert there - {*drawn, *others} == set(), "no past is drawn for these"
    assert {*drawn, *others} - there == set(), "no such steps"


def test_the_tests_that_are_named_are_there() -> None:
    for file, tests in DRAWN.items():
        for test in tests:
            assert drawn_in(file).get(test), f"{file} draws no {test}"
    for steps, name, reason in OTHERS:
        file, _, test = name.partition("::")
        assert reason
        assert (test in drawn_in(file)) if test else drawn_in(file), f"{steps}: no test {name}"
