"""What components are tried on, and what becomes of those that are known to be right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import SkipError, families
from aexbench.checking import grounds, grouped, tried
from aexbench.checking.mending import CAUSES
from aexbench.conformance import Finding
from aexbench.docstrings import described, sections
from tests.corruptions.series import SERIES
from tests.explainers.test_conformance import COSTLY

DATA = ["wine", "linear-autoencoder"]  # others take long, or are not here
KNOWN = [
    (family, name)
    for family in ("explainers", "corruptions", "metrics", "autoencoders")
    for name in families.FAMILIES[family].names()
]


@pytest.mark.parametrize(("family", "name"), [*KNOWN, *(("datasets", name) for name in DATA)])
def test_what_comes_with_aexbench_breaks_nothing(family, name):
    report = tried(families.FAMILIES[family].describe(name), COSTLY.get(name, {}))
    assert report.broken == []
    of_128_pixels = "conv (Table 2) takes samples of shape (1, 128, 128)"
    assert report.untried == "" or report.untried.startswith(of_128_pixels)


@pytest.mark.parametrize("ground", [grounds.rows, grounds.images, grounds.windows])
def test_the_detectors_tell_anomalies_from_normal_samples(ground):
    made = ground()
    assert made.anomalies.shape == (5, *made.normal.shape[1:])
    normal = made.detector.score(made.data.normal[:])
    assert float(made.detector.score(made.anomalies).median()) > float(normal.quantile(0.95))


@pytest.mark.parametrize(
    ("name", "on"), [("gru", "windows of 16"), ("unet", "images"), ("mlp", "")]
)
def test_autoencoders_are_tried_on_what_they_take(name, on):
    report = tried(families.FAMILIES["autoencoders"].describe(name), {})
    assert (report.broken, report.untried) == ([], "")
    assert report.on.startswith(on)


@pytest.mark.parametrize("name", SERIES)
def test_corruptions_of_series_are_tried_on_windows(name):
    report = tried(families.FAMILIES["corruptions"].describe(name), {})
    assert (report.broken, report.untried) == ([], "")
    assert report.on.startswith("windows of 16")


@pytest.mark.parametrize("name", ["own-past", "last-value", "seasonal"])
def test_floors_of_series_are_tried_on_windows(name):
    report = tried(families.explainers.describe(name), {})
    assert (report.broken, report.untried) == ([], "")
    assert report.on.startswith("windows of 16")


def test_a_corruption_that_takes_nothing_says_why_not_of_images(monkeypatch):
    registry = families.corruptions
    monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))

    @registry.register("choosy")
    def choosy(detector, x, mask, rng):
        raise SkipError(f"not of shape {tuple(x.shape[1:])}")

    assert tried(registry.describe("choosy"), {}).untried == "not of shape (1, 16, 16)"


def test_each_has_a_detector_and_data_of_its_own():
    first = grounds.rows()
    with torch.no_grad():
        next(first.detector.model.parameters()).zero_()
    first.data.train[:] = 0
    second = grounds.rows()
    assert bool(next(second.detector.model.parameters()).any())
    assert np.any(second.data.train[:])


def test_a_corruption_that_finds_nothing_ends_soon(monkeypatch):
    registry = families.corruptions
    monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))
    drawn = []

    @registry.register("calm")
    def calm(detector, x, mask, rng):
        drawn.append(len(x))
        return x

    report = tried(registry.describe("calm"), {})
    assert "returns 0 of 20 anomalies" in report.broken[0].problem
    assert report.name == "calm"
    calls = sum(drawn) / 10_000
    assert calls == int(calls) <= 3 * len(report.findings)
    drawn.clear()
    tried(registry.describe("calm"), {"max_draws": 50})
    assert max(drawn) <= 50


def rules(groups):
    return [(group.first.rule, [other.rule for other in group.others]) for group in groups]


def test_rules_that_fail_alike_are_broken_by_the_one_to_blame():
    problem = "ValueError: the explainer changes the random state of torch: use another"
    broken = [Finding(rule, problem) for rule in ("any order", "leaves the random state", "other")]
    assert rules(grouped(broken)) == [("leaves the random state", ["any order", "other"])]
    alike = [Finding(rule, "IndexError: 9") for rule in ("first", "second")]
    assert rules(grouped(alike)) == [("first", ["second"])]


@pytest.mark.parametrize("cause", [cause for cause, others in CAUSES.items() if not others])
def test_answers_that_differ_come_of_what_changes(cause):
    broken = [Finding("any order", "differ by 1"), Finding("x", "shape"), Finding(cause, "changes")]
    assert rules(grouped(broken)) == [(cause, ["any order"]), ("x", [])]


def test_of_a_dependence_on_the_batch_comes_one_on_the_order_and_nothing_else():
    alone, order, unit = "a sample alone as in a batch", "samples in any order", "columns"
    broken = [Finding(rule, f"differ by {rule}") for rule in (order, alone, unit)]
    assert rules(grouped(broken)) == [(alone, [order]), (unit, [])]
    same = [Finding(rule, "differ by 1") for rule in (order, alone, unit)]
    assert rules(grouped(same)) == [(alone, [order, unit])]


def test_a_file_says_again_what_it_registers(tmp_path):
    path = tmp_path / "twice.py"
    path.write_text(
        "from aexbench import metrics\n\n"
        '@metrics.register("of-a-file")\ndef one(attributions, truth):\n    return 0.0\n'
    )
    first, second = families.load_plugin(path), families.load_plugin(path)
    assert [plugin.name for plugin in first] == ["of-a-file"]
    assert first == second
    del families.metrics._plugins["of-a-file"]


DOCUMENT = """Return x.

    More.

    Parameters
    ----------
    x, y : (N, …) float
        Two
        numbers.
    z
        Another: one.

        With a paragraph.

    References
    ----------
    None.
    """


def test_a_docstring_is_taken_apart():
    assert list(sections(DOCUMENT)) == ["", "Parameters", "References"]
    assert sections(DOCUMENT)[""] == "Return x.\n\nMore."
    assert sections(DOCUMENT)["References"] == "None."
    both = "Two numbers."
    assert described(DOCUMENT) == {"x": both, "y": both, "z": "Another: one. With a paragraph."}
    assert sections(None) == {"": ""}
    assert described(None) == {}
