from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pytest

from aexbench import Features, RequestError, families
from aexbench.components import component
from aexbench.contracts import AnomalySet
from aexbench.metrics.pixel_ap import pixel_ap
from aexbench.running import scoring
from aexbench.running.references import chance, feature_prior, oracle


def anomalies(truth: np.ndarray, unit=None, label=None, features=None, alarmed=None) -> AnomalySet:
    n = len(truth)
    details = {} if alarmed is None else {"alarmed": alarmed}
    label = np.full(n, "x") if label is None else np.asarray(label)
    unit = np.arange(n) if unit is None else np.asarray(unit)
    return AnomalySet(
        *(np.zeros(truth.shape), truth, np.ones(n), np.ones(n), label, unit),
        features or Features(),
        details=details,
    )


def metric(text: str):
    return component(families.metrics, text)


PLAIN = SimpleNamespace(probe=None)  # of a cell, what scoring asks


def scored(values, made, text):
    """Return the scores of attributions by one metric, (N,)."""
    return scoring.of_cell(PLAIN, values, made, [metric(text)])[text]


RNG = np.random.default_rng(0)
TRUTH = np.eye(6, dtype=bool)[RNG.integers(6, size=30)]


def test_pooled_metrics_get_jackknife_values_whose_mean_is_the_pooled_score():
    attributions = RNG.random((30, 6)) + 0.3 * TRUTH
    values = scored(attributions, anomalies(TRUTH), "pixel-ap")
    pooled = families.metrics.create("pixel-ap").score(attributions, TRUTH)
    assert values.mean() == pytest.approx(pooled)
    assert 0.2 < pooled < 0.9
    without_first = families.metrics.create("pixel-ap").score(attributions[1:], TRUTH[1:])
    others = np.mean(
        [
            families.metrics.create("pixel-ap").score(
                np.delete(attributions, i, 0), np.delete(TRUTH, i, 0)
            )
            for i in range(30)
        ]
    )
    assert values[0] == pytest.approx(pooled + 29 * (others - without_first))


def test_the_jackknife_counts_with_the_metrics_own_arguments():
    attributions, truth = RNG.random((4, 6)), np.tile(np.arange(6) < 2, (4, 1))
    text = "pixel-ap[thresholds=5]"
    values = scored(attributions, anomalies(truth), text)
    own = functools.partial(pixel_ap, thresholds=5)
    expected = scoring._jackknife(own, None, attributions, truth, np.arange(4))
    np.testing.assert_allclose(values, expected)
    exact = scored(attributions, anomalies(truth), "pixel-ap")
    assert not np.allclose(values, exact)


@pytest.mark.parametrize("text", ["pixel-ap", "pixel-ap[thresholds=3]"])
def test_a_single_sample_of_a_label_has_the_pooled_score_itself(text):
    attributions = np.array([[0.2, 0.9, 0.5], [0.3, 0.2, 0.1], [0.1, 0.2, 0.3]])
    truth = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], dtype=bool)
    made = anomalies(truth, label=["one", "two", "two"])
    found = scored(attributions, made, text)
    # The true column is the second of three; of thresholds at .2, .55 and .9 the first finds it.
    assert found[0] == pytest.approx(0.5)


def test_labels_are_pooled_apart():
    attributions, label = RNG.random((30, 6)) + 0.3 * TRUTH, np.repeat(["a", "b"], 15)
    values = scored(attributions, anomalies(TRUTH, label=label), "pixel-ap")
    assert values[:15].mean() == pytest.approx(
        families.metrics.create("pixel-ap").score(attributions[:15], TRUTH[:15])
    )
    pooled = families.metrics.create("pixel-ap").score(attributions, TRUTH)
    assert values.mean() != pytest.approx(pooled)


def test_attributions_are_summed_over_feature_groups_first():
    features = Features(groups=(0, 0, 1))
    truth = np.array([[True, True, False]])
    made, attributes = anomalies(truth, features=features), SimpleNamespace(probe=None)
    for attributions, expected in (([[0.3, 0.3, 0.5]], 1.0), ([[0.2, 0.2, 0.5]], 0.0)):
        found = scoring.of_cell(attributes, np.array(attributions), made, [metric("recall")])
        assert found["recall"] == [expected]


def test_who_sees_columns_is_given_them_before_groups():
    features = Features(groups=(0, 1, 0, 1, 0, 1))  # the channels of three steps
    truth = np.array([[[True, False], [False, False], [False, False]]])
    found = np.array([[[0.2, 0.2], [0.0, 0.3], [0.0, 0.0]]])
    made, attributes = anomalies(truth, features=features), SimpleNamespace(probe=None)
    names = ["step-precision", "recall", "step-roc-auc"]
    scores = scoring.of_cell(attributes, found, made, [metric(name) for name in names])
    assert {name: value.tolist() for name, value in scores.items()} == {
        "step-precision": [1.0],
        "recall": [0.0],  # of the second channel there is more
        "step-roc-auc": [1.0],
    }
    assert list(scores) == names


def test_references_are_scored_by_time_as_explainers_are():
    truth = np.zeros((3, 5, 2), dtype=bool)
    truth[:, 1:3, 0] = truth[1, 2, 1] = True
    made = anomalies(truth, features=Features(groups=(0, 1) * 5))
    attributes, by_time = SimpleNamespace(probe=None), [metric("step-roc-auc")]
    for reference, expected in ((oracle, 1.0), (chance, 0.5)):
        found = scoring.of_cell(attributes, reference(made), made, by_time)
        assert found["step-roc-auc"] == pytest.approx(expected)


