"""Each case that once failed of a step has a test, by name."""

from __future__ import annotations

import pytest
from test_steps_past import drawn_in

#: case -> its tests
CASES: dict[str, list[str]] = {
    "apt-names": [
        "lab/test_packages.py::"
        "test_a_provider_counts_only_for_a_virtual_package_and_names_may_have_an_architecture"
    ],
    "authorized-keys": [
        "steps_past/test_past_cases.py::test_a_key_that_is_only_in_a_comment_or_lacks_its_options"
    ],
    "cron-backslash": [
        "steps_past/test_past_cases.py::test_backslashes_and_percent_signs_reach_the_job",
        "steps_more/test_cron.py::test_bad_arguments_are_refused",
    ],
    "file-mode-decimal": ["unit/test_modes.py::test_octal_digits_as_a_decimal_number_are_refused"],
    "git-untracked-overwritten": [
        "agent/test_foreign_files.py::test_a_checkout_does_not_replace_what_git_does_not_track"
    ],
    "hosts-canonical-name": ["steps_past/test_past_cases.py::test_the_canonical_name_is_the_first_one"],
    "id-in-use": ["steps_past/test_past_accounts.py::test_ids_that_somebody_has"],
    "logrotate-duplicate": [
        "steps_more/test_logrotate.py::test_a_log_of_another_file_is_refused_with_that_files_name"
    ],
    "mount-other-bind-source": [
        "steps_more/test_mounts.py::test_a_bind_mount_is_of_the_directory_that_is_asked_for",
        "steps_more/test_mounts.py::test_a_mount_of_another_device_than_the_one_with_the_uuid_is_refused",
    ],
    "nft-replaced-rule": ["steps_more/test_firewalls.py::test_nftables_compares_what_its_rules_do"],
    "pg-setting-list": ["lab/test_postgres.py::test_the_server_starts_again_with_lists"],
    "pg-superuser": ["lab/test_postgres.py::test_what_was_not_asked_about_stays"],
    "psql-terse": ["lab/test_postgres.py::test_what_is_in_the_way_is_named"],
    "service-static": [
        "lab/test_unit_kinds.py::test_what_neither_is_nor_can_be_enabled_is_as_well_as_disabled"
    ],
    "step-arguments": [
        "unit/test_steps_options.py::test_a_step_takes_all_options",
        "unit/test_steps_options.py::test_what_is_made_of_steps_hands_all_options_to_each",
    ],
    "text-line-ends": [
        "steps_past/test_past_cases.py::"
        "test_ini_values_in_files_of_mixed_ends_with_marks_and_indented_comments",
        "steps_past/test_past_cases.py::test_a_block_is_found_although_another_line_ends_otherwise",
        "steps_past/test_past_cases.py::test_a_line_that_ends_in_a_carriage_return_is_refused",
    ],
    "tree-owner-of-folders": ["steps_past/test_past_cases.py::test_a_tree_owns_folders_that_were_there"],
    "ufw-ipv6-off": ["steps_more/test_ufw.py::test_ufw_without_ipv6_settles"],
    "ufw-limit-and-deny": [
        "steps_more/test_ufw.py::test_what_the_administrator_has_made_stays",
        "steps_more/test_ufw.py::test_a_denial_that_comes_first_is_overtaken",
    ],
    "undo-hostname": ["steps_more/test_undo_kernel.py::test_all_that_was_turned_is_turned_back"],
    "undo-with-mount": [
        "steps_past/test_past_cases.py::test_undo_of_a_user_a_mount_and_a_file_takes_back_all",
        "steps_more/test_undo_kernel.py::test_an_undo_that_failed_half_way_goes_on",
    ],
    "unpack-encrypted-zip": [
        "steps_past/test_past_archives.py::test_an_encrypted_zip_is_refused_before_anything_is_made"
    ],
    "unpack-tar-that-ends-with-a-jar": [
        "steps_past/test_past_archives.py::test_a_tar_that_ends_with_a_zip_is_a_tar"
    ],
    "user-names": ["steps_past/test_past_accounts.py::test_names_that_this_hosts_useradd_takes_or_not"],
}


@pytest.mark.parametrize("name", [test for tests in CASES.values() for test in tests])
def test_the_test_of_a_case_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    assert test in drawn_in(file)
