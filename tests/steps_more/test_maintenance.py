"""The switch of `prov maintenance`, in a /var/lib of the agent's own."""

from __future__ import annotations

import pytest
from steps_bench import Bench, refuses

from provision.steps.maintenance import Maintenance, Switches

#: asks no front, as this address is let through
HERE = "127.0.0.1"
ON = Maintenance("shop", True, [HERE, "192.0.2.7"], "ann@desk", name="shop.test")


def test_a_switch_is_set_changed_and_taken_away(bench: Bench) -> None:
    bench.over("/var/lib")
    folder = bench.root / "var/lib/prov-maintenance/shop"
    bench.cycle(ON)
    assert {path.name for path in folder.iterdir()} == {"closed", f"except-{HERE}", "except-192.0.2.7"}
    assert "ann@desk" in (folder / "closed").read_text()
    bench.cycle(Maintenance("shop", True, [HERE], "bob@desk", name="shop.test"))
    assert {path.name for path in folder.iterdir()} == {"closed", f"except-{HERE}"}
    assert "ann@desk" in (folder / "closed").read_text(), "who closed it first"
    assert bench.run(Switches(["shop", "news"]))[0].why == "in maintenance: shop"
    bench.cycle(Maintenance("shop", False))
    assert not folder.exists()
    assert bench.run(Switches(["shop"]))[0].why == "none is on"


def test_a_front_that_does_not_close_the_application_is_told_and_nothing_stays(bench: Bench) -> None:
    bench.over("/var/lib")
    # in its network nothing listens
    (outcome,) = bench.run(Maintenance("shop", True, [], "ann@desk", name="shop.test"))
    assert "does not close shop" in str(outcome.error)
    assert not (bench.root / "var/lib/prov-maintenance/shop/closed").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"app": "../x"},
        {"app": ""},
        {"addresses": ["2001:db8::0001"]},
        {"addresses": ["192.0.2.0/24"]},
        {"who": ""},
        {"path": "x"},
    ],
)
def test_what_is_no_switch_is_refused(given: dict[str, object]) -> None:
    values = {"app": "shop", "closed": True, "who": "ann@desk", "name": "shop.test", **given}
    refuses(Maintenance(**values), ".")  # type: ignore[arg-type]
