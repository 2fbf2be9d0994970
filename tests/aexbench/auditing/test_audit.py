"""The table that decides, from the first to the last, with a detector made for each row of it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import aexbench
from aexbench import Dataset, Detector, datasets
from aexbench.auditing import auditing
from aexbench.datasets.tools.splits import TableWarning

from .conftest import SUITE, audited, projection, split, use_suite, with_incidents, within

MATCHED = SUITE.replace('    "group[size=2,donor=normal,threshold=alarm]",\n', "").replace(
    '    "random[threshold=alarm]",\n', ""
)


def test_the_first_row_no_answer(rows, tmp_path):
    torch.manual_seed(0)
    untrained = torch.nn.Sequential(torch.nn.Linear(10, 3), torch.nn.Linear(3, 10))
    found = audited(Detector(untrained), split(rows), tmp_path / "store")
    assert (found.answer.by, found.explainer) == ("detector", None)
    assert found.reason.startswith("No answer: it reconstructs normal rows no better than their")
    assert found.said == [f"What to do: {found.evidence.worth.remedy}."]
    assert not (tmp_path / "store").exists()


def far_values(rows: np.ndarray, count: int = 40) -> Dataset:
    """Return rows of which so many of the test have one value far from all others."""
    rng = np.random.default_rng(1)
    test = rows[-400:].copy()
    for row in rng.choice(400, count, replace=False):
        test[row, rng.integers(10)] += rng.choice([-1, 1]) * rng.uniform(12, 20)
    return replace(split(rows), test=test, features=within(np.concatenate([rows, test])))


def test_the_second_row_far_values_need_no_explainer(sound, rows, tmp_path):
    found = audited(sound, far_values(rows), tmp_path / "store", budget=60)
    assert (found.answer.by, found.explainer) == ("deviation", "deviation")
    assert found.reason.startswith("These alarms are about values far from the mean: no explainer")
    assert "aexbench explain MODEL DATA -e deviation" in " ".join(found.said)
    names = [kind.name for kind in found.evidence.matched]
    assert names == ["group[size=1,choice=half,donor=alarm,threshold=alarms]"]


QUIET = slice(6, 16)  # columns; those before are of a noise of their own


@pytest.fixture(scope="module")
def unequal() -> tuple[Detector, Dataset]:
    """Six columns of much noise beside ten of little: incidents move two quiet ones, which raises
    an alarm and is hardly more than what the noise does.
    """
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(2000, 3)) @ rng.normal(size=(3, 16)) * 2
    rows = signal + rng.normal(size=(2000, 16)) * ([0.6] * 6 + [0.05] * 10)
    rows = rows.astype(np.float32)
    truth = np.zeros((800, 16), dtype=bool)
    for row in rng.choice(800, 120, replace=False):
        truth[row, rng.choice(np.arange(16)[QUIET], 2, replace=False)] = True
    moved = rows.copy()
    moved[1200:] += truth * rng.choice([-1.2, 1.2], truth.shape).astype(np.float32)
    dataset = split(moved, truth.any(axis=1), truth)
    return projection(rows[:900], 3), dataset


STANDARDISED = "residual[form=standardised]"


@pytest.fixture(scope="module")
def by_labels(unequal, tmp_path_factory):
    return audited(*unequal, tmp_path_factory.mktemp("unequal") / "store", MATCHED, budget=60)


def test_the_third_row_labels_choose(by_labels):
    assert (by_labels.answer.by, by_labels.explainer) == ("labels", STANDARDISED)
    assert by_labels.answer.runner_up == "residual"
    assert by_labels.answer.difference.interval()[0] > 0
    assert by_labels.reason == (
        f"Take {STANDARDISED}: it is surely better than residual on the labelled incidents."
    )
    assert "labelled incidents of the later half raised an alarm, and judge." in by_labels.said[1]


def test_the_fourth_row_one_is_surely_better(sound, labelled, tmp_path):
    """One that looks up which row of the data an anomaly was made from knows what has changed."""
    unlabelled = replace(labelled, test_labels=None, test_truth=None)
    known = torch.as_tensor(labelled.test)

    def looks_up(detector, x):
        same = (x[:, None] == known).sum(dim=2)
        return (x - known[same.argmax(dim=1)]).abs()

    found = audited(sound, unlabelled, tmp_path / "store", explainers=[looks_up], budget=60)
    assert (found.answer.by, found.explainer) == ("explainer", "looks-up")
    assert found.evidence.labels is None
    own = found.evidence.alike.tried["looks-up"]
    assert own.score.mean == pytest.approx(1.0, abs=0.02)
    assert min(own.over_default.interval()[0], own.over_plain.interval()[0]) > 0
    assert "surely better than residual and deviation on anomalies like the alarms" in found.reason
    assert "Nobody can know from injected anomalies alone" in " ".join(found.said)


def test_the_fifth_row_else_the_default(sound, rows, tmp_path):
    found = audited(sound, split(rows), tmp_path / "store", budget=60)
    assert (found.answer.by, found.explainer) == ("default", "residual")
    assert found.reason.startswith("Take residual: nothing else has been seen to be surely better")
    assert found.said[0].startswith(f"Not surely better: {found.answer.runner_up} (")


def test_every_answer_says_that_the_procedure_is_unproven(done, by_labels):
    for found in (done[0], by_labels):
        assert "has not been shown to beat always taking residual" in " ".join(found.said)


def test_few_alarms_are_said(sound, rows, labelled, tmp_path):
    quiet = split(rows)
    quiet.test = np.tile(rows[:450].mean(axis=0), (60, 1))
    found = audited(sound, quiet, tmp_path / "store", budget=0)
    assert "Fewer than ten rows" in " ".join(found.notes)
    other = audited(sound, labelled, tmp_path / "other", budget=0)
    assert "Fewer than ten rows" not in " ".join(other.notes)


class Other(torch.nn.Module):
    """The same network for rows in other units: one factor for all columns."""

    def __init__(self, inner: torch.nn.Module, factor: float) -> None:
        super().__init__()
        self.inner, self.factor = inner, factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x / self.factor) * self.factor


@pytest.mark.parametrize("factor", [0.125, 1000.0])
def test_other_units_by_one_factor_change_nothing(done, sound, labelled, tmp_path, factor):
    first, _ = done
    bounds = (
        [f * factor for f in side] for side in (labelled.features.low, labelled.features.high)
    )
    scaled = replace(
        labelled,
        train=labelled.train * np.float32(factor),
        validation=labelled.validation * np.float32(factor),
        test=labelled.test * np.float32(factor),
        features=labelled.features.within(*map(tuple, bounds)),
    )
    other = audited(Detector(Other(sound.model, factor)), scaled, tmp_path / "store", budget=60)
    assert other.answer.by == first.answer.by
    assert other.explainer == first.explainer
    assert [kind.name for kind in other.evidence.kinds] == [k.name for k in first.evidence.kinds]
    for ours, theirs in zip(means(other), means(first), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-9 if factor == 0.125 else 0.02)


def means(audit) -> list[dict[str, float]]:
    kinds = [*audit.evidence.kinds, audit.evidence.alike, audit.evidence.labels]
    return [{name: one.score.mean for name, one in kind.tried.items()} for kind in kinds]


@pytest.mark.parametrize(("scale", "said"), [("standard", True), ("none", False)])
def test_scores_by_column_weigh_otherwise_and_audit_says_so(tmp_path, rows, scale, said):
    frame = pd.DataFrame(rows[:, :5] * [1, 10, 1, 1, 0.1], columns=["a", "loud", "c", "d", "quiet"])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        data = datasets.create("file", path=tmp_path / "rows.csv", scale=scale)
    found = audited(projection(data.train, 3), data, tmp_path / "store", budget=0)
    notes = [note for note in found.notes if "scaled column by column" in note]
    assert len(notes) == said
    if said:
        gained = (frame["loud"].std() / frame["quiet"].std()) ** 2
        assert "quiet has gained most" in notes[0]
        times = float(notes[0].split("gained most, ")[1].split()[0])
        assert times == pytest.approx(gained, rel=0.1)
        assert notes[0] in " ".join(found.text(1000).split())


def test_rows_and_labels_are_a_data_set_too(sound, labelled, tmp_path, monkeypatch):
    """The same rows as arrays: labels stand where they stood."""
    use_suite(tmp_path, monkeypatch)
    rows = np.concatenate([labelled.train, labelled.validation, labelled.test])
    truth = np.zeros(rows.shape, dtype=bool)
    truth[600:] = labelled.test_truth
    found = aexbench.audit(sound, rows, truth, budget=0, quiet=True)
    assert found.evidence.labels.units > 0
    assert found.evidence.worth.roc_auc.value > 0.99
    assert found.explainer == "residual"


def test_own_explainers_are_tried_beside_the_suites(sound, rows, tmp_path):
    found = audited(
        sound, split(rows), tmp_path / "store", explainers=["residual[form=p-value]"], budget=60
    )
    assert "residual[form=p-value]" in found.evidence.kinds[0].tried


def test_the_suite_is_the_packages():
    assert (auditing.SUITE, auditing.BUDGET) == ("audit", 300.0)


def test_an_answer_of_few_labels_does_not_choose(sound, rows, tmp_path):
    found = audited(sound, with_incidents(rows, 8), tmp_path / "store", budget=60)
    assert found.evidence.labels.units < 10
    assert found.answer.by != "labels"
    assert "they can veto" in " ".join(found.said)
