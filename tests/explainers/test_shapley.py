"""KernelSHAP, ours and the package's: against enumeration, against each other, and against closed
forms.
"""

from __future__ import annotations

import logging
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, Features, RequestError, explainers
from aexbench.explainers.shapley.coalitions import Design, draw
from aexbench.explainers.shapley.players import bounds, varying
from aexbench.explainers.tools.units import Units
from tests.conftest import mlp
from tests.explainers import shapley_twin
from tests.explainers.memory import Peak

RNG = np.random.default_rng(0)
MODEL = mlp((6, 4, 3, 4, 6), ("relu", "tanh", "relu", "sigmoid"))
DETECTOR = Detector(MODEL)
BACKGROUND = RNG.random((9, 6))
X = torch.as_tensor(RNG.random((4, 6)))
WIDE = mlp((21, 8, 4, 8, 21), ("relu", "relu", "relu", "sigmoid"))
SLOPED = mlp((6, 6), ("identity",))
WIDE_BACKGROUND, WIDE_X = RNG.random((12, 21)), torch.as_tensor(RNG.random((5, 21)))


def error(rows, loss="l2", model=MODEL):
    x = torch.as_tensor(rows)
    gap = (x - model(x).detach()).flatten(1)
    return (gap.square() if loss == "l2" else gap.abs()).mean(1).numpy()


def fixed_target_error(x, rows):
    gap = torch.as_tensor(x) - MODEL(torch.as_tensor(rows)).detach()
    return gap.square().mean(1).numpy()


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_with_all_coalitions_it_is_the_shapley_value(loss):
    explainer = explainers.create("kernelshap-batched", DETECTOR, background=BACKGROUND, loss=loss)
    expected = [
        shapley_twin.exact_shapley(lambda r: error(r, loss), x, BACKGROUND) for x in X.numpy()
    ]
    torch.testing.assert_close(
        explainer.explain(X), torch.tensor(np.array(expected)), rtol=1e-6, atol=1e-10
    )


def test_a_fixed_target_and_an_output_are_other_games():
    fixed = explainers.create(
        "kernelshap-batched", DETECTOR, background=BACKGROUND, value="fixed-target"
    ).explain(X)
    output = explainers.create(
        "kernelshap-batched", DETECTOR, background=BACKGROUND, output=2
    ).explain(X)
    for i, x in enumerate(X.numpy()):
        expected = shapley_twin.exact_shapley(partial(fixed_target_error, x), x, BACKGROUND)
        np.testing.assert_allclose(fixed[i], expected, rtol=1e-6, atol=1e-10)
        column = shapley_twin.exact_shapley(
            lambda r: MODEL(torch.as_tensor(r)).detach()[:, 2].numpy(), x, BACKGROUND
        )
        np.testing.assert_allclose(output[i], column, rtol=1e-6, atol=1e-10)


