"""Repair, beside a loop over samples, features and values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from aexbench import Detector, Features, RequestError, SkipError, explainers
from aexbench import detector as engine
from aexbench.conformance import check_explainer
from aexbench.explainers.tools.conditional import RIDGE, conditional, regressions
from aexbench.explainers.tools.segments import Segments
from aexbench.rows import sample
from tests.conftest import mlp

MODEL = mlp((5, 3, 5), ("tanh", "sigmoid"))
X = torch.rand(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
NORMAL = np.random.default_rng(1).random((31, 5)) ** 2
OF_IMAGES = ["mean", "reconstruction", "nearest", "search"]
VALUES = [*OF_IMAGES, "conditional"]


def conv():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(3, 2, 1)
        return torch.nn.Sequential(*layers).double()


def images(count, size=12):
    """Return images (N, 2, size, size) of four tiles and a little noise."""
    noise = torch.Generator().manual_seed(count)
    tiles = torch.rand(count, 2, 2, 2, dtype=torch.float64, generator=noise)
    tiles = tiles.repeat_interleave(size // 2, dim=2).repeat_interleave(size // 2, dim=3)
    return tiles + 0.05 * torch.rand(tiles.shape, dtype=torch.float64, generator=noise)


def repair(detector, background=NORMAL, **parameters):
    return explainers.create("repair", detector, background=np.asarray(background), **parameters)


def error(model, row, loss):
    """Return the error (Eq. 6, 7) of one sample."""
    with torch.no_grad():
        away = (row - model(row[None])[0]).abs()
    return float((away**2 if loss == "l2" else away).mean())


def told_by_others(row, background, numbers):
    """Return what ridge regressions of scikit-learn's tell of each feature, from all others."""
    told, row = torch.zeros_like(row), row.numpy()
    for number in numbers.unique():
        own = (numbers == number).numpy()
        ridge = Ridge(alpha=RIDGE * len(background)).fit(background[:, ~own], background[:, own])
        told[own] = torch.as_tensor(ridge.predict(row[None, ~own])).flatten()
    return told


def normals(values, model, row, background, numbers, quantiles=5):
    """Return the normal samples that a sample is repaired with."""
    if values == "conditional":
        return [told_by_others(row, np.asarray(background), numbers)]
    background = torch.as_tensor(background, dtype=row.dtype)
    if values == "mean":
        return [background.mean(0)]
    if values == "reconstruction":
        return [model(row[None])[0].detach()]
    if values == "nearest":
        return [background[int(((background - row) ** 2).flatten(1).sum(1).argmin())]]
    ordered = background.sort(dim=0).values
    return [
        ordered[int(np.ceil((k + 0.5) / quantiles * len(ordered))) - 1] for k in range(quantiles)
    ]


def twin(model, x, numbers, values, background, loss="l2", quantiles=5):
    out = torch.zeros_like(x)
    for row, number, found in zip(x, numbers, out, strict=True):
        for p in number.unique():
            mask = number == p
            tried = [
                torch.where(mask, n, row)
                for n in normals(values, model, row, background, number, quantiles)
            ]
            fall = error(model, row, loss) - min(error(model, repaired, loss) for repaired in tried)
            found[mask] = fall / int(mask.sum())
    return out


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("values", VALUES)
def test_it_is_its_formula(values, loss):
    expected = twin(MODEL, X, torch.arange(5).expand(6, 5), values, NORMAL, loss)
    torch.testing.assert_close(
        repair(Detector(MODEL), values=values, loss=loss).explain(X), expected
    )
    assert expected.abs().max() > 1e-3


@pytest.mark.parametrize("values", VALUES)
def test_the_columns_of_a_feature_are_repaired_together(values):
    groups = (0, 1, 0, 2, 1)
    detector = Detector(MODEL, features=Features(groups=groups))
    expected = twin(MODEL, X, torch.tensor(groups).expand(6, 5), values, NORMAL)
    torch.testing.assert_close(repair(detector, values=values).explain(X), expected)


@pytest.mark.parametrize("kind", ["slic", "patches"])
@pytest.mark.parametrize("values", OF_IMAGES)
def test_the_segments_of_an_image_are_repaired_as_a_whole(values, kind):
    x, background, detector = images(3), images(20).numpy(), Detector(conv())
    numbers = Segments(kind, 9).numbers(x, Features())
    assert (
        kind == "patches" or len({int(one.max()) for one in numbers}) > 1
    )  # images of more and of fewer segments
    explainer = repair(detector, background, values=values, segments=kind, count=9)
    torch.testing.assert_close(
        explainer.explain(x), twin(detector.model, x, numbers, values, background)
    )


@pytest.mark.parametrize("quantiles", [2, 3, 31])
def test_search_takes_the_best_of_quantiles(quantiles):
    expected = twin(MODEL, X, torch.arange(5).expand(6, 5), "search", NORMAL, quantiles=quantiles)
    found = repair(Detector(MODEL), values="search", quantiles=quantiles).explain(X)
    torch.testing.assert_close(found, expected)


