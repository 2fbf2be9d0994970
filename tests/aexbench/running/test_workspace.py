"""What a workspace corrupts: normal samples of the test split, anew for every seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import aexbench
from aexbench import Dataset, Features, corruptions, datasets
from aexbench.datasets.tools.windows import windowed
from aexbench.running import workspace


def marked() -> Dataset:
    """Rows whose first column tells from which part they come."""
    rng = np.random.default_rng(0)

    def rows(low, count):
        x = rng.random((count, 4))
        x[:, 0] = low + 0.1 * x[:, 0]
        return x.astype(np.float32)

    test = np.concatenate([rows(0.4, 100), rows(0.8, 50)])
    labels = np.arange(150) >= 100
    return Dataset(rows(0.0, 200), rows(0.4, 100), test, Features(), labels)


def suite_of(**changes: object) -> dict[str, object]:
    """Return a small suite on marked rows."""
    return {
        "name": "marked",
        "datasets": ["marked"],
        "detectors": ["mlp[widths=[2],epochs=2]"],
        "explainers": ["residual"],
        "seeds": 2,
        "controls": False,
    } | changes


def test_normal_samples_of_the_test_are_corrupted_anew_for_every_seed(tmp_path):
    datasets.register("marked")(marked)
    suite = suite_of(corruptions=["random[threshold=0.3,count=10]"])
    results = aexbench.run(suite, tmp_path / "store")
    sets = [results.anomalies(cell) for cell in results.cells]
    assert len(sets) == 2
    for made in sets:
        assert len(made) == 10
        assert ((made.clean[:, 0] >= 0.4) & (made.clean[:, 0] < 0.5)).all()
    assert not np.array_equal(sets[0].unit, sets[1].unit)


def overlapping(rows: int, window: int) -> Dataset:
    """Windows of rows whose values are their numbers, an incident among them."""
    values = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2) / (2 * rows)
    labels = (np.arange(rows) >= 20) & (np.arange(rows) < 25)
    whole = Dataset(values, values, values, Features(), labels)
    return windowed(whole, window)


def test_what_is_made_of_a_window_has_the_unit_of_that_window(tmp_path):
    datasets.register("overlapping")(lambda: overlapping(60, 4))
    changed = {"datasets": ["overlapping"], "corruptions": ["swap[threshold=0.05,count=40]"]}
    suite = suite_of(
        **changed, detectors=["gru[units=4,code=2,epochs=40,learning_rate=0.02]"], seeds=1
    )
    results = aexbench.run(suite, tmp_path / "store", in_process=True)
    data = overlapping(60, 4)
    found = results.anomalies(results.cells[0])
    first = (found.clean[:, 0, 0] * 60).round().astype(int)  # the row that each window begins with
    np.testing.assert_array_equal(found.unit, data.test_units[first])
    assert len(np.unique(found.unit)) < len(np.unique(first))


def test_what_is_made_of_a_row_is_a_unit_of_its_own(detector, linear_rows):
    rows = linear_rows[:100]
    units, labels = np.arange(100) // 10, np.arange(100) < 20
    data = Dataset(rows, rows, rows, Features(), labels, test_units=units)
    made = corruptions.create("random").generate(detector, data.normal, count=20, threshold=0.1)
    found = workspace.of_windows(made, data)
    np.testing.assert_array_equal(data.normal[found.unit], found.clean.astype(np.float32))


def test_a_record_says_what_its_cell_took_by_kinds_of_work(tmp_path):
    suite = {
        "name": "timed",
        "datasets": ["wine"],
        "detectors": ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"],
        "corruptions": ["random[threshold=0.2,count=10]", "null[threshold=0.1,count=5]"],
        "explainers": ["residual", "lrp"],
        "controls": False,
    }
    for here in (True, False):
        results = aexbench.run(suite, tmp_path / str(here), in_process=here)
        kinds = sorted(sorted(record.seconds) for record in results.records)
        assert kinds == [
            ["corrupting", "explaining"],
            ["corrupting", "explaining", "training"],
            ["explaining"],
            ["explaining"],
        ]
        assert min(s for record in results.records for s in record.seconds.values()) > 0


@pytest.mark.parametrize(
    "mode",
    [
        torch.inference_mode,
        lambda: torch.device("meta"),
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    ],
)
def test_modes_around_a_call_change_nothing(mode, detector, linear_rows):
    def scores():
        rows, given = linear_rows[300:], {"background": linear_rows[:300], "twins": 0, "count": 5}
        frame = aexbench.evaluate(
            detector,
            rows,
            explainers=["lrp", "saliency"],
            corruptions=["random[threshold=0.2]"],
            **given,
        ).frame
        return frame.state.tolist(), frame.score.tolist()

    expected = scores()
    with mode():
        assert scores() == expected


def test_every_seed_has_anomalies_of_its_own_on_one_detector(detector, linear_rows):
    results = aexbench.evaluate(
        detector,
        linear_rows[300:],
        background=linear_rows[:300],
        explainers=["residual"],
        corruptions=["random[threshold=0.2]"],
        count=10,
        seeds=2,
        twins=0,
    )
    units = {cell.anomaly_seed: results.anomalies(cell).unit for cell in results.cells}
    assert not np.array_equal(units[0], units[1])


def test_twins_are_drawn_anew_for_every_seed_of_the_detector(tmp_path, monkeypatch):
    datasets.register("marked")(marked)
    seen = []
    monkeypatch.setattr(workspace, "controlled", lambda d, c, seed: seen.append((c, seed)) or d)
    monkeypatch.setattr(workspace, "check_untrained", lambda *_: None)
    suite = suite_of(corruptions=["random[threshold=0.3,count=5]"], controls=True, twins=2)
    aexbench.run(suite, tmp_path / "store", in_process=True)
    for control in ("initial", "permuted"):
        assert len({seed for one, seed in seen if one == control}) == 4  # seeds × twins


def test_a_corruption_is_given_alarms_of_the_earlier_half_where_it_asks(tmp_path):
    given = []

    def asks(detector, x, mask, rng, *, alarms):
        """Keep what it is given."""
        given.append(alarms)
        return torch.where(mask, 1 - x, x)

    datasets.register("marked")(marked)
    corruptions.register("asks-alarms")(asks)
    suite = suite_of(corruptions=["asks-alarms[threshold=0.1,count=5]"], seeds=1)
    aexbench.run(suite, tmp_path / "store", in_process=True)
    first = np.concatenate(given)[:, 0]
    assert len(first) > 0
    # the first hundred rows are normal; of the labelled fifty, one half of all is later
    assert {float(v) for v in first} <= {float(v) for v in marked().test[:125, 0]}


def test_a_threshold_like_alarms_bounds_any_corruption_by_those_that_are_seen(tmp_path):
    datasets.register("marked")(marked)
    suite = suite_of(corruptions=["random[threshold=alarm,count=5]"], seeds=1)
    results = aexbench.run(suite, tmp_path / "store", in_process=True)
    anomalies = results.anomalies(results.cells[0])
    assert (anomalies.error <= anomalies.report["most_error"]).all()


def test_labels_bear_whether_they_raise_an_alarm_and_boards_count_those(tmp_path):
    def labelled():
        """Mark rows, and say that the first column is the symptom."""
        made = marked()
        made.test_truth = np.zeros(made.test.shape, dtype=bool)
        made.test_truth[made.test_labels, 0] = True
        made.test_truth_kind = "cause"
        return made

    datasets.register("labelled")(labelled)
    suite = suite_of(datasets=["labelled"], corruptions=["labels[half=later]"], seeds=1)
    results = aexbench.run(suite, tmp_path / "store", in_process=True)
    anomalies, scores = (part(results.cells[0]) for part in (results.anomalies, results.scores))
    alarmed = anomalies.details["alarmed"]
    assert 0 < alarmed.sum() <= len(alarmed) == 25
    (section,) = results.board().sections
    assert section.kind.truth == "cause"
    assert list(section.groups.values()) == [alarmed.sum()]
    name = next(iter(scores))
    assert section.rows[0].scores[name].mean == pytest.approx(scores[name][alarmed].mean())
    assert results.frame.score.iloc[0] == pytest.approx(scores[name][alarmed].mean())


def test_an_untrained_twin_is_made_once_for_all_explainers(tmp_path, monkeypatch):
    datasets.register("marked")(marked)
    made = []
    real = workspace.controlled
    monkeypatch.setattr(workspace, "controlled", lambda *given: made.append(given) or real(*given))
    explainers = {"explainers": ["residual", "saliency", "repair"], "twins": 1, "seeds": 1}
    changed = {"corruptions": ["random[threshold=0.3,count=5]"], "controls": True}
    results = aexbench.run(suite_of(**explainers, **changed), tmp_path / "store", in_process=True)
    twins = [cell for cell in results.cells if cell.control == "permuted"]
    assert len(twins) >= 3
    assert [control for _, control, _ in made].count("permuted") == 1