def test_on_a_linear_autoencoder_with_independent_features_it_is_the_closed_form():
    linear = nn.Linear(4, 4).double()
    A, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()
    background = shapley_twin.full_factorial([[0.1, 0.5], [0.2, 0.9, 1.0], [0.3, 0.4], [0.0, 0.7]])
    Q, c, _ = shapley_twin.linear_error(A, bias)
    for name in ("kernelshap", "kernelshap-batched"):
        found = explainers.create(name, Detector(linear), background=background).explain(X[:, :4])
        expected = [shapley_twin.quadratic_shapley(Q, c, x, background) for x in X[:, :4].numpy()]
        np.testing.assert_allclose(found, np.array(expected), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("players", [10, 24])
@pytest.mark.parametrize("nsamples", [120, 400])
def test_with_an_even_number_of_features_too_it_is_what_the_package_computes(players, nsamples):
    """`shap` draws coalitions of half of the features without their complements."""
    detector = Detector(mlp((players, 4, players), ("relu", "sigmoid")))
    background, x = RNG.random((5, players)), torch.as_tensor(RNG.random((3, players)))
    ours, theirs = (
        explainers.create(name, detector, background=background, nsamples=nsamples, seed=1).explain(
            x
        )
        for name in ("kernelshap-batched[middle=shap]", "kernelshap")
    )
    assert float((ours - theirs).abs().max() / theirs.abs().max()) < 1e-7


@pytest.mark.parametrize("count", [80, 81, 200, 400])
def test_every_coalition_is_drawn_with_its_complement(count):
    """All but the last, where the budget is odd. 80 of 10 players reach size 5 by chance, 200 and
    400 the sizes from 3 on.
    """
    coalitions, weights = draw(10, count, seed=1)
    known = {row.tobytes(): weight for row, weight in zip(coalitions, weights, strict=True)}
    alone = [row for row in coalitions if (~row).tobytes() not in known]
    assert len(alone) == count % 2
    assert (coalitions.sum(axis=1) == 5).any()
    for row in coalitions[: count - count % 2]:
        assert known[(~row).tobytes()] == known[row.tobytes()]
    without, _ = draw(10, count, seed=1, middle="shap")
    assert sum((without == ~row).all(axis=1).any() for row in without) < count - 1


def test_complements_make_a_game_of_pairs_exact():
    """The error of a linear network is a quadratic form: what is even in it cancels in pairs."""
    detector = Detector(mlp((12, 3, 12), ("identity", "identity")))
    given = {"background": RNG.random((4, 12)), "nsamples": 200}
    x = torch.as_tensor(RNG.random((3, 12)))
    exact, paired, alone = (
        explainers.create("kernelshap-batched", detector, **{**given, **one}).explain(x)
        for one in ({"nsamples": 4096}, {}, {"middle": "shap"})
    )
    torch.testing.assert_close(paired, exact, rtol=1e-9, atol=1e-12)
    assert float((alone - exact).norm() / exact.norm()) > 1e-3


@pytest.mark.parametrize("kind", [torch.float64, torch.float32])
@pytest.mark.parametrize("nsamples", [30, 150, 1000])
def test_it_is_what_the_package_computes(nsamples, kind):
    detector = Detector(mlp((21, 8, 4, 8, 21), ("relu", "relu", "relu", "sigmoid")).to(kind))
    given = {"background": WIDE_BACKGROUND.astype(np.float32), "nsamples": nsamples, "seed": 3}
    x = WIDE_X.to(kind)
    ours = explainers.create("kernelshap-batched", detector, **given).explain(x)
    theirs = explainers.create("kernelshap", detector, **given).explain(x)
    tolerance = 1e-6 if kind == torch.float64 else 1e-4
    assert float((ours - theirs).abs().max() / theirs.abs().max()) < tolerance


@pytest.mark.parametrize("kind", ["kernelshap", "kernelshap-batched"])
def test_a_feature_like_the_whole_background_takes_no_part(kind):
    background, x = WIDE_BACKGROUND.copy(), WIDE_X.clone()
    background[:, 4], x[:2, 4] = 0.5, 0.5
    background[:, 7:], x[3, 7:] = 0.25, 0.25
    x[4], background[:, 0] = torch.as_tensor(background[0]), 0.125
    x[4, 0] = 0.5
    constant = torch.as_tensor(background).std(0) == 0
    found = explainers.create(kind, Detector(WIDE), background=background, nsamples=200).explain(x)
    assert not found[:2, 4].any()
    assert found[2, 4] != 0
    assert not found[3, 7:].any()
    same = (x[4] - torch.as_tensor(background[0])).abs() == 0
    assert not found[4, same & constant].any()
    gain = error(x, model=WIDE) - error(background, model=WIDE).mean()
    np.testing.assert_allclose(found.sum(1), gain, rtol=1e-9, atol=1e-12)


def test_a_feature_like_one_row_of_the_background_takes_part():
    """e = ½ Σ x²: shares are ½ (1 − (0 + 1) / 2) and ½ (.81 − (.04 + .16) / 2)."""
    model = mlp((2, 2), ("identity",))
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    given = {"background": np.array([[0.0, 0.2], [1.0, 0.4]])}
    explainer = explainers.create("kernelshap-batched", Detector(model), **given)
    found = explainer.explain(torch.tensor([[1.0, 0.9]], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([[0.25, 0.355]], dtype=torch.float64))


def test_one_varying_feature_takes_all_and_none_nothing():
    background = np.tile(BACKGROUND[:1], (3, 1))
    x = torch.as_tensor(background[:2].copy())
    x[1, 3] += 0.5
    found = explainers.create("kernelshap-batched", DETECTOR, background=background).explain(x)
    assert not found[0].any()
    expected = torch.zeros(6, dtype=torch.float64)
    expected[3] = float(error(x[1:])[0] - error(x[:1])[0])
    torch.testing.assert_close(found[1], expected)


def test_features_of_several_columns_are_one_player():
    groups = (0, 1, 1, 2, 0, 3)
    detector = Detector(MODEL, "l2", Features(groups=groups))
    columns = np.array(groups)

    def of_groups(x):
        def worth(members):
            rows = BACKGROUND.copy()
            rows[:, np.isin(columns, list(members))] = x[np.isin(columns, list(members))]
            return error(rows).mean()

        masks = shapley_twin.coalitions(4)
        weights = np.array([shapley_twin.kernel_weights(4, int(mask.sum())) for mask in masks])
        values = np.array([worth(np.flatnonzero(mask)) for mask in masks])
        return shapley_twin.weighted_regression(masks, weights, values, worth([]), worth(range(4)))

    expected = np.array([of_groups(x) for x in X.numpy()])
    for name in ("kernelshap", "kernelshap-batched"):
        found = explainers.create(name, detector, background=BACKGROUND).explain(X).numpy()
        np.testing.assert_allclose(
            detector.features.sum_groups(found), expected, rtol=1e-6, atol=1e-9
        )
        np.testing.assert_allclose(found[:, 1], found[:, 2])


@pytest.mark.parametrize("segments", ["slic", "patches"])
def test_images_are_explained_by_segments_alike_in_both(segments):
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 2, 3, padding=1)
    ).double()
    background, x = RNG.random((4, 2, 16, 16)), torch.as_tensor(RNG.random((3, 2, 16, 16)))
    given = {"background": background, "nsamples": 60, "rows": 3, "segments": segments, "count": 8}
    ours = explainers.create("kernelshap-batched", Detector(model), **given)
    theirs = explainers.create("kernelshap", Detector(model), **given)
    found = ours.explain(x)
    torch.testing.assert_close(found, theirs.explain(x), rtol=1e-6, atol=1e-12)
    representatives = ours.regression.worth.background
    gain = error(x, model=model) - error(representatives, model=model).mean()
    np.testing.assert_allclose(found.flatten(1).sum(1), gain, rtol=1e-9)


