from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from aexbench import Detector, Features, RequestError, SkipError, corruptions
from aexbench.corruptions.adversarial import _limits, adversarial
from aexbench.single_feature import Gate
from tests.conftest import mlp
from tests.corruptions import adversarial_twin

NAMES = ["null", "random", "adversarial"]


@pytest.fixture(params=NAMES)
def anomalies(request, detector, linear_rows):
    return corruptions.create(request.param).generate(
        detector, linear_rows[300:], count=40, threshold=0.2, seed=3
    )


def test_only_the_chosen_feature_differs_and_it_does(anomalies, linear_rows):
    changed = anomalies.x != anomalies.clean
    np.testing.assert_array_equal(changed, anomalies.truth)
    assert (anomalies.truth.sum(axis=1) == 1).all()
    np.testing.assert_array_equal(
        anomalies.clean.astype(np.float32), linear_rows[300:][anomalies.unit]
    )


def test_score_passes_the_threshold_and_the_clean_score_does_not(anomalies, detector):
    assert len(anomalies) == 40
    assert (anomalies.score > 0.2).all()
    assert (detector.score(anomalies.clean) <= 0.2).all()
    np.testing.assert_allclose(detector.error(anomalies.x), anomalies.error)


def test_report_accounts_for_every_draw(anomalies):
    report = anomalies.report
    assert report["found"] == report["asked"] == 40
    assert report["draws"] == report["found"] + sum(report["rejected"].values())
    assert report["label"] == anomalies.label[0]
    above = report["rejected"].get("clean score above the threshold", 0)
    assert report["clean_above_threshold"] == above / report["draws"]
    pairs = zip(anomalies.unit.tolist(), anomalies.truth.tolist(), strict=True)
    assert report["distinct"] == len({(unit, tuple(truth)) for unit, truth in pairs})
    for flag in ("objective_rose", "others_rose", "own_did_not_rise"):
        if flag in anomalies.details:
            assert report[flag] == np.mean(anomalies.details[flag])


def test_pairs_of_row_and_feature_are_counted(detector, linear_rows):
    few = corruptions.create("random").generate(detector, linear_rows[300:303], 40, 0.2)
    pairs = {
        (unit, tuple(t)) for unit, t in zip(few.unit.tolist(), few.truth.tolist(), strict=True)
    }
    assert 3 < few.report["distinct"] == len(pairs) < 40


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_anomalies_another_seed_others(name, detector, linear_rows):
    one, same, other = (
        corruptions.create(name).generate(
            detector, linear_rows[300:], count=20, threshold=0.2, seed=seed
        )
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.x, same.x)
    assert not np.array_equal(one.x, other.x)


@pytest.mark.parametrize("name", NAMES)
def test_draws_do_not_depend_on_how_they_are_batched(name, detector, linear_rows, monkeypatch):
    batched = corruptions.create(name).generate(
        detector, linear_rows[300:], count=10, threshold=0.2, seed=5
    )
    monkeypatch.setattr("aexbench.single_feature.ROUND_BYTES", 1)  # one draw a round
    single = corruptions.create(name).generate(
        detector, linear_rows[300:], count=10, threshold=0.2, seed=5
    )
    np.testing.assert_allclose(batched.x, single.x, rtol=1e-12)
    np.testing.assert_array_equal(batched.truth, single.truth)
    assert batched.report["draws"] == single.report["draws"]


def test_adversarial_equals_the_slow_twin():
    model = mlp((6, 4, 6), ("tanh", "sigmoid"))
    detector = Detector(model)
    clean = torch.rand(8, 6, dtype=torch.float64)
    mask = torch.eye(6, dtype=torch.bool)[torch.arange(8) % 6]
    parameters = {"steps": 45, "theta": 0.7, "alpha": 0.05, "every": 10}
    made = adversarial(detector, clean, mask, np.random.default_rng(0), **parameters).x
    start = torch.where(mask, torch.as_tensor(np.random.default_rng(0).random((8, 6))), clean)
    for i in range(8):
        expected = adversarial_twin.optimise(lambda x: model(x), start[i], i % 6, **parameters)
        torch.testing.assert_close(made[i], torch.as_tensor(expected), rtol=0, atol=1e-9)


