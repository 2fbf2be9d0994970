"""Shapley values by pairs, `shapley-twin` and `shapley-permutation`: their parts against slow twins
of them, and what both promise.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, Features, SkipError, explainers
from aexbench.explainers.shapley import leverage
from aexbench.explainers.shapley.errors import standard_error
from aexbench.explainers.shapley.games import Games, Pairs
from aexbench.explainers.shapley.leverage import Fit
from aexbench.explainers.shapley.linear_twin import LinearTwin
from aexbench.explainers.shapley.mask_twin import MaskTwin
from aexbench.explainers.shapley.normal import Background
from aexbench.explainers.shapley.quadratic_twin import QuadraticTwin
from aexbench.explainers.shapley.ridge import RIDGES
from aexbench.explainers.shapley.twin import without
from tests.benchmarks.test_explainers import counted
from tests.conftest import mlp
from tests.explainers import pair_twins, shapley_twin

RNG = np.random.default_rng(5)
NET = mlp((9, 6, 3, 6, 9), ("relu", "tanh", "relu", "sigmoid"), seed=2)
DETECTOR = Detector(NET)
BACKGROUND = RNG.random((40, 9))
X = torch.as_tensor(RNG.random((4, 9)))
BOTH = ["shapley-twin", "shapley-permutation"]
EVERY = [*BOTH, "shapley-twin[order=2]"]
GROUPS = [(0, 1, 2, 3, 4), (0, 1, 1, 2, 0)]


def gain(detector, x, background):
    return detector.error(x) - detector.error(torch.as_tensor(background)).mean()


def made(name, detector=DETECTOR, background=BACKGROUND, **given):
    return explainers.create(name, detector, background=background, **given)


def small_games(groups):
    """Two samples of five columns and 60 pairs of coalitions, with three rows of background."""
    detector = Detector(mlp((5, 4, 5), ("tanh", "sigmoid"), seed=1))
    normal = torch.as_tensor(RNG.random((3, 5)))
    background = Background(normal, detector.error(normal))
    players, drawing = max(groups) + 1, [np.random.default_rng(seed) for seed in (0, 1)]
    x = torch.as_tensor(RNG.random((2, 5)))
    games = Games(detector, background, x, torch.tensor(groups), players, drawing)
    taking_part = games.drawn(lambda g: leverage.coalitions(g, 60, players))
    return Pairs(games, taking_part, games.drawn(lambda g: background.draws(g, 60)))


def squares(u):
    return [u[i] * u[j] for i in range(len(u)) for j in range(i, len(u))]


def regressors(kind, pairs, sample, r, sign):
    """What a twin learns from: 1 and the mask, or the columns in units of their spread, and their
    products.
    """
    if kind is MaskTwin:
        return np.array([1.0, *sign])
    x, b = pairs.games.x[sample].numpy(), pairs.games.background.rows.numpy()
    centre = (x + b.mean(0)) / 2
    spread = np.sqrt(((x - centre) ** 2 + ((b - centre) ** 2).mean(0)) / 2)
    u = (r - centre) / spread
    return np.array([1.0, *u, *(squares(u) if kind is QuadraticTwin else [])])


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("kind", [LinearTwin, QuadraticTwin, MaskTwin])
def test_a_twin_says_what_its_error_is_worth(kind, groups):
    pairs = small_games(groups)
    fit, column = Fit.of(pairs.taking_part), np.array(groups)
    twin = kind(pairs) if kind is QuadraticTwin else kind(pairs, fit)
    pairs.differences(twin.see)
    said, ridge = twin.said(), torch.tensor([[2, 0], [3, 1]])
    exact = twin.shapley(ridge)
    background = pairs.games.background.rows.numpy()
    for sample, fold in np.ndindex(2, 2):
        x = pairs.games.x[sample].numpy()
        rows, z = [], []
        for k in range(30 * (1 - fold), 30 * (2 - fold)):  # of the other fold
            sign = np.where(pairs.taking_part[sample, k].numpy(), 1.0, -1.0)
            b = background[pairs.rows[sample, k]]
            for own in (sign, -sign):
                rows.append(np.where(own[column] > 0, x, b))
                z.append(regressors(kind, pairs, sample, rows[-1], own))
        x_hat = pairs.games.detector.reconstruct(torch.as_tensor(np.array(rows))).numpy()
        weights = pair_twins.ridge(np.array(z), x_hat, RIDGES[int(ridge[sample, fold])])

        def error(r, sample=sample, weights=weights, x=x):
            sign = np.where(r == x, 1.0, -1.0)[[groups.index(p) for p in range(max(groups) + 1)]]
            return np.mean((r - regressors(kind, pairs, sample, r, sign) @ weights) ** 2)

        expected = pair_twins.enumerated(error, x, background, groups)
        np.testing.assert_allclose(exact[sample, fold], expected, rtol=1e-6, atol=1e-12)
        for k in (0, 17):
            part = pairs.taking_part[sample, 30 * fold + k].numpy()
            b = background[pairs.rows[sample, 30 * fold + k]]
            inside, mean = part[column], 2 * part.mean() - 1
            told = error(np.where(inside, x, b)) - error(np.where(inside, b, x))
            told -= mean * (error(x) - error(b))
            found = said[sample, fold, k, ridge[sample, fold]]
            np.testing.assert_allclose(found, told, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("players", [2, 3, 6])
def test_the_regression_of_pairs_is_the_textbooks(players):
    part = leverage.coalitions(np.random.default_rng(3), 40, players)
    y = RNG.normal(size=40)
    beta, scores = Fit.of(torch.as_tensor(part)[None]).solve(torch.as_tensor(y)[None])
    expected, added = pair_twins.pair_regression(part, y)
    np.testing.assert_allclose(beta[0], expected, atol=1e-12)
    np.testing.assert_allclose(scores[0], added, atol=1e-12)


class Told:
    """Twins that say what they are told to, worth such Shapley values for each fold and ridge."""

    def __init__(self, words, values):
        self.words, self.values = words, values

    def said(self):
        return self.words

    def shapley(self, ridge):
        folds = range(2)
        return torch.stack([self.values[fold, ridge[0, fold]] for fold in folds])[None]


def test_which_ridge_and_how_much_of_a_twin_is_as_the_other_fold_has_them():
    """In the first fold half of what ridge 0 says is y, in the second a quarter of ridge 1."""
    part = torch.as_tensor(leverage.coalitions(np.random.default_rng(0), 400, 4))[None]
    fit = Fit.of(part)
    said = fit.left(torch.as_tensor(RNG.normal(size=(1, 400, 2)))).view(1, 2, 200, 2)
    y = torch.cat([said[0, 0, :, 0] / 2, said[0, 1, :, 1] / 4])[None]
    values = torch.as_tensor(RNG.normal(size=(2, 2, 4)))
    moved, mean = without(y, fit, Told(said, values))
    exact = torch.stack([values[0, 1] / 4, values[1, 0] / 2])
    torch.testing.assert_close(mean[0], exact.mean(0), rtol=0, atol=0.03)
    left = torch.cat([y[0, :200] - said[0, 0, :, 1] / 4, y[0, 200:] - said[0, 1, :, 0] / 2])
    away = fit.away.view(2, 200, 4)
    left += (away * (exact - exact.mean(0))[:, None]).sum(2).flatten()
    torch.testing.assert_close(moved[0], left, rtol=0, atol=0.1)


def test_a_regression_wants_two_pairs_for_each_player():
    part = torch.as_tensor(leverage.coalitions(np.random.default_rng(0), 12, 6))[None]
    assert Fit.of(part).regresses
    assert not Fit.of(part[:, :11]).regresses


@pytest.mark.parametrize("players", [2, 3, 5])
def test_over_all_coalitions_the_regression_is_the_shapley_value(players):
    """Each as often as its size is drawn: sizes equally often."""
    x, background = RNG.random(players), RNG.random((1, players))

    def value(rows):
        return np.sin(3 * rows.sum(axis=1)) + rows.prod(axis=1)

    masks, parts = shapley_twin.coalitions(players), []
    most = max(int((masks.sum(1) == z).sum()) for z in range(1, players)) * 6
    for mask in masks:
        parts += [mask] * (most // int((masks.sum(1) == mask.sum()).sum()))
    part = np.array(parts)
    y = value(np.where(part, x, background)) - value(np.where(part, background, x))
    total = float(value(x[None])[0] - value(background)[0])
    y -= (2 * part.mean(axis=1) - 1) * total
    beta, _ = Fit.of(torch.as_tensor(part)[None]).solve(torch.as_tensor(y)[None])
    expected = shapley_twin.exact_shapley(value, x, background)
    np.testing.assert_allclose(beta[0] + total / players, expected, atol=1e-12)


def test_few_pairs_are_averaged_without_bias():
    """A game that is linear in s, of ten players and eight pairs."""
    beta = RNG.normal(size=10)
    beta -= beta.mean()
    found = []
    for seed in range(4000):
        part = leverage.coalitions(np.random.default_rng(seed), 8, 10)
        sign = 2.0 * part - 1
        y = torch.as_tensor((sign - sign.mean(1, keepdims=True)) @ beta)[None]
        fit = Fit.of(torch.as_tensor(part)[None])
        assert not fit.regresses
        value, scores = fit.solve(y)
        found.append((value[0].numpy(), scores[0].square().sum(0).numpy()))
    values, variances = (np.array(one) for one in zip(*found, strict=True))
    spread = values.std(axis=0)
    assert (np.abs(values.mean(0) - beta) / spread * 4000**0.5).max() < 4
    np.testing.assert_allclose(np.sqrt(variances.mean(0)), spread, rtol=0.15)


def test_the_standard_error_counts_what_rows_leave():
    """Twelve rows, of which the first five are drawn three or four times each."""
    rows = torch.arange(17)[None] % 5
    scores = torch.as_tensor(RNG.normal(size=(1, 17, 2)) + 2 * RNG.normal(size=5)[rows][..., None])
    scores -= scores.mean(dim=1, keepdim=True)
    within, variance = np.zeros(2), scores[0].square().mean(0).numpy()
    for row in range(5):
        own = scores[0, rows[0] == row].numpy()
        within += ((own - own.mean(axis=0)) ** 2).sum(axis=0) / 12
    uneven = sum((times - 17 / 12) ** 2 for times in (4, 4, 3, 3, 3, *[0] * 7))
    expected = 17 * within + uneven * (variance - within) + variance.mean()
    assert (within < variance).all()
    np.testing.assert_allclose(standard_error(scores, rows, 12)[0], np.sqrt(expected))
    found = standard_error(scores, torch.arange(17)[None], 17)[0]
    np.testing.assert_allclose(found, np.sqrt(17 * variance + variance.mean()))


def test_a_long_background_costs_the_standard_error_nothing():
    """It would not fit into any memory, and hardly any of it is drawn."""
    rows = torch.tensor([[10**15, 3, 7, 10**15, 5 * 10**14]])
    scores = torch.as_tensor(RNG.normal(size=(1, 5, 2)))
    square = 5 * scores[0].square().mean(0) + scores[0].square().mean()
    found = standard_error(scores, rows, 10**16)[0]
    np.testing.assert_allclose(found, square.sqrt(), rtol=1e-12)


@pytest.mark.parametrize("count", [5, 30, 99, 100, 105, 130, 250])
def test_rows_are_drawn_equally_often_and_some_again(count):
    background = Background(torch.rand(100, 2), torch.rand(100))
    rows = background.draws(np.random.default_rng(0), count)
    times = np.bincount(rows, minlength=100)
    assert times.sum() == count
    assert times.max() <= count // 100 + 2
    assert np.maximum(times - 1, 0).sum() >= (20 if count > 60 else 10 if count == 30 else 0)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_shapley_values_sum_to_the_gain_and_are_near_the_exact_ones(name, loss):
    detector = DETECTOR.with_loss(loss)
    explainer = made(name, detector, nsamples=4001)
    found, error = explainer.explain(X), explainer.standard_error(X)
    torch.testing.assert_close(found.sum(1), gain(detector, X, BACKGROUND), rtol=1e-10, atol=1e-13)
    exact = made("kernelshap-batched", detector, rows=40).explain(X)
    assert error.shape == X.shape
    assert float(error.max()) < 0.1 * float(exact.abs().max())
    assert float(((found - exact) / error).abs().max()) < 4.5


@pytest.mark.parametrize("name", EVERY)
def test_rows_are_counted_honestly(name):
    for nsamples in (101, 1000, 3000):
        detector = Detector(NET)
        explainer = made(name, detector, nsamples=nsamples)
        explainer.explain(X[:1])
        with counted(detector.model) as rows:
            explainer.explain(X)
        assert 0.8 * nsamples < rows.forward / len(X) <= nsamples
        with counted(detector.model) as rows:
            explainer.standard_error(X)  # of what it has just explained
        assert rows.forward == 0


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_few_features_are_enumerated_where_that_costs_no_more(name, columns):
    detector = Detector(mlp((columns, 3, columns), ("tanh", "identity")))
    background, x = RNG.random((50, columns)), torch.as_tensor(RNG.random((3, columns)))
    explainer = made(name, detector, background)
    exact = made("kernelshap-batched", detector, background).explain(x)
    torch.testing.assert_close(explainer.explain(x), exact, rtol=1e-9, atol=1e-13)
    assert not explainer.standard_error(x).any()
    if columns > 1:
        sampled = made(name, detector, background, nsamples=60)
        error = sampled.standard_error(x)
        assert (error > 0).all()
        assert float(((sampled.explain(x) - exact) / error).abs().max()) < 5


@pytest.mark.parametrize("nsamples", [200, 30])
def test_a_linear_network_is_its_own_twin(nsamples):
    """With 200 rows by regression, with 30 by the mean of seven pairs in two folds."""
    detector = Detector(mlp((9, 2, 9), ("identity", "identity")))
    explainer = made("shapley-twin", detector, nsamples=nsamples)
    exact = made("kernelshap-batched", detector, rows=40).explain(X)
    tolerance = 1e-7 if nsamples == 200 else 0.5
    scale = float(exact.abs().max())
    assert float((explainer.explain(X) - exact).abs().max()) < tolerance * scale
    assert float(explainer.standard_error(X).max()) < tolerance * scale


class Quadratic(nn.Module):
    """x̂_j = x_j/2 + x_j x_{j+1}."""

    def __init__(self):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, x):
        return self.share * x + x * x.roll(-1, dims=1)


def test_a_quadratic_network_is_its_own_twin_of_order_two():
    detector = Detector(Quadratic())
    exact = made("kernelshap-batched", detector, rows=40).explain(X)
    for order, most in ((2, 1e-6), (1, 1.0)):
        explainer = made("shapley-twin", detector, nsamples=1000, order=order)
        error = float(explainer.standard_error(X).max() / exact.abs().max())
        assert error < most
        assert float((explainer.explain(X) - exact).abs().max() / exact.abs().max()) < 6 * most
    assert error > 1e-4


@pytest.mark.parametrize("name", EVERY)
def test_a_feature_like_the_background_gets_nothing(name):
    background, x = BACKGROUND.copy(), X.clone()
    background[:, 3] = x[:, 3] = 0.25
    x[1, 3] = 0.5  # is another there
    explainer = made(name, background=background, nsamples=600)
    found, error = explainer.explain(x), explainer.standard_error(x)
    others = [0, 2, 3]
    assert not found[others, 3].any()
    assert not error[others, 3].any()
    assert found[1, 3] != 0
    torch.testing.assert_close(found.sum(1), gain(DETECTOR, x, background), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", EVERY)
def test_a_sample_like_the_whole_background_is_given_nothing(name):
    x = torch.cat([X[:1], torch.as_tensor(BACKGROUND[:1])])
    explainer = made(name, background=BACKGROUND[:1], nsamples=600)
    found, error = explainer.explain(x), explainer.standard_error(x)
    assert not found[1].any()
    assert not error[1].any()
    assert found[0].all()


@pytest.mark.parametrize("name", EVERY)
def test_a_feature_that_never_matters_gets_nothing_but_noise(name):
    """A column that is copied, and that no other is made of."""

    class Copied(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp((8, 3, 8), ("tanh", "identity"))

        def forward(self, x):
            return torch.cat([self.net(x[:, :8]), x[:, 8:]], dim=1)

    detector = Detector(Copied())
    explainer = made(name, detector, nsamples=500)
    found = explainer.explain(X)
    assert float((found / explainer.standard_error(X))[:, 8].abs().max()) < 4
    if name == "shapley-permutation":
        assert float((found[:, 8] / found.abs().amax(dim=1)).abs().max()) < 1e-12
    whole = made(name, detector, rows=1, nsamples=5000).explain(X)  # of one row nothing is left
    assert float((whole[:, 8] / whole.abs().amax(dim=1)).abs().max()) < 1e-3


@pytest.mark.parametrize("name", EVERY)
def test_one_row_of_background_will_do(name):
    explainer = made(name, background=BACKGROUND[:1], nsamples=400)
    exact = made("kernelshap-batched", background=BACKGROUND[:1]).explain(X)
    found, error = explainer.explain(X), explainer.standard_error(X)
    assert float(error.min()) > 0
    assert float(((found - exact) / error).abs().max()) < 5


@pytest.mark.parametrize("name", EVERY)
def test_columns_of_a_group_come_together(name):
    groups = (0, 1, 1, 2, 3, 4, 5, 0, 6)
    detector = Detector(NET, features=Features(groups=groups))
    explainer = made(name, detector, nsamples=2000)
    exact = made("kernelshap-batched", detector, rows=40).explain(X)
    found, error = explainer.explain(X), explainer.standard_error(X)
    torch.testing.assert_close(found[:, 1], found[:, 2])
    torch.testing.assert_close(error[:, 0], error[:, 7])
    assert float(((found - exact) / error).abs().max()) < 4.5


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("segments", ["slic", "patches"])
def test_images_are_explained_by_segments(name, segments):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 3, padding=1)
        ).double()
    background, x = RNG.random((30, 2, 12, 12)), torch.as_tensor(RNG.random((2, 2, 12, 12)))
    given = {"segments": segments, "count": 9}
    explainer = made(name, Detector(net), background, nsamples=2000, **given)
    exact = made("kernelshap-batched", Detector(net), background, rows=30, **given).explain(x)
    found, error = explainer.explain(x), explainer.standard_error(x)
    total = gain(Detector(net), x, background)
    torch.testing.assert_close(found.flatten(1).sum(1), total, rtol=1e-9, atol=1e-12)
    assert float(error.max()) < 0.1 * float(exact.abs().max())
    assert float(((found - exact) / error).abs().max()) < 4.5


@pytest.mark.parametrize("name", BOTH)
def test_draws_go_on_until_the_standard_error_is_small_enough(name):
    once = made(name, nsamples=600)
    tolerance = float(once.standard_error(X).max()) / 3
    explainer = made(name, nsamples=600, tolerance=tolerance)
    assert float(explainer.standard_error(X).max()) <= tolerance
    assert float(once.standard_error(X).max()) > tolerance
    exact = made("kernelshap-batched", rows=40).explain(X)
    error = explainer.standard_error(X)
    assert float(((explainer.explain(X) - exact) / error).abs().max()) < 4.5
    loose = made(name, nsamples=600, tolerance=1.0)
    torch.testing.assert_close(loose.explain(X), once.explain(X))


@pytest.mark.parametrize("name", EVERY)
def test_what_is_no_number_has_no_attribution(name):
    x = X.clone()
    x[1, 2] = torch.nan
    explainer = made(name, nsamples=200).explainer
    found = explainer.explain(x)
    assert found[1].isnan().all()
    assert explainer.standard_error(x)[1].isnan().all()
    torch.testing.assert_close(found[[0, 2, 3]], explainer.explain(X[[0, 2, 3]]))


@pytest.mark.parametrize("name", BOTH)
def test_the_standard_error_is_that_of_the_samples_asked_about(name):
    """Of one that has 0 where the last that was explained has no number."""
    x, unknown = X.clone(), X.clone()
    x[1, 2], unknown[1, 2] = 0.0, torch.nan
    explainer = made(name, nsamples=200).explainer
    error = explainer.standard_error(x)
    explainer.explain(unknown)
    torch.testing.assert_close(explainer.standard_error(x), error)


@pytest.mark.parametrize("name", EVERY)
def test_no_samples_have_no_standard_error(name):
    assert made(name).standard_error(X[:0]).shape == (0, 9)


def test_what_cannot_be_asked_is_named():
    with pytest.raises(SkipError, match="room for three orders of 9 features"):
        made("shapley-permutation", nsamples=40).explain(X)
    wide, x = Detector(mlp((65, 2, 65), ("relu", "relu"))), RNG.random((2, 65))
    squared = made("shapley-twin", wide, x, order=2, nsamples=200)
    with pytest.raises(SkipError, match="order=2 takes tables of 64 columns"):
        squared.explain(torch.as_tensor(x[::-1].copy()))


@pytest.mark.parametrize("name", BOTH)
def test_measures_have_the_largest_standard_error(name):
    explainer = made(name, nsamples=300)
    found = explainer.measures(X, explainer.explain(X))["standard error"]
    torch.testing.assert_close(found, explainer.standard_error(X).amax(dim=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_intervals_cover_and_nothing_is_biased(name):
    """1.96 standard errors over 200 seeds."""
    exact = made("kernelshap-batched", rows=40).explain(X).double()
    found, error = [], []
    for seed in range(200):
        explainer = made(name, nsamples=1000, seed=seed)
        found.append(explainer.explain(X))
        error.append(explainer.standard_error(X))
    values, errors = torch.stack(found), torch.stack(error)
    covered = ((values - exact).abs() < 1.96 * errors).double().mean()
    assert 0.92 < float(covered) < 0.97
    bias = (values.mean(0) - exact) / (values.std(0) / 200**0.5)
    assert float(bias.square().mean().sqrt()) < 1.4
    assert float(bias.abs().max()) < 4
