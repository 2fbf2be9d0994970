"""Is a detector worth explaining? Detectors made to be refused, and sound ones that must not be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aexbench import Dataset, Detector, Features
from aexbench.auditing import worth
from aexbench.auditing.worth import better_orders, detection, error_shares, examined

from .conftest import linear, low_rank, projection, split


def problem(detector: Detector, dataset: Dataset) -> str:
    return examined(detector, dataset)[1].problem


class Same(torch.nn.Module):
    """Returns what it is given."""

    def forward(self, x):
        return x * 1.0


class Noisy(torch.nn.Module):
    """Adds noise of its own at each call."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) + 0.1 * torch.randn_like(x)


class OfBatch(Noisy):
    """Subtracts the mean of the batch."""

    def forward(self, x):
        return self.inner(x - x.mean(dim=0))


def untrained(seed: int = 0) -> Detector:
    torch.manual_seed(seed)
    return Detector(torch.nn.Sequential(torch.nn.Linear(10, 3), torch.nn.Linear(3, 10)))


def test_constants():
    assert (worth.HEAVY, worth.TOLD, worth.ORDERS, worth.ORDERED) == (0.5, 0.5, 99, 256)
    assert (worth.CLEARLY, worth.GAIN, worth.ENOUGH) == (3.5, 0.1, 10)


@pytest.mark.parametrize("seed", range(5))
def test_an_untrained_network_is_no_better_than_the_mean_row(rows, seed):
    said = problem(untrained(seed), split(rows))
    assert said.startswith("it reconstructs normal rows no better than their mean row does (")


def test_a_dead_network_returns_the_same_for_every_row(rows):
    dead = Detector(linear(np.zeros((10, 10)), rows.mean(axis=0)))
    assert problem(dead, split(rows)).startswith("its output does not vary with the row")


def test_the_identity_detects_nothing(rows):
    assert "this model detects nothing" in problem(Detector(Same()), split(rows))


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_columns_are_noticed(rows, sound, seed):
    order = np.random.default_rng(seed).permutation(10)
    said = problem(sound, split(rows[:, order]))
    assert "order" in said or "no better than their mean row" in said


def test_two_columns_in_each_others_place_are_noticed_below_the_mean_rows_error(rows):
    """Where they weigh enough: among many columns two are too few to be sure of."""
    detector = projection(rows[:450], 5)
    shuffled = split(rows[:, [0, 3, 2, 1, *range(4, 10)]])
    _, found = examined(detector, shuffled)
    assert found.error_ratio < 1
    assert "of 99 random orders of their columns" in found.problem


def test_noise_of_a_networks_own_is_refused(rows, sound):
    assert "it draws noise" in problem(Detector(Noisy(sound.model)), split(rows))


def test_a_network_that_looks_at_the_batch_is_refused(rows, sound):
    said = problem(Detector(OfBatch(sound.model)), split(rows + 1))
    assert "depends on the batch" in said


def test_every_refusal_says_what_to_do(rows, sound):
    for detector in (untrained(), Detector(Same()), Detector(Noisy(sound.model))):
        assert examined(detector, split(rows))[1].remedy


def labelled(rows, units=None, seed=0, count=120):
    labels = np.zeros(400, dtype=bool)
    labels[np.random.default_rng(seed).choice(400, count, replace=False)] = True
    return split(rows, labels, units=units)


def test_labels_that_the_error_does_not_tell_are_refused(rows, sound):
    said = problem(sound, labelled(rows))
    assert said.startswith("its error does not tell the labelled rows from normal ones (ROC-AUC 0.")


def test_labels_that_it_tells_are_not(rows, sound):
    data = labelled(rows.copy())
    data.test[data.test_labels] += 0.3 * np.random.default_rng(1).normal(size=(120, 10))
    _, found = examined(sound, data)
    assert found.problem == ""
    assert found.roc_auc.value > 0.9