def test_adversarial_does_not_lower_its_objective(detector, linear_rows):
    anomalies = corruptions.create("adversarial").generate(
        detector, linear_rows[300:], count=50, threshold=0.2
    )
    assert (anomalies.details["objective"] >= anomalies.details["objective_start"]).mean() >= 0.9
    for aim in ("others_rose", "own_did_not_rise"):
        assert anomalies.report[aim] == anomalies.details[aim].mean()


def test_adversarial_value_keeps_to_its_options_only_when_asked(detector, linear_rows):
    clean, shape = torch.as_tensor(linear_rows[:200]).double(), (200, 8)
    mask = torch.eye(8, dtype=torch.bool)[torch.arange(200) % 8]
    start = torch.where(mask, torch.as_tensor(np.random.default_rng(0).random(shape)), clean)
    free = adversarial(detector, clean, mask, np.random.default_rng(0)).x
    near = adversarial(detector, clean, mask, np.random.default_rng(0), epsilon=0.1).x
    inside = adversarial(detector, clean, mask, np.random.default_rng(0), bounded=True).x
    assert free[mask].min() < 0 or free[mask].max() > 1
    assert (near - start).abs().max() <= 0.1 + 1e-12
    assert inside[mask].min() >= 0
    assert inside[mask].max() <= 1


def test_adversarial_without_a_step_misses_no_aim_but_that_others_rise():
    x, mask = torch.rand(6, 6, dtype=torch.float64), torch.eye(6, dtype=torch.bool)
    detector = Detector(mlp((6, 4, 6), ("tanh", "sigmoid")))
    details = adversarial(detector, x, mask, np.random.default_rng(0), steps=0).details
    assert details["objective_rose"].all()  # it stayed
    assert details["own_did_not_rise"].all()
    assert not details["others_rose"].any()


