"""Permission numbers without their 0o."""

from __future__ import annotations

import pytest

from provision.steps.base import check_mode

#: as people write them in YAML for Ansible
SLIPS = (400, 440, 444, 500, 550, 555, 600, 640, 644, 660, 664, 666, 700, 710, 711, 750, 755, 770, 775, 777, 1777,
         2750, 2755, 2770, 2775, 4750, 4755)  # fmt: skip
USED = (0, 0o400, 0o440, 0o444, 0o500, 0o550, 0o555, 0o600, 0o640, 0o644, 0o660, 0o664, 0o666, 0o700, 0o710, 0o711,
        0o730, 0o733, 0o750, 0o755, 0o770, 0o775, 0o777, 0o1730, 0o1733, 0o1755, 0o1770, 0o1775, 0o1777, 0o2700,
        0o2710, 0o2711, 0o2750, 0o2755, 0o2770, 0o2775, 0o2777, 0o3775, 0o4711, 0o4750, 0o4755, 0o6755, 0o640,
        0o200, 0o222, 0o111, 0o311, 0o622)  # fmt: skip


@pytest.mark.parametrize("mode", SLIPS)
def test_octal_digits_as_a_decimal_number_are_refused(mode: int) -> None:
    with pytest.raises(ValueError, match=rf"did you mean 0o{mode}\?"):
        check_mode(mode)


@pytest.mark.parametrize("mode", USED)
def test_modes_that_people_use_are_taken(mode: int) -> None:
    check_mode(mode)


@pytest.mark.parametrize("mode", [-1, 0o10000, True, 6.44, "0o644"])
def test_what_is_no_mode_is_refused(mode: object) -> None:
    with pytest.raises(ValueError, match="mode must be a number such as 0o644"):
        check_mode(mode)  # type: ignore[arg-type]