@pytest.mark.parametrize(("good", "refused"), [([0.9, 0.6], False), ([0.5, 0.4], True)])
def test_few_incidents_do_not_condemn_a_detector_that_tells_them(good, refused):
    """The interval of two incidents holds .5, whatever they are."""
    normal, tested = np.linspace(0, 1, 1001), np.array(good)
    data = one_column(tested, [True, True], [0, 1])
    auc = detection(tested, normal, data)
    assert auc.lower(0.95) < 0.5
    assert worth._untold(auc) == refused


@pytest.mark.parametrize(("count", "refused"), [(9, False), (10, True)])
def test_ten_incidents_must_be_surely_told(count, refused):
    tested = np.tile([0.05, 0.99], 5)[:count] + 0.001
    tested[0] = 0.99
    auc = detection(
        tested, np.linspace(0, 1, 1001), one_column(tested, [True] * count, range(count))
    )
    assert auc.value > 0.5 > auc.lower(0.95)
    assert worth._untold(auc) == refused


def one_column(test, labels, units) -> Dataset:
    x = np.asarray(test, dtype=np.float32).reshape(-1, 1)
    return Dataset(x, x, x, Features(), np.array(labels), test_units=np.array(units))


# sound ones


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_a_linear_autoencoder_is_not_refused(rows, rank):
    detector, found = examined(projection(rows[:450], rank), split(rows))
    assert found.problem == ""
    assert found.alarm == detector.scale.normal_95
    assert 0 < found.error_ratio < 1


def test_the_callers_detector_stays_as_it_is(rows, sound):
    detector, _ = examined(sound, split(rows))
    assert sound.scale is None
    assert detector.scale is not None


def alike(seed: int, columns: int, count: int = 400) -> np.ndarray:
    """Columns that show one hidden number with noise: their order does not matter."""
    rng = np.random.default_rng(seed)
    noise = 0.2 * rng.normal(size=(count, columns))
    return (rng.normal(size=(count, 1)) + noise).astype(np.float32)


@pytest.mark.parametrize("columns", [2, 3, 10])
@pytest.mark.parametrize("seed", range(8))
def test_columns_that_are_all_alike_are_not_refused(columns, seed):
    rows = alike(seed, columns)
    assert problem(projection(rows[:180], 1), split(rows)) == ""


def test_a_network_that_treats_columns_alike_has_no_order():
    rows = alike(0, 6)
    mean = Detector(linear(np.full((6, 6), 1 / 6)))
    assert better_orders(mean, rows) == 0
    assert problem(mean, split(rows)) == ""


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_two_or_three_columns_are_not_refused(columns, seed):
    rows = low_rank(np.random.default_rng(seed), 400, columns, 1)
    assert problem(projection(rows[:180], 1), split(rows)) == ""


@pytest.mark.parametrize("seed", range(8))
def test_few_rows_are_not_refused(seed):
    rows = low_rank(np.random.default_rng(seed), 60)
    assert problem(projection(rows[:27], 3), split(rows)) == ""


def test_columns_of_very_different_scales_are_not_refused():
    rows = low_rank(np.random.default_rng(0)) * np.logspace(-3, 3, 10).astype(np.float32)
    _, found = examined(projection(rows[:450], 3), split(rows))
    assert found.problem == ""
    assert len(found.heavy) <= 1


def test_constant_columns_are_not_refused():
    rows = low_rank(np.random.default_rng(0))
    rows[:, [2, 7]] = 0.5
    features = Features(low=-3.0, high=3.0)
    assert problem(projection(rows[:450], 2), split(rows, features=features)) == ""


def test_one_hot_groups_are_not_refused():
    rng = np.random.default_rng(0)
    category = rng.integers(3, size=600)
    hidden = np.column_stack([np.eye(3)[category], rng.normal(size=600)])
    numbers = hidden @ rng.normal(size=(4, 4)) + 0.05 * rng.normal(size=(600, 4))
    rows = np.column_stack([np.eye(3)[category], numbers]).astype(np.float32)
    features = Features(
        tuple("abcdefg"), -5.0, 5.0, (0, 0, 0, 1, 2, 3, 4), ("onehot", *["columns"] * 4)
    )
    features = features.within((0.0,) * 3 + (-5.0,) * 4, (1.0,) * 3 + (5.0,) * 4)
    detector = projection(rows[:270], 4)
    detector.features = features
    assert problem(detector, split(rows, features=features)) == ""