def test_who_sees_columns_says_beforehand_which_samples_it_takes():
    for name, shape in (("step-precision", (32, 38)), ("recall", (7,)), ("boundary-ap", (7,))):
        scoring.check(metric(name), shape)
    with pytest.raises(RequestError, match=r"these samples have shape \(7,\)"):
        scoring.check(metric("step-precision"), (7,))


def test_what_a_probe_brings_is_not_summed():
    made = anomalies(np.array([[True, True, False]]), features=Features(groups=(0, 0, 1)))
    asks = SimpleNamespace(probe="some")
    for outcome, expected in (([[0.6, 0.5]], 1.0), ([[0.4, 0.5]], 0.0)):
        found = scoring.of_cell(asks, np.array(outcome), made, [metric("recall")])
        assert found["recall"] == [expected]


def test_attributions_are_signed_and_stay_so():
    made, attributes = anomalies(np.array([[False, True]])), SimpleNamespace(probe=None)
    found = scoring.of_cell(attributes, np.array([[-3.0, 1.0]]), made, [metric("recall")])
    assert found["recall"] == [1.0]


def test_what_is_pooled_is_left_out_unit_by_unit():
    attributions, unit = RNG.random((30, 6)) + 0.3 * TRUTH, np.repeat(range(5), [2, 4, 6, 8, 10])
    made = anomalies(TRUTH, unit=unit)
    values = scored(attributions, made, "pixel-ap")
    whole, *without = (
        families.metrics.create("pixel-ap").score(attributions[rows], TRUTH[rows])
        for rows in (np.ones(30, bool), *(unit != one for one in range(5)))
    )
    wanted = [whole + 4 * (np.mean(without) - one) for one in without]
    np.testing.assert_allclose(values, np.repeat(wanted, [2, 4, 6, 8, 10]))
    assert scoring.by_unit(values, unit).mean() == pytest.approx(whole)


def test_what_raises_no_alarm_is_pooled_apart():
    attributions, alarmed = RNG.random((30, 6)) + 0.3 * TRUTH, np.arange(30) % 3 > 0
    made = anomalies(TRUTH, alarmed=alarmed)
    values = scored(attributions, made, "pixel-ap")
    for rows in (alarmed, ~alarmed):
        alone = families.metrics.create("pixel-ap").score(attributions[rows], TRUTH[rows])
        assert values[rows].mean() == pytest.approx(alone)


def summarized(values, label, unit=None, alarmed=None):
    n = len(values)
    unit = np.arange(n) if unit is None else np.asarray(unit)
    alarmed = np.ones(n, bool) if alarmed is None else np.asarray(alarmed, dtype=bool)
    scores = {"recall": np.array(values, dtype=float)}
    return scoring.summarize(scores, np.array([*label]), unit, alarmed)


def test_every_label_counts_alike_however_many_samples_it_has():
    assert summarized([1, 1, 1, 0], "aaab") == {"recall": 0.5}


def test_every_unit_counts_alike_however_many_samples_it_has():
    assert summarized([1, 1, 1, 0, 0, 1], "aaaaaa", [4, 4, 4, 4, 7, 7]) == {"recall": 0.625}


def test_what_raises_no_alarm_does_not_count():
    assert summarized([1, 0, 1, 0], "aaab", alarmed=[1, 0, 1, 0]) == {"recall": 1.0}
    assert summarized([1, 0], "ab", alarmed=[0, 0]) == {}


def test_scores_that_are_not_finite_are_an_error():
    families.metrics.register("endless")(lambda attributions, truth: np.full(len(truth), np.inf))
    with pytest.raises(ValueError, match="not finite"):
        scored(TRUTH.astype(float), anomalies(TRUTH), "endless")


def test_oracle_is_perfect_and_the_prior_never_sees_its_own_unit():
    truth = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    made = anomalies(truth, unit=[0, 0, 1, 2])
    assert scored(oracle(made), made, "recall").tolist() == [1.0] * 4
    np.testing.assert_allclose(feature_prior(made)[0], [0, 0.5, 0.5])
    np.testing.assert_allclose(feature_prior(made)[2], [2 / 3, 0, 1 / 3])
    assert feature_prior(anomalies(truth[:1])).tolist() == [[0.0, 0.0, 0.0]]


def test_a_metric_of_the_wrong_kind_is_an_error():
    families.metrics.register("odd")(lambda attributions, truth: 1.0)
    with pytest.raises(ValueError, match="one value per sample"):
        scored(TRUTH.astype(float), anomalies(TRUTH), "odd")


def test_a_metric_may_be_better_when_lower():
    families.metrics.register("wrongness", higher_is_better=False)(
        lambda attributions, truth: np.zeros(len(truth))
    )
    assert not scoring.info(metric("wrongness")).higher_is_better
    assert scoring.info(metric("pixel-ap")).higher_is_better


def test_what_another_version_of_a_metric_has_scored_is_scored_again(tmp_path):
    import aexbench

    def value(figure):
        families.metrics._plugins.pop("flat", None)
        families.metrics.register("flat", version=int(figure * 100))(
            lambda attributions, truth: np.full(len(truth), figure)
        )
        options = {"datasets": ["wine"], "corruptions": ["random[count=5]"], "seeds": 1}
        suite = {"name": "x", "explainers": ["residual"], "metrics": ["flat"], **options}
        results = aexbench.run(suite | {"controls": False}, tmp_path / "s")
        return results.frame.score.tolist(), results.ran

    assert [value(f) for f in (0.25, 0.75, 0.75)] == [([0.25], 1), ([0.75], 0), ([0.75], 0)]
