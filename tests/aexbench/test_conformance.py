"""What the checks of all families have in common."""

from __future__ import annotations

import pytest

from aexbench import RequestError, SkipError, conformance
from aexbench.conformance.findings import Finding, tried

CHECKS = [
    "check_autoencoder",
    "check_corruption",
    "check_dataset",
    "check_explainer",
    "check_metric",
]


class Raising:
    """A plugin of any family that raises whatever it is asked for."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *given):
        raise self.error

    explain = generate = score = __call__


def findings(check, error, detector, rows):
    plugin = Raising(error)
    if check == "check_corruption":
        return conformance.check_corruption(plugin, detector, rows[:50])
    if check == "check_explainer":
        return conformance.check_explainer(lambda of: plugin, detector, detector._taken(rows[:4]))
    if check == "check_autoencoder":
        return conformance.check_autoencoder(plugin, detector._taken(rows[:4]))
    return getattr(conformance, check)(plugin)


def test_there_is_one_check_a_family_and_all_say_the_same_kind_of_thing():
    assert conformance.__all__ == ["Finding", *CHECKS]


@pytest.mark.parametrize("check", CHECKS)
def test_an_exception_of_the_plugin_breaks_its_rules(check, detector, linear_rows):
    found = findings(check, KeyError("own\nfault"), detector, linear_rows)
    broken = [problem for _, problem in found if problem]
    assert len(broken) >= len(found) - 2  # rules of metrics that pool say nothing of others
    assert set(broken) == {"KeyError: 'own\\nfault'"}


@pytest.mark.parametrize("check", CHECKS)
def test_what_does_not_apply_is_no_finding(check, detector, linear_rows):
    with pytest.raises(SkipError, match="not here"):
        findings(check, SkipError("not here"), detector, linear_rows)


def test_of_a_long_message_the_first_line_is_enough():
    def broken(value):
        raise ValueError(f"{value} is wrong\nand more")

    expected = [Finding("one", "ValueError: 3 is wrong"), Finding("two", "")]
    assert tried({"one": broken, "two": lambda value: ""}, 3) == expected


def test_what_the_check_itself_cannot_work_with_is_an_error(detector, linear_rows):
    with pytest.raises(RequestError, match="columns=1"):
        conformance.check_metric("recall", columns=1)
    with pytest.raises(RequestError, match="count=1"):
        conformance.check_corruption(Raising(None), detector, linear_rows, count=1)
    with pytest.raises(RequestError, match="calibrate"):
        conformance.check_corruption(Raising(None), detector.with_loss("l1"), linear_rows)