@pytest.mark.parametrize("players", [2, 3, 4, 7, 8, 21, 40])
@pytest.mark.parametrize("count", [1, 7, 60, 1000])
def test_drawn_coalitions_are_different_and_their_weights_sum_to_one(players, count):
    coalitions, weights = draw(players, count, seed=1)
    assert len(coalitions) <= min(count, 2**players - 2)
    assert len(np.unique(coalitions, axis=0)) == len(coalitions)
    assert coalitions.any(axis=1).all()
    assert not coalitions.all(axis=1).any()
    assert weights.sum() == pytest.approx(1)
    if count >= 2**players - 2:
        expected = np.array(
            [shapley_twin.kernel_weights(players, int(c.sum())) for c in coalitions]
        )
        np.testing.assert_allclose(weights, expected / expected.sum())


def test_the_fit_is_the_constrained_regression():
    coalitions, weights = draw(9, 80, seed=2)
    design, values = Design.of(coalitions, weights), RNG.random(len(coalitions))
    expected = shapley_twin.weighted_regression(coalitions, weights, values, 0.3, 2.0)
    np.testing.assert_allclose(
        design.by_value @ (values - 0.3) + design.by_total * 1.7, expected, rtol=1e-9
    )


def test_centres_of_the_background_stand_for_it():
    background = np.concatenate([np.full((30, 6), 0.2), np.full((10, 6), 0.8)])
    detector = Detector(MODEL)
    whole = explainers.create("kernelshap", detector, background=background).explain(X)
    centres = explainers.create(
        "kernelshap", detector, background=background, kmeans=True, rows=2
    ).explain(X)
    torch.testing.assert_close(centres, whole)