class Zero(torch.nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


def test_adversarial_attacks_a_constant_output_though_no_gradient_comes_through_it():
    x, mask = torch.full((4, 4), 0.5), torch.eye(4, dtype=torch.bool)
    made = adversarial(Detector(Zero()), x, mask, np.random.default_rng(0)).x
    assert made[mask].abs().max() < 0.06  # its own error falls, to a step of 0.05 from none


def test_adversarial_value_keeps_to_both_its_limits():
    start = torch.tensor([[0.5, 0.05]])
    least, most = _limits(start, torch.zeros(2), torch.ones(2), epsilon=0.1, bounded=True)
    torch.testing.assert_close(least, torch.tensor([[0.4, 0.0]]))
    torch.testing.assert_close(most, torch.tensor([[0.6, 0.15]]))


def test_null_is_zero_and_random_covers_the_features_range(detector, linear_rows):
    assert (
        anomalies := corruptions.create("null").generate(detector, linear_rows, threshold=0.1)
    ).x[anomalies.truth].max() == 0
    wide = replace(detector, features=Features(low=-2.0, high=3.0))
    values = (
        a := corruptions.create("random").generate(wide, linear_rows, count=300, threshold=0.0)
    ).x[a.truth]
    assert values.min() < -1
    assert values.max() > 2


def test_whole_groups_are_changed(detector, linear_rows):
    grouped = replace(detector, features=Features(groups=(0, 0, 1, 1, 1, 2, 3, 3)))
    anomalies = corruptions.create("random").generate(grouped, linear_rows, count=30, threshold=0.1)
    groups = {tuple(row) for row in anomalies.truth.astype(int)}
    allowed = [tuple(int(g == k) for g in (0, 0, 1, 1, 1, 2, 3, 3)) for k in range(4)]
    assert groups <= set(allowed)
    assert len(groups) > 1


def test_what_cannot_be_reached_is_reported_and_the_threshold_not_lowered(detector, linear_rows):
    anomalies = corruptions.create("null", max_draws=300).generate(
        detector, linear_rows, count=100, threshold=0.9
    )
    assert len(anomalies) < 100
    assert anomalies.report["draws"] == 300
    assert anomalies.report["asked"] == 100
    assert anomalies.report["found"] == len(anomalies)
    none = corruptions.create("null", max_draws=50).generate(
        detector, np.zeros((9, 8), np.float32), threshold=0.0
    )
    assert len(none) == 0
    assert sum(none.report["rejected"].values()) == 50


def test_a_value_that_does_not_change_is_no_anomaly(detector, linear_rows):
    family = corruptions.register.__self__
    still = family.make(
        family.adapt(lambda detector, x, mask, rng: x, "still"), (), {"max_draws": 40}
    )
    anomalies = still.generate(detector, linear_rows, threshold=0.9)
    assert (len(anomalies), anomalies.report["rejected"]["value unchanged"] > 30) == (0, True)
    wild = family.adapt(lambda detector, x, mask, rng: x.masked_fill(mask, float("inf")), "wild")
    infinite = family.make(wild, (), {"max_draws": 40}).generate(
        detector, linear_rows, threshold=0.3
    )
    assert (len(infinite), "error not finite" in infinite.report["rejected"]) == (0, True)


def test_strict_asks_for_more_than_a_score(detector, linear_rows):
    strict = corruptions.create("random", threshold="strict").generate(
        detector, linear_rows[300:], count=50
    )
    scale = detector.calibrated
    assert (strict.error > scale.normal_999).all()
    assert (detector.error(strict.clean) <= scale.normal_95).all()
    assert (np.abs(strict.x - strict.clean)[strict.truth] >= 0.05).all()
    wide = replace(detector, features=Features(low=-5.0, high=(5.0,) * 7 + (15.0,)))
    gate = Gate.of(wide, "strict", (8,), np.zeros((0, 8)))
    assert gate.least_change.tolist() == [0.5] * 7 + [1.0]
    assert (gate.most_before, gate.least_after) == (scale.normal_95, scale.normal_999)


def test_a_gate_takes_what_lies_on_its_bounds_and_a_clean_score_is_the_first_reason():
    gate = Gate(0.25, 0.5, np.array([0.125, 0.25]))
    before, error = np.array([0.25, 0.25, 0.25, 0.5]), np.array([0.75, 0.5, 0.75, 0.25])
    change = np.array([[0.125, 0.0], [0.5, 0.0], [0.0, 0.125], [0.0, 0.0]])
    assert gate.reasons(before, error, change).tolist() == [
        "",
        "score not above the threshold",
        "value unchanged",
        "clean score above the threshold",
    ]


@pytest.mark.parametrize("threshold", [1.0, -0.1, "strickt"])
def test_wrong_thresholds_are_refused(threshold, detector, linear_rows):
    with pytest.raises(RequestError, match="threshold"):
        corruptions.create("null").generate(detector, linear_rows, threshold=threshold)
    with pytest.raises(RequestError, match="threshold"):
        corruptions.create("null", threshold=threshold)


def test_a_corruption_that_changes_other_features_is_an_error(detector, linear_rows):
    family = corruptions.register.__self__
    plugin = family.adapt(lambda detector, x, mask, rng: x + 1, "greedy")
    with pytest.raises(ValueError, match="its mask alone"):
        family.make(plugin, (), {}).generate(detector, linear_rows)


class InRange(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.nn.Linear(6, 6)

    def forward(self, x):
        return torch.sigmoid(self.inner(x))


def cross_entropy(x, x_hat):
    found = torch.nn.functional.binary_cross_entropy(x_hat, x, reduction="none")
    return found / x[0].numel()


def test_a_loss_that_is_defined_in_a_range_alone():
    rows = np.random.default_rng(0).random((200, 6)).astype(np.float32)
    detector = Detector(InRange(), cross_entropy).calibrate(rows)
    for name in ("null", "random", "swap", "adversarial[bounded=true]"):
        made = corruptions.create(name).generate(detector, rows, count=3, threshold=0.01)
        assert len(made) == 3
    with pytest.raises(SkipError, match=r"adversarial leaves the Features' bounds.*bounded=true"):
        corruptions.create("adversarial[steps=1,alpha=3.0]").generate(detector, rows, count=3)
