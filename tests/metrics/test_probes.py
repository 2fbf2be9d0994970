"""Metrics without truth: what they ask, and what they make of the answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aexbench import Detector, Features, SkipError, explainers, metrics
from aexbench.conformance import check_metric
from aexbench.conformance.probes import Linear
from aexbench.running.asking import Asking
from tests.metrics import probe_twins

GROUPS = (0, 1, 1, 2, 3, 3, 3)
ASKING = [
    "conservation-gap",
    "max-sensitivity",
    "model-randomisation",
    "repair-curve",
    "shapley-error",
]
TRUTH = np.ones((8, 4), dtype=bool)


def asked(name="residual", groups=None, seed=3, **parameters):
    """Eight samples of seven columns, explained on a small random network."""
    torch.manual_seed(5)
    layers = [torch.nn.Linear(7, 5), torch.nn.Tanh(), torch.nn.Linear(5, 7)]
    detector = Detector(torch.nn.Sequential(*layers).double(), features=Features(groups=groups))
    rng = np.random.default_rng(1)
    background = rng.random((50, 7))

    def make(other):
        return explainers.create(name, other, background=background, **parameters)

    return Asking(make, detector, rng.random((8, 7)), background, seed=seed)


def scored(name, on, **parameters):
    metric = metrics.create(name, **parameters)
    truth = np.ones(on.attributions.shape, dtype=bool)
    return metric.score(metric.probe(on), truth)


def test_these_are_all_that_ask():
    known = [name for name in metrics.names() if hasattr(metrics.describe(name).target, "probe")]
    assert known == ASKING


@pytest.mark.parametrize("groups", [None, GROUPS])
@pytest.mark.parametrize("to", ["normal", "reconstruction"])
@pytest.mark.parametrize("explainer", ["residual", "repair", "random"])
def test_the_repair_curve_is_that_of_its_slow_twin(explainer, to, groups):
    on = asked(explainer, groups)
    normal = np.broadcast_to(on.normal, on.x.shape) if to == "normal" else on.reconstruct(on.x)
    twin = probe_twins.repair_areas(
        on.x,
        normal,
        on.attributions,
        lambda sample: on.error(sample[None])[0],
        groups or range(7),
        on.seed,
    )
    np.testing.assert_allclose(scored("repair-curve", on, to=to), twin, rtol=1e-12)


def test_the_curve_begins_with_the_error_and_ends_with_the_normal_sample():
    on = asked()
    outcome = metrics.create("repair-curve").probe(on)
    assert outcome.shape == (8, 8)
    np.testing.assert_array_equal(outcome[:, 0], on.error(on.x))
    np.testing.assert_allclose(outcome[:, -1], on.error(on.normal[None])[0], rtol=1e-12)


def test_a_curve_of_few_steps_joins_the_same_points():
    on = asked()
    every = metrics.create("repair-curve").probe(on)
    few = metrics.create("repair-curve", steps=3).probe(on)
    np.testing.assert_array_equal(few, every[:, [0, 2, 5, 7]])  # 7/3 and 14/3, rounded
    area = np.trapezoid(few / few[:, :1], np.array([0, 2, 5, 7]) / 7, axis=1)
    np.testing.assert_allclose(scored("repair-curve", on, steps=3), area)


def test_by_default_a_curve_has_twenty_steps_towards_normal_values():
    defaults = {n: p.default for n, p in metrics.describe("repair-curve").parameters.items()}
    assert defaults == {"to": "normal", "steps": 20}


class Map:
    """An explainer that returns what a function of its detector and samples does."""

    def __init__(self, detector, explain):
        self.detector, self._explain = detector, explain

    def explain(self, x):
        return self._explain(self.detector, x)


def by(explain, on, detector=None, seed=0):
    """The same samples, explained by a function."""
    own = on.detector if detector is None else detector
    return Asking(lambda other: Map(other, explain), own, on.x, on.background, seed=seed)


def test_a_map_that_says_nothing_scores_what_random_ones_do():
    on, generator = asked(), torch.Generator().manual_seed(1)

    def draw(_, x):
        return torch.rand(x.shape, generator=generator)

    constant, random = (
        np.array([scored("repair-curve", by(explain, on, seed=seed)) for seed in range(200)])
        for explain in (lambda _, x: torch.zeros_like(x), draw)
    )
    gap = constant.mean(axis=0) - random.mean(axis=0)
    error = np.sqrt((constant.var(axis=0) + random.var(axis=0)) / 200)
    assert (np.abs(gap) < 4 * error).all()
    assert (error < 0.05).all()


def test_the_best_order_of_a_separable_error_is_that_of_its_parts():
    still = torch.nn.Linear(7, 7).double()  # x̂ is the same for every sample
    torch.nn.init.zeros_(still.weight)
    best, worst = (
        by(lambda detector, x, sign=sign: sign * detector.error_map(x), asked(), Detector(still))
        for sign in (1, -1)
    )
    best, worst = (scored("repair-curve", on, to="reconstruction") for on in (best, worst))
    assert (best < 0.5).all()
    assert (worst > 0.5).all()
    np.testing.assert_allclose(best + worst, 1)


def test_a_sample_without_error_scores_one():
    found = metrics.create("repair-curve").score(np.zeros((2, 5)), TRUTH[:2])
    np.testing.assert_array_equal(found, [1, 1])


@pytest.mark.parametrize("groups", [None, GROUPS])
@pytest.mark.parametrize("loss", [None, "l1"])
def test_the_gap_is_that_of_its_slow_twin_by_the_explainers_own_loss(loss, groups):
    on = asked("integrated-gradients", groups, loss=loss)
    on = Asking(on.make, on.detector, on.x, on.background, loss=loss)
    errors = on.detector.with_loss(loss).error(on.x).numpy()
    twin = probe_twins.gaps(on.attributions, errors)
    np.testing.assert_allclose(scored("conservation-gap", on), twin, rtol=1e-9)


def test_the_residual_conserves_and_twice_as_much_has_a_gap_of_one():
    np.testing.assert_allclose(scored("conservation-gap", asked()), 0, atol=1e-12)
    outcome = metrics.create("conservation-gap").probe(asked()) * [2, 1]
    gap = metrics.create("conservation-gap").score(outcome, TRUTH)
    np.testing.assert_allclose(gap, 1)


@pytest.mark.parametrize("explainer", ["residual", "saliency"])
def test_max_sensitivity_is_that_of_captum_for_the_same_points(explainer):
    infidelity = pytest.importorskip("captum.metrics")
    on = asked(explainer)
    points = []

    def explain(x):
        points.append(np.asarray(x))
        return Asking.explain(on, x)

    on.explain = explain
    ours = scored("max-sensitivity", on, draws=6, radius=0.1)
    drawn = torch.as_tensor(np.stack(points[-6:], axis=1)).flatten(0, 1)
    x = torch.as_tensor(on.x)

    def near(inputs, radius):
        return drawn

    def maps(inputs, **_):
        found = torch.as_tensor(Asking.explain(on, torch.cat([*inputs]).view(-1, 7).numpy()))
        return (found,) if isinstance(inputs, tuple) else found

    found = infidelity.sensitivity_max(maps, x, perturb_func=near, n_perturb_samples=6)
    np.testing.assert_allclose(ours, found.numpy(), rtol=1e-9)
    outcome = metrics.create("max-sensitivity", draws=6, radius=0.1).probe(asked(explainer))
    np.testing.assert_allclose(ours, probe_twins.sensitivities(outcome.tolist()), rtol=1e-9)


def test_points_lie_in_the_box_and_in_the_features_range():
    on = asked()
    points = []
    on.explain = lambda x: points.append(np.asarray(x)) or np.asarray(x)
    on.x = on.x.copy()
    on.x[0, 0], on.x[1, 1] = 0.999, 1.5  # near to the end, and beyond it
    metrics.create("max-sensitivity", radius=0.02).probe(on)
    steps = np.stack(points[1:]) - on.x
    assert len(steps) == 10
    assert np.abs(steps).max() <= 0.02
    assert np.abs(steps).max() > 0.019
    assert np.stack(points[1:])[:, 0, 0].max() <= 1
    assert np.stack(points[1:])[:, 1, 1].max() <= 1.5


def test_a_map_of_the_sample_alone_is_no_less_sensitive_for_its_scale():
    outcome = metrics.create("max-sensitivity").probe(asked())
    metric = metrics.create("max-sensitivity")
    np.testing.assert_allclose(metric.score(7 * outcome, TRUTH), metric.score(outcome, TRUTH))
    np.testing.assert_array_equal(metric.score(0 * outcome, TRUTH), np.zeros(8))


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_model_randomisation_is_that_of_its_slow_twin(groups):
    on = asked("residual", groups)
    outcome = metrics.create("model-randomisation", stages=3).probe(on)
    assert outcome.shape[1] == 4
    twin = probe_twins.alike(outcome.tolist())
    np.testing.assert_allclose(scored("model-randomisation", on, stages=3), twin, rtol=1e-9)


def test_what_ignores_the_network_has_one_and_what_knows_it_less():
    assert (scored("model-randomisation", asked("deviation")) == 1).all()
    assert scored("model-randomisation", asked("residual")).mean() < 0.9


def test_more_layers_are_permuted_from_the_last_on():
    on = asked()
    seen = []
    on.make = lambda detector: seen.append(detector) or explainers.create("residual", detector)
    metrics.create("model-randomisation", stages=2).probe(on)
    first, last = on.detector.model[0].weight, on.detector.model[2].weight
    (one, half), (two, whole) = [(d.model[0].weight, d.model[2].weight) for d in seen]
    assert torch.equal(one, first)
    assert not torch.equal(half, last)
    assert torch.equal(half.flatten().sort()[0], last.flatten().sort()[0])
    assert not torch.equal(two, first)
    assert torch.equal(whole, half)


def test_layers_come_in_the_order_of_their_calls():
    class Backwards(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first = torch.nn.Linear(7, 7), torch.nn.Linear(7, 7)
            self.double()

        def forward(self, x):
            return self.second(self.first(x))

    on = asked()
    model = Backwards()
    seen = []
    make = lambda detector: seen.append(detector) or explainers.create("residual", detector)  # noqa: E731
    Asking(make, Detector(model), on.x, on.background).explain_randomised(0.5)
    assert torch.equal(seen[-1].model.first.weight, model.first.weight)
    assert not torch.equal(seen[-1].model.second.weight, model.second.weight)


def test_a_function_has_no_layers_to_be_permuted():
    on = asked()
    opaque = Detector.of(lambda x: 0.5 * x, features=Features(low=0.0, high=1.0))
    asking = Asking(lambda d: explainers.create("residual", d), opaque, on.x, on.background)
    with pytest.raises(SkipError, match="function"):
        asking.explain_randomised(1.0)


MAPS = hnp.arrays(np.float64, (2, 5), elements=st.integers(-3, 3).map(float))


@given(maps=MAPS)
def test_sparseness_is_half_the_mean_difference_of_all_pairs(maps):
    found = metrics.create("sparseness").score(maps, np.ones(maps.shape, dtype=bool))
    np.testing.assert_allclose(found, [probe_twins.gini(row) for row in maps], atol=1e-12)


@given(maps=MAPS, order=st.permutations(range(5)))
def test_sparseness_knows_neither_order_nor_scale_nor_sign(maps, order):
    metric, truth = metrics.create("sparseness"), np.ones(maps.shape, dtype=bool)
    expected = metric.score(maps, truth)
    np.testing.assert_allclose(metric.score(-4 * maps[:, order], truth), expected, atol=1e-12)


class Metric:
    """A metric with a probe that nobody has registered."""

    def __init__(self, probe, score=lambda outcome, truth: outcome.mean(axis=1)):
        self.probe, self.score = probe, score


def drawn(asked):
    np.random.random()
    return asked.attributions


def overwriting(asked):
    asked.x += 1
    return asked.attributions


GENERATOR = np.random.default_rng()
WRONG = [
    (
        lambda a: a.attributions[1:],
        "finite numbers of each sample, by its probe",
        "shape (199, 10)",
    ),
    (lambda a: a.attributions / 0, "finite numbers of each sample, by its probe", "not finite"),
    (lambda a: a.attributions * GENERATOR.random(), "the same when its probe asks twice", "again"),
    (overwriting, "leaves the samples of its probe", "copy them"),
    (drawn, "leaves the random state in its probe", "random state"),
]


@pytest.mark.parametrize(("probe", "rule", "says"), WRONG)
def test_a_probe_that_breaks_its_contract_is_told_how(probe, rule, says):
    with np.errstate(divide="ignore", invalid="ignore"):
        found = dict(check_metric(Metric(probe)))
    assert says in found[rule]


def test_what_it_makes_of_the_outcome_is_checked_too():
    metric = Metric(lambda a: a.attributions, lambda outcome, truth: outcome.mean())
    problems = {rule for rule, problem in check_metric(metric) if problem}
    assert "finite scores, one a sample or one in all" in problems
    assert not any(problem for _, problem in check_metric(Metric(lambda a: a.attributions)))


def test_the_linear_ground_answers_as_a_detector_does():
    ground = Linear(6, 4, seed=1)
    np.testing.assert_allclose(ground.error(ground.x), ground.attributions.sum(axis=1))
    residual = (ground.x - ground.reconstruct(ground.x)) ** 2 / 4
    np.testing.assert_allclose(ground.explain(ground.x), residual)
    assert not np.allclose(ground.explain_randomised(0.5), ground.attributions)


def with_shapley_values(groups, factor=1.0):
    """Two samples whose map is a multiple of the Shapley values that enumeration finds."""
    on = asked(groups=groups)
    error = lambda sample: on.error(sample[None])[0]  # noqa: E731
    columns = groups or range(7)
    on.x, on.background = on.x[:2], on.background[:6]
    exact = [probe_twins.shapley_values(x, on.training, error, columns) for x in on.x]
    on.attributions = factor * np.array(exact)
    return on


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_the_means_of_orders_are_the_shapley_values_of_enumeration(groups):
    on = with_shapley_values(groups)
    exact, *means = np.moveaxis(metrics.create("shapley-error", orders=4000).probe(on), 1, 0)
    for mean in means:
        far = np.linalg.norm(mean - exact, axis=1) / np.linalg.norm(exact, axis=1)
        assert far.max() < 0.05
    assert not np.array_equal(*means)


@pytest.mark.parametrize(("factor", "score"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0), (3.0, 2.0)])
def test_a_multiple_of_the_shapley_values_is_off_by_what_it_lacks(factor, score):
    found = scored("shapley-error", with_shapley_values(GROUPS, factor), orders=2000)
    assert found == pytest.approx(np.full(2, score), abs=0.08)


def test_the_noise_of_the_means_takes_no_part_in_the_shapley_error():
    on = with_shapley_values(GROUPS, 2.0)
    squares = []
    for seed in range(300):
        on.seed = seed
        found, one, other = np.moveaxis(metrics.create("shapley-error", orders=2).probe(on), 1, 0)
        squares.append(((found - one) * (found - other)).sum(1))
    wanted = (on.attributions / 2) ** 2
    deviation = np.std(squares, axis=0) / np.sqrt(len(squares))
    assert (abs(np.mean(squares, axis=0) - wanted.sum(1)) < 4 * deviation).all()


def test_a_sample_alone_has_the_shapley_error_that_it_has_among_others():
    together, alone = with_shapley_values(None), with_shapley_values(None)
    alone.x, alone.attributions = alone.x[1:], alone.attributions[1:]
    metric = metrics.create("shapley-error", orders=3)
    np.testing.assert_array_equal(metric.probe(alone), metric.probe(together)[1:])


def test_a_sample_without_shapley_values_is_right_with_a_map_of_zeros_alone():
    outcome = np.zeros((2, 3, 4))
    outcome[1, 0] = 0.1
    found = metrics.create("shapley-error").score(outcome, np.ones((2, 4), dtype=bool))
    assert found.tolist() == [0.0, 1.0]


def test_more_than_256_features_have_no_shapley_error():
    detector = Detector(torch.nn.Sequential(torch.nn.Linear(257, 257)))
    rows = np.zeros((2, 257), dtype=np.float32)
    on = Asking(lambda other: explainers.create("residual", other), detector, rows, rows)
    with pytest.raises(SkipError, match="256 features at most, not 257"):
        metrics.create("shapley-error").probe(on)