def test_memory_that_runs_out_halves_the_chunks(monkeypatch):
    expected = explainers.create("kernelshap-batched", DETECTOR, background=BACKGROUND).explain(X)
    explainer, forward = (
        explainers.create("kernelshap-batched", DETECTOR, background=BACKGROUND),
        Detector._forward,
    )

    def limited(self, x):
        if len(x) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, x)

    monkeypatch.setattr(Detector, "_forward", limited)
    torch.testing.assert_close(explainer.explain(X), expected)


@pytest.mark.parametrize("top", [1, 2, 6])
def test_per_feature_shap_sums_the_shapley_values_of_the_worst_features(top):
    model = lambda rows: MODEL(torch.as_tensor(rows)).detach().numpy()  # noqa: E731
    for x in X.numpy():
        gap = x - model(x[None])[0]
        squares = np.sort(gap**2)[::-1]
        share = (
            squares[:top].sum() - squares[top - 1] / 2
        ) / squares.sum()  # reached by `top` features, not by fewer
        assert len(shapley_twin.worst_features(x, x - gap, share)) == top
        given = {"background": BACKGROUND, "share": share}
        found = explainers.create("per-feature-shap", DETECTOR, **given).explain(x[None])[0]
        np.testing.assert_allclose(
            found,
            shapley_twin.per_feature_magnitude(model, x, BACKGROUND, top),
            rtol=1e-6,
            atol=1e-12,
        )
        away = explainers.create(
            "per-feature-shap", DETECTOR, combine="contributing", **given
        ).explain(x[None])[0]
        of_outputs = shapley_twin.output_shap(model, x, BACKGROUND, top)
        expected = sum(np.maximum(-np.sign(gap[i]) * shap, 0) for i, shap in of_outputs.items())
        np.testing.assert_allclose(away, expected, rtol=1e-6, atol=1e-10)


CONVOLUTIONS = nn.Sequential(
    nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1)
).double()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model", "shape", "samples", "given"),
    [
        ("kernelshap-batched", WIDE, (21,), 4000, {"nsamples": 100, "rows": 1}),
        ("kernelshap-batched", WIDE, (21,), 1000, {"nsamples": 2, "rows": 60}),
        ("kernelshap-batched", MODEL, (6,), 15_000, {"nsamples": 1000, "rows": 1}),
        (
            "kernelshap-batched",
            WIDE,
            (21,),
            1000,
            {"nsamples": 100, "rows": 4, "value": "fixed-target"},
        ),
        (
            "kernelshap-batched",
            mlp((300, 3, 300), ("relu", "relu")),
            (300,),
            100,
            {"nsamples": 100, "output": 3},
        ),
        (
            "kernelshap-batched",
            CONVOLUTIONS,
            (3, 32, 32),
            2,
            {"nsamples": 400, "rows": 1, "segments": "patches"},
        ),
        (
            "per-feature-shap",
            mlp((300, 3, 300), ("relu", "relu")),
            (300,),
            100,
            {"nsamples": 30, "rows": 2},
        ),
    ],
)
def test_memory_is_bounded_whatever_is_asked(name, model, shape, samples, given, monkeypatch):
    """One chunk of activations and one of rows, `VALUE_BYTES`, and a few times what goes in and
    comes out.
    """
    chunk = values = 2**20
    monkeypatch.setattr("aexbench.detector.CHUNK_BYTES", {"cpu": chunk})
    monkeypatch.setattr("aexbench.explainers.shapley.regression.VALUE_BYTES", values)
    x = torch.as_tensor(RNG.random((samples, *shape)))
    explainer = explainers.create(
        name, Detector(model), background=RNG.random((60, *shape)), **given
    )
    explainer.explain(x[:1])  # what is prepared once is there now
    with Peak() as memory:
        explainer.explain(x)
    assert memory.total > 10 * (chunk + values)
    assert memory.most < 2 * chunk + values + 6 * x.nbytes


def test_no_samples_have_no_attributions():
    for name in ("kernelshap", "kernelshap-batched", "per-feature-shap"):
        assert explainers.create(name, DETECTOR, background=BACKGROUND).explain(X[:0]).shape == (
            0,
            6,
        )
    assert explainers.create(
        "kernelshap-batched[output=2]", DETECTOR, background=BACKGROUND
    ).explain(X[:0]).shape == (
        0,
        6,
    )