# orders of columns


def orders_slow(detector, rows, seed=0):
    """From the definition: 99 orders, each a paired t statistic of the rows' errors."""
    rng, better = np.random.default_rng(seed), 0

    def errors(x):
        x_hat = detector.model(torch.as_tensor(x)).detach().numpy()
        return ((x - x_hat) ** 2).mean(axis=1, dtype=np.float64)

    for _ in range(99):
        order = rng.permutation(rows.shape[1])
        gain = errors(rows) - errors(rows[:, order])
        if gain.mean() <= errors(rows).mean() / 10:
            continue
        better += gain.mean() / (np.std(gain, ddof=1) / len(rows) ** 0.5) > 3.5
    return better


@pytest.mark.parametrize("seed", range(5))
def test_orders_are_compared_as_defined(rows, sound, seed):
    order = np.random.default_rng(seed).permutation(10)
    shuffled = rows[450:600, order]
    found = better_orders(sound, shuffled)
    assert found == orders_slow(sound, shuffled)
    assert found > 0


# detection


@settings(max_examples=60)
@given(st.data())
def test_detection_is_the_mean_over_incidents_with_ties_half(data):
    errors = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
    count = data.draw(st.integers(2, 12))
    tested = np.array(data.draw(st.lists(errors, min_size=count, max_size=count)))
    normal = np.array(data.draw(st.lists(errors, min_size=1, max_size=8)))
    units = np.array(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)))
    labels = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    found = detection(tested, normal, one_column(tested, labels, units))
    if not labels.any():
        assert found is None
        return
    means, variance = detection_slow(tested, normal, labels, units)
    assert found.value == pytest.approx(np.mean(means))
    assert found.df == len(means) - 1
    assert (
        np.isnan(found.variance) if len(means) == 1 else found.variance == pytest.approx(variance)
    )


def detection_slow(tested, normal, labels, units):
    others = [*normal, *(error for error, odd in zip(tested, labels, strict=True) if not odd)]
    incidents = {}
    for error, odd, unit in zip(tested, labels, units, strict=True):
        if odd:
            wins = [1.0 if error > other else 0.5 if error == other else 0.0 for other in others]
            incidents.setdefault(unit, []).append(sum(wins) / len(others))
    means = [sum(own) / len(own) for own in incidents.values()]
    centre = sum(means) / len(means)
    squares = sum((mean - centre) ** 2 for mean in means)
    return means, squares / max(len(means) - 1, 1) / len(means)


def test_without_units_each_labelled_row_is_an_incident():
    tested = np.array([0.2, 0.9, 0.9])
    data = one_column(tested, [True, True, False], [0, 0, 1])
    data.test_units = None
    assert detection(tested, np.array([0.5]), data).df == 1


# shares of the error


def test_shares_are_those_of_the_normal_error_by_feature(rows):
    heavy = Detector(linear(np.diag([0.0] + [0.9] * 9)), features=Features())
    data = split(rows)
    shares = dict(error_shares(heavy, data))
    x = data.validation.astype(np.float64)
    errors = (x - x * np.array([0.0] + [0.9] * 9)) ** 2
    expected = errors.mean(axis=0) / errors.mean(axis=0).sum()
    assert [shares[f"f{n}"] for n in range(10)] == pytest.approx(expected.tolist(), rel=1e-4)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    _, found = examined(heavy, data)
    assert found.heavy == ["f0"]


def test_alarms_are_counted_above_the_95th_percentile_of_validation(rows, sound):
    data = split(rows)
    _, found = examined(sound, data)
    error = ((data.test - sound.model(torch.as_tensor(data.test)).detach().numpy()) ** 2).mean(1)
    normal = data.validation - sound.model(torch.as_tensor(data.validation)).detach().numpy()
    alarm = np.quantile((normal.astype(np.float64) ** 2).mean(axis=1), 0.95)
    assert found.alarm == pytest.approx(alarm, rel=1e-5)
    assert (found.flagged, found.rows) == (int((error > alarm).sum()), 400)
