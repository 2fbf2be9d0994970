"""What the checks of all families have in common."""

from __future__ import annotations

import sys

import pytest
import torch

from aexbench import RequestError, SkipError, autoencoders, conformance, families
from aexbench.conformance.findings import Finding, tried
from aexbench.contracts import Untrained
from aexbench.declarations import Training

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


@pytest.mark.parametrize(("share", "broken"), [(1e-3, True), (3e-5, True), (1e-6, False)])
def test_an_autoencoder_may_round_and_nothing_more(share, broken):
    class Batch(torch.nn.Module):
        def forward(self, x):
            return x * (1 + share * (len(x) > 1))

    made = Untrained(Batch(), Training())
    findings = dict(conformance.check_autoencoder(lambda: made, torch.rand(5, 3)))
    assert bool(findings["a sample alone as in a batch"]) == broken


def test_an_autoencoder_that_refuses_a_shape_does_not_apply():
    with pytest.raises(SkipError, match="takes images"):
        conformance.check_autoencoder(lambda: autoencoders.create("unet", (4,)), torch.rand(5, 4))


@pytest.mark.parametrize("error", [KeyError("no"), SystemExit(0)])
def test_an_error_of_a_plugin_file_names_its_line(error, tmp_path, monkeypatch):
    path = tmp_path / "mine.py"
    path.write_text("def fails(error):\n\n    raise error\n")
    families.load_plugin(path)
    fails = next(
        m.fails for m in list(sys.modules.values()) if getattr(m, "__file__", 0) == str(path)
    )
    (finding,) = tried({"one": lambda given: fails(given)}, error)
    assert finding.problem == f"{type(error).__name__}: {error} (mine.py, line 3)"


def test_of_an_explainer_each_rule_meets_the_detector_as_it_was(detector, linear_rows):
    """What the first call has changed for good must be seen by the rule that looks for it."""

    class Zeroing:
        def __init__(self, detector):
            self.detector = detector

        def explain(self, x):
            next(self.detector.model.parameters()).data.zero_()
            return torch.as_tensor(x).clone()

    x = detector._taken(linear_rows[:4])
    before = {name: value.clone() for name, value in detector.model.state_dict().items()}
    findings = dict(conformance.check_explainer(Zeroing, detector, x))
    assert "0.weight" in findings["leaves the model"]
    after = detector.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_what_the_check_itself_cannot_work_with_is_an_error(detector, linear_rows):
    with pytest.raises(RequestError, match="columns=1"):
        conformance.check_metric("recall", columns=1)
    with pytest.raises(RequestError, match="count=1"):
        conformance.check_corruption(Raising(None), detector, linear_rows, count=1)
    with pytest.raises(RequestError, match="calibrate"):
        conformance.check_corruption(Raising(None), detector.with_loss("l1"), linear_rows)