def test_an_output_that_there_is_not_is_named():
    with pytest.raises(RequestError, match=r"output=6 of 6 columns"):
        explainers.create("kernelshap-batched[output=6]", DETECTOR, background=BACKGROUND)


@pytest.mark.parametrize("name", ["kernelshap", "kernelshap-batched", "per-feature-shap"])
def test_what_is_no_number_has_no_attribution(name):
    x = X.clone()
    x[1, 2] = torch.nan
    made = explainers.create(name, DETECTOR, background=BACKGROUND)
    with pytest.raises(ValueError, match="not finite"):
        made.explain(x)
    found = made.explainer.explain(x)  # behind the door
    assert found[1].isnan().all()
    assert not found[[0, 2, 3]].isnan().any()


def test_default_rows_and_coalitions_are_the_papers(monkeypatch):
    """755 rows and 1000 coalitions of Sec. 4.1; Antwarg et al.: 200 rows; 5 rows of images are a
    choice of our own.
    """
    monkeypatch.setattr(
        "aexbench.explainers.kernelshap._centres",
        lambda rows, count, seed: (rows[:count], np.ones(count)),
    )
    table, images = np.tile(BACKGROUND, (100, 1)), RNG.random((9, 3, 8, 8))

    def rows(name, background=table, model=MODEL):
        made = explainers.create(name, Detector(model), background=background)
        return len(
            made.background
            if "batched" not in name and "per" not in name
            else made.regression.worth.background
        )

    assert [rows(name) for name in ("kernelshap", "kernelshap-batched", "per-feature-shap")] == [
        755,
        755,
        200,
    ]
    assert [rows(name, images, CONVOLUTIONS) for name in ("kernelshap", "kernelshap-batched")] == [
        5,
        5,
    ]
    assert rows("kernelshap[kmeans=true]") == 100
    for name in ("kernelshap", "kernelshap-batched", "per-feature-shap"):
        assert explainers.describe(name).parameters["nsamples"].default == 1000


def test_centres_are_of_a_bounded_sample(monkeypatch):
    seen = []
    monkeypatch.setattr("aexbench.rows.MOST_VALUES", 6 * 20)
    monkeypatch.setattr(
        "aexbench.explainers.kernelshap._centres",
        lambda rows, *_: seen.append(rows.shape) or (rows[:1], np.ones(1)),
    )
    explainers.create("kernelshap", DETECTOR, background=np.tile(BACKGROUND, (9, 1)), kmeans=True)
    assert seen == [(20, 6)]


def test_the_package_says_nothing_of_many_rows(caplog):
    background = RNG.random((150, 6))
    level = logging.getLogger("shap").level
    explainers.create("kernelshap", DETECTOR, background=background, nsamples=8).explain(X[:1])
    assert "background" not in caplog.text
    assert logging.getLogger("shap").level == level


def test_what_varies_by_less_than_the_package_sees_takes_no_part():
    """numpy.isclose, which `shap` asks: 1e-8 + 1e-5 · |b|."""
    background = np.full((2, 6), 100.0)
    x = torch.full((4, 6), 100.0, dtype=torch.float64)
    x[:, 0], x[:, 1] = 101.0, torch.tensor([100 + 0.9e-3, 100 + 1.1e-3, 100 - 0.9e-3, 100 - 1.1e-3])
    background[:, 2], x[:, 2] = 0.0, torch.tensor([0.9e-8, 1.1e-8, -0.9e-8, -1.1e-8])
    for name in ("kernelshap", "kernelshap-batched"):
        found = explainers.create(name, Detector(SLOPED), background=background).explain(x)
        assert (found[:, 0] != 0).all()
        assert (found[:, 1] != 0).tolist() == [False, True, False, True]
    numbers = torch.arange(6).expand(4, 6)
    least_and_most = bounds(torch.as_tensor(background))
    who = varying(x, numbers, least_and_most, Units.of(Features(), (6,)))
    assert who[:, 2].tolist() == [False, True, False, True]