def test_a_projection_in_closed_form():
    """With P = I − VVᵀ and d = x − mean: e(x) = ‖P d‖²/m falls by (2 dᵢ (P d)ᵢ − dᵢ² Pᵢᵢ)/m."""
    mean = torch.as_tensor(NORMAL.mean(axis=0))
    basis = torch.linalg.qr(torch.as_tensor(NORMAL[:5]))[0][:, :2]

    class Projection(torch.nn.Module):
        def forward(self, x):
            return mean + (x - mean) @ basis @ basis.T

    P, d = torch.eye(5) - basis @ basis.T, X - mean
    expected = (2 * d * (d @ P) - d**2 * P.diagonal()) / 5
    detector = Detector(
        torch.nn.Sequential(Projection(), torch.nn.BatchNorm1d(5, affine=False).double().eval())
    )
    detector.model[1].running_var.fill_(1 - detector.model[1].eps)
    torch.testing.assert_close(repair(detector).explain(X), expected)


def test_the_broken_feature_takes_all_that_a_repair_can(detector, linear_rows):
    clean = torch.as_tensor(linear_rows[:8]).double()
    broken = clean + 0.3 * torch.eye(8, dtype=torch.float64)
    found = repair(detector, linear_rows[:8], values="nearest").explain(broken)
    torch.testing.assert_close(found.diagonal(), detector.error(broken) - detector.error(clean))
    for values in VALUES[:1] + VALUES[2:]:
        found = repair(detector, linear_rows, values=values).explain(
            clean + 3 * torch.eye(8, dtype=torch.float64)
        )
        assert torch.equal(found.argmax(1), torch.arange(8))


class Watched(Detector):
    """Keeps how many rows' errors were asked for, call by call."""

    def error(self, x):
        self.calls = [*getattr(self, "calls", []), len(x)]
        return super().error(x)


def watched(model, x):
    """Return a detector that has been asked before: the first time it looks at itself."""
    detector = Watched(model)
    detector.error(x)
    detector.calls, detector._chunks = [], {}
    return detector


@pytest.mark.parametrize(("values", "passes"), [("mean", 1), ("search", 4)])
def test_it_costs_a_row_for_each_feature(values, passes):
    detector = watched(MODEL, X)
    repair(detector, values=values, quantiles=4).explain(X)
    assert sum(detector.calls) == len(X) * (1 + passes * 5)


@pytest.mark.parametrize("rows", [1, 3, 17])
@pytest.mark.parametrize("values", ["nearest", "search"])
def test_no_more_rows_are_built_than_fit(rows, values, monkeypatch):
    x, background = images(4), images(10).numpy()
    whole = repair(Detector(conv()), background, values=values, count=9).explain(x)
    detector = watched(conv(), x)
    monkeypatch.setitem(engine.CHUNK_BYTES, "cpu", rows * detector.activation_bytes(x[:1]))
    torch.testing.assert_close(
        repair(detector, background, values=values, count=9).explain(x), whole
    )
    assert detector.calls[0] == len(x)  # they are there already
    assert max(detector.calls[1:]) <= rows


def test_it_halves_when_memory_runs_out():
    class Tight(Detector):
        def error(self, x):
            if len(x) > 7:
                raise MemoryError
            return super().error(x)

    torch.testing.assert_close(repair(Tight(MODEL)).explain(X), repair(Detector(MODEL)).explain(X))


@pytest.mark.parametrize("values", VALUES[1:])
def test_it_keeps_the_contract(values):
    for detector, background, x in (
        (Detector(MODEL), NORMAL, X),
        (Detector(conv()), images(20).numpy(), images(3)),
    )[: 1 + (values in OF_IMAGES)]:
        findings = check_explainer(
            lambda of, b=background: repair(of, b, values=values, count=9), detector, x
        )
        assert [finding for finding in findings if finding.problem] == []


def test_quantiles_come_from_a_bounded_sample(monkeypatch):
    monkeypatch.setattr("aexbench.rows.MOST_VALUES", 12 * 5 + 1)
    few = repair(Detector(MODEL), values="search").explain(X)
    monkeypatch.undo()
    assert torch.equal(few, repair(Detector(MODEL), sample(NORMAL, 12), values="search").explain(X))
    assert not torch.equal(few, repair(Detector(MODEL), values="search").explain(X))


def test_half_precision_is_left_before_pixels_are_counted():
    x = images(2, size=40)
    detector = Detector(conv().bfloat16())
    found = repair(
        detector, images(5, size=40).float().numpy(), segments="patches", count=1
    ).explain(x.bfloat16())
    exact = repair(
        Detector(conv()), images(5, size=40).numpy(), segments="patches", count=1
    ).explain(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=0.1, atol=0)


def test_no_samples_no_answers():
    assert repair(Detector(MODEL)).explain(X[:0]).shape == (0, 5)


