from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from aexbench import AnomalySet, Features, RequestError, corruptions, rows
from aexbench.board import leaderboard
from aexbench.running import strata
from aexbench.running.scoring import by_unit
from aexbench.running.store import Store


@pytest.fixture(scope="module")
def anomalies(detector, linear_rows) -> AnomalySet:
    made = corruptions.create("group").generate(
        detector, linear_rows[400:], count=30, threshold=0.1, seed=0
    )
    return replace(made, details=strata.measured(made, detector, rows.moments(linear_rows[:300])))


def handmade(x: list[list[float]], truth: list[list[bool]], **details: list[float]) -> AnomalySet:
    n = len(x)
    found = {name: np.array(values) for name, values in details.items()}
    ones, label = np.ones(n), np.full(n, "x")
    return AnomalySet(
        np.array(x), np.array(truth), ones, ones, label, np.arange(n), Features(), details=found
    )


def test_a_constant_column_has_the_least_spread_and_no_deviation_at_its_value(detector):
    made = handmade([[5.0, 0.2], [5.5, 0.9]], [[True, False], [True, False]])
    moments = np.array([5.0, 0.5]), np.array([0.0, 0.1])
    found = strata.measured(made, detector, moments)
    np.testing.assert_allclose(found["deviation"], [0.0, 0.5 / 1e-6])


def test_a_value_at_an_edge_is_in_the_stratum_above_it():
    gains = [0.0, 0.0999, 0.1, 0.25, 0.5]
    made = handmade([[1.0]] * 5, [[True]] * 5, gain=gains)
    assert strata.by_gain(made).tolist() == [
        "gain 0.00–0.10",
        "gain 0.00–0.10",
        "gain 0.10–0.25",
        "gain 0.25–0.50",
        "gain 0.50 and more",
    ]


def test_what_raises_an_alarm_is_told_from_what_does_not():
    made = handmade([[1.0]] * 3, [[True]] * 3)
    made = replace(made, details={"alarmed": np.array([True, False, True])})
    assert strata.by_alarm(made).tolist() == ["alarm", "no alarm", "alarm"]


def test_gain_and_deviation_are_those_of_each_sample(anomalies, detector, linear_rows):
    mean, spread = linear_rows[:300].mean(axis=0), linear_rows[:300].std(axis=0)
    for number in range(len(anomalies)):
        x, clean, truth = anomalies.x[number], anomalies.clean[number], anomalies.truth[number]
        z = max(abs(x[i] - mean[i]) / spread[i] for i in np.flatnonzero(truth))
        assert anomalies.details["deviation"][number] == pytest.approx(z, rel=1e-4)
        rise = float(detector.score(x[None])[0] - detector.score(clean[None])[0])
        assert anomalies.details["gain"][number] == pytest.approx(rise, abs=1e-6)


def test_every_sample_is_in_its_stratum_and_strata_sort(anomalies):
    for name, function in (("gain", strata.by_gain), ("deviation", strata.by_deviation)):
        found = function(anomalies)
        values = anomalies.details[name]
        for stratum, value in zip(found, values, strict=True):
            low, high = [*stratum.split()[1].split("–"), "inf"][:2]
            assert float(low) <= value < float(high)
        means = [values[found == stratum].mean() for stratum in np.unique(found)]
        assert means == sorted(means)
        assert len(means) > 1


def test_features_are_named_all_of_them(anomalies):
    found = strata.by_feature(anomalies)
    assert found[0] == "+".join(np.array(list("abcdefgh"))[anomalies.truth[0]])
    unnamed = strata.by_feature(
        replace(anomalies, features=Features(groups=(0, 0, 1, 1, 2, 2, 3, 3)))
    )
    assert set("+".join(unnamed).split("+")) <= {f"feature {i}" for i in range(1, 5)}


def test_groups_of_columns_are_numbered_where_columns_have_names():
    truth = np.array([[True, True, False], [False, False, True]])
    features = Features(names=("a", "b", "c"), groups=(0, 0, 1))
    made = AnomalySet(
        np.zeros((2, 3)), truth, *[np.zeros(2)] * 2, np.array(["x"] * 2), np.arange(2), features
    )
    assert strata.by_feature(made).tolist() == ["feature 1", "feature 2"]


def test_labelled_anomalies_have_no_gain_and_images_no_features(anomalies):
    with pytest.raises(RequestError, match="has a gain"):
        strata.by_gain(replace(anomalies, details={}))
    everywhere = np.ones((2, 1, 8, 8), bool)
    image = AnomalySet(
        everywhere * 1.0,
        everywhere,
        *[np.zeros(2)] * 2,
        np.array(["x"] * 2),
        np.arange(2),
        Features(),
    )
    with pytest.raises(RequestError, match="many true columns"):
        strata.by_feature(image)