@pytest.mark.parametrize("wrong", ["quantiles=1", "count=0", "values=zeros", "segments=squares"])
def test_wrong_parameters(wrong):
    with pytest.raises(RequestError, match=wrong.split("=")[0]):
        explainers.create(f"repair[{wrong}]", Detector(MODEL), background=NORMAL)


# What the other features suggest.


def test_of_two_equal_columns_each_tells_the_other():
    background = np.repeat(np.linspace(0, 1, 101)[:, None], 2, axis=1)
    told = conditional(Detector(torch.nn.Identity()), background)
    found = told(torch.tensor([[0.2, 0.8]], dtype=torch.float64))
    variance = background[:, 0].var()
    shrunk = variance / (variance + 1e-3)  # the ridge, in squares of the range
    expected = 0.5 + shrunk * torch.tensor([[0.3, -0.3]], dtype=torch.float64)
    torch.testing.assert_close(found, expected)


def test_what_the_others_do_not_tell_is_the_mean():
    """Each column of a full factorial is uncorrelated with the others; of one row nothing is."""
    cube = np.stack(np.meshgrid([0.0, 1.0], [0.2, 0.4], [0.1, 0.9], indexing="ij"), -1)
    for background in (cube.reshape(-1, 3), cube.reshape(-1, 3)[:1]):
        told = conditional(Detector(torch.nn.Identity()), background)
        found = told(torch.tensor([[0.9, 0.1, 0.5], [5.0, -3.0, 2.0]], dtype=torch.float64))
        mean = torch.as_tensor(background.mean(axis=0)).expand(2, 3)
        torch.testing.assert_close(found, mean)


@given(st.integers(0, 10_000), st.permutations(range(5)))
@settings(max_examples=30, deadline=None)
def test_conditional_values_follow_columns_and_units(seed, order):
    rng = np.random.default_rng(seed)
    background = rng.random((20, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.random((20, 5))
    x, order = torch.as_tensor(rng.random((3, 5))), list(order)
    factor, shift = rng.uniform(0.01, 100, 5), rng.normal(size=5)
    plain = conditional(Detector(torch.nn.Identity()), background)(x)
    turned = conditional(Detector(torch.nn.Identity()), background[:, order])(x[:, order])
    torch.testing.assert_close(turned, plain[:, order])
    features = Features(low=tuple(shift), high=tuple(shift + factor))
    scaled = conditional(
        Detector(torch.nn.Identity(), features=features), shift + factor * background
    )(torch.as_tensor(shift) + torch.as_tensor(factor) * x)
    torch.testing.assert_close((scaled - torch.as_tensor(shift)) / torch.as_tensor(factor), plain)


def test_a_column_tells_nothing_about_itself_nor_about_its_group():
    background = np.random.default_rng(0).random((30, 6))
    weights = regressions(np.cov(background.T), np.array([0, 1, 0, 2, 3, 3]))
    own = np.equal.outer(*[np.array([0, 1, 0, 2, 3, 3])] * 2)
    assert not weights[own].any()
    assert weights[~own].all()


def test_conditional_values_come_from_a_bounded_sample(monkeypatch):
    monkeypatch.setattr("aexbench.rows.MOST_VALUES", 12 * 5 + 1)
    few = repair(Detector(MODEL), values="conditional").explain(X)
    monkeypatch.undo()
    chosen = repair(Detector(MODEL), sample(NORMAL, 12), values="conditional").explain(X)
    assert torch.equal(few, chosen)
    assert not torch.equal(few, repair(Detector(MODEL), values="conditional").explain(X))


def test_ten_thousand_samples_tell_where_nothing_is_said():
    background = np.random.default_rng(0).random((10_500, 2)) @ np.array([[1.0, 1], [0, 0.3]])
    detector, x = Detector(torch.nn.Identity()), torch.rand(2, 2, dtype=torch.float64)
    few = conditional(detector, sample(background, 10_000))(x)
    assert torch.equal(conditional(detector, background)(x), few)


def test_the_columns_of_images_are_too_many():
    with pytest.raises(SkipError, match="columns of tables"):
        repair(Detector(conv()), images(5).numpy(), values="conditional")


def test_a_model_that_refuses_what_the_others_suggest_is_skipped():
    class Asserting(torch.nn.Module):
        def forward(self, x):
            assert torch.equal(x, x.clamp(0, 1)), "values lie in [0, 1]"
            return x / 2

    line = np.repeat(np.linspace(0, 1, 50)[:, None], 2, axis=1) * [1.0, 0.5] + [0.0, 0.5]
    x = torch.tensor([[0.5, 0.1]])  # the second says that the first is −0.8
    with pytest.raises(SkipError, match=r"^repair\[values=conditional\] asks about values outside"):
        repair(Detector(Asserting()), line, values="conditional").explain(x)
    assert repair(Detector(Asserting()), line, values="mean").explain(x).isfinite().all()