def test_a_board_by_feature_is_the_macro_average(aexbench_cli, small, tmp_path):
    arguments = ["-c", "random[threshold=0.2,count=25]", "-e", "residual", "--no-controls"]
    assert aexbench_cli("run", small, *arguments, "--store", tmp_path / "store").code == 0
    store = Store(tmp_path / "store")
    record = store.records()[0][0]
    scores, unit = store.read_scores(record).values["recall"], store.anomalies_of(record).unit
    feature = strata.by_feature(store.anomalies_of(record))
    strata_of = [feature == name for name in np.unique(feature)]
    expected = np.mean([by_unit(scores[rows], unit[rows]).mean() for rows in strata_of])
    board = leaderboard.leaderboard(store, by="feature")
    assert board.rows[0].scores["recall"].mean == pytest.approx(expected)
    assert expected != pytest.approx(scores.mean()), "features are not equally frequent"
    assert len(board.sections[0].groups) == len(np.unique(feature))
    outcome = aexbench_cli("leaderboard", tmp_path / "store", "--by", "gian")
    assert outcome.code == 2
    assert "did you mean 'gain'" in outcome.err


def test_strata_of_a_pooled_metric_are_scored_anew(aexbench_cli, small, tmp_path):
    arguments = ["-c", "random[threshold=0.2,count=25]", "-e", "residual", "--no-controls"]
    small.write_text(small.read_text().replace('"recall[top=1]", "recall[top=3]"', '"pixel-ap"'))
    assert aexbench_cli("run", small, *arguments, "--store", tmp_path / "store").code == 0
    store = Store(tmp_path / "store")
    record = store.records()[0][0]
    anomalies = store.anomalies_of(record)
    maps, part = store.read_attributions(record), strata.by_gain(anomalies)
    row = leaderboard.leaderboard(store, by="gain").rows[0]
    for name in np.unique(part):
        expected = average_precision_score(
            anomalies.truth[part == name].ravel(), maps[part == name].ravel()
        )
        (found,) = [score for group, (score, _) in row.by_group.items() if group.endswith(name)]
        assert found == pytest.approx(expected)


def test_a_board_says_what_the_detectors_are_worth(aexbench_cli, small, tmp_path):
    assert (
        aexbench_cli(
            "run", small, "-e", "residual", "--no-controls", "--store", tmp_path / "store"
        ).code
        == 0
    )
    store = Store(tmp_path / "store")
    report = store.records()[0][0].detector
    (quality,) = leaderboard.leaderboard(store).detectors
    assert quality.error_ratio == pytest.approx(
        report["validation_error"] / report["constant_error"]
    )
    assert (quality.roc_auc, quality.average_precision) == (
        report["roc_auc"],
        report["average_precision"],
    )
    assert quality.anomalous_share == pytest.approx(59 / 83)
    text = aexbench_cli("leaderboard", tmp_path / "store").out
    assert f"{quality.roc_auc:.2f}" in text
    assert "ROC-AUC" in text


def test_training_that_comes_to_nothing_is_tried_once_and_fails_its_cells(
    aexbench_cli, small, tmp_path, monkeypatch
):
    from aexbench.autoencoders import training

    calls = []
    own = training.train
    monkeypatch.setattr(training, "train", lambda *a: calls.append(1) or own(*a))
    store = tmp_path / "store"
    small.write_text(small.read_text().replace("learning_rate=0.02", "learning_rate=1e-9"))
    outcome = aexbench_cli("run", small, "--store", store, "--in-process")
    assert outcome.code == 1
    assert "training came to nothing in 3 starts" in outcome.out
    assert len(calls) == 1
    assert {record.state for record in Store(store).records()[0]} == {"failed"}


def test_labels_may_be_a_sample(aexbench_cli, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((150, 1)) + 0.05 * rng.random((150, 4))
    x[100:, 2] += 1
    text = "\n".join(",".join(map(str, [*row, int(i >= 100)])) for i, row in enumerate(x.tolist()))
    (tmp_path / "rows.csv").write_text("a,b,c,d,why_c\n" + text)
    network = "'mlp[widths=[3],epochs=200,learning_rate=0.02]'"
    data = f"file[path={tmp_path}/rows.csv,truth=why_,autoencoder={network}]"
    outcome = aexbench_cli(
        "run",
        "-d",
        data,
        "-c",
        "labels[count=20]",
        "-e",
        "residual",
        "--no-controls",
        "--store",
        tmp_path / "s",
    )
    assert outcome.code == 0, outcome.err
    store = Store(tmp_path / "s")
    anomalies = store.anomalies_of(store.records()[0][0])
    assert len(np.unique(anomalies.unit)) == 20
    assert anomalies.report["labelled"] == 50
    for wrong in ("labels[count=0]", "labels[cuont=3]", "labels[count=true]"):
        assert aexbench_cli("run", "-d", data, "-c", wrong, "-e", "residual").code == 2
