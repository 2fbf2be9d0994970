"""Residuals: plain, beside those of normal samples, and smoothed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from aexbench import Detector, Features, RequestError, SkipError, explainers
from aexbench.conformance import check_explainer
from aexbench.rows import sample
from tests.conftest import mlp
from tests.explainers.networks import trained

MODEL = mlp((4, 2, 4), ("relu", "sigmoid"))
X = torch.rand(50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
NORMAL = np.random.default_rng(1).random((30, 4))
FORMS = ["standardised", "p-value"]


class Blank(torch.nn.Module):
    """Returns 0 for everything, in float64: the L1 residual is the sample, divided by
    its columns.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("zero", torch.zeros(1, dtype=torch.float64))

    def forward(self, x):
        return torch.zeros_like(x)


def blank(background, x, **parameters):
    explainer = explainers.create(
        "residual", Detector(Blank(), "l1"), background=np.asarray(background), **parameters
    )
    return explainer.explain(torch.tensor(x, dtype=torch.float64))


def twin(form, normal, found):
    """Return the form of residuals (N, M) beside those of normal samples (B, M),
    column by column.
    """
    out = np.empty_like(found)
    for n, i in np.ndindex(*found.shape):
        column, r = normal[:, i], found[n, i]
        spread = math.sqrt(sum((b - column.mean()) ** 2 for b in column) / len(column))
        share = (1 + sum(b >= r for b in column)) / (1 + len(column))
        beyond = max(0.0, r - max(column)) / spread
        out[n, i] = (
            (r - column.mean()) / spread
            if form == "standardised"
            else -math.log10(share * math.exp(-beyond))
        )
    return out


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_plain_is_equation_13_and_14(loss):
    x_hat = MODEL(X).detach()
    expected = {"l2": (X - x_hat) ** 2 / 4, "l1": (X - x_hat).abs() / 4}[loss]
    torch.testing.assert_close(
        explainers.create("residual", Detector(MODEL), loss=loss).explain(X), expected
    )
    given = explainers.create("residual", Detector(MODEL, loss), background=NORMAL)
    assert torch.equal(given.explain(X), Detector(MODEL, loss).error_map(X))


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("form", FORMS)
def test_forms_are_their_formulas(form, loss):
    detector = Detector(MODEL, loss)
    normal, found = (detector.error_map(rows).numpy() for rows in (NORMAL, 2 * X))
    assert (found > normal.max(axis=0)).any()
    assert (found < normal.max(axis=0)).any()
    explained = explainers.create(
        "residual", Detector(MODEL), form=form, loss=loss, background=NORMAL
    ).explain(2 * X)
    torch.testing.assert_close(explained, torch.as_tensor(twin(form, normal, found)))


def test_p_values_count_normal_samples_at_least_as_odd():
    background = [[0.1], [0.2], [0.2], [0.4]]
    found = blank(background, [[0.0], [0.1], [0.15], [0.2], [0.3], [0.4]], form="p-value").flatten()
    shares = [5 / 5, 5 / 5, 4 / 5, 4 / 5, 2 / 5, 2 / 5]
    torch.testing.assert_close(found, -torch.tensor(shares, dtype=torch.float64).log10())


def test_beyond_all_normal_samples_spreads_decide_and_never_tie():
    background = np.stack(
        [np.linspace(0, 0.1, 11), np.linspace(0, 0.5, 11)], axis=1
    )  # one column five times as wide
    found = blank(background, [[0.3, 0.7], [0.3, 1.5], [0.3, 1.6]], form="p-value")
    assert (found > math.log10(12)).all()
    assert found[0, 0] > found[0, 1]  # 0.2 beyond both
    torch.testing.assert_close(found[1, 0], found[1, 1])  # as many spreads beyond
    assert found[2, 1] > found[2, 0]
    line = blank(background, [[r, r] for r in np.linspace(0, 2, 201)], form="p-value")
    assert (line.diff(dim=0) >= 0).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_column_that_never_errs_stands_out_when_it_does(form):
    background = np.stack([np.linspace(0, 1, 20), np.full(20, 0.5)], axis=1)
    found = blank(background, [[1.0, 0.5], [1.0, 0.6]], form=form)
    assert torch.isfinite(found).all()
    assert found[0].argmax() == 0
    assert found[1].argmax() == 1


@pytest.mark.parametrize("form", FORMS)
def test_units_do_not_matter(form):
    scale = np.array([1e-9, 1e6])
    background = np.stack([np.random.default_rng(0).random(20), np.full(20, 0.5)], axis=1)
    x = torch.tensor([[3.0, 0.7]], dtype=torch.float64)
    expected = blank(background, x.tolist(), form=form)
    detector = Detector(Blank(), "l1", Features(low=(0.0, 0.0), high=tuple(scale)))
    explainer = explainers.create("residual", detector, form=form, background=background * scale)
    torch.testing.assert_close(explainer.explain(x * torch.as_tensor(scale)), expected)


@pytest.mark.parametrize("form", FORMS)
def test_a_bounded_sample_of_the_background_is_asked(form, monkeypatch):
    chosen = explainers.create(
        "residual", Detector(MODEL), form=form, background=sample(NORMAL, 12)
    ).explain(X)
    few = explainers.create(
        "residual", Detector(MODEL), form=form, background=NORMAL, nsamples=12
    ).explain(X)
    assert torch.equal(few, chosen)
    monkeypatch.setattr("aexbench.rows.MOST_VALUES", 12 * 4 + 3)
    assert torch.equal(
        explainers.create("residual", Detector(MODEL), form=form, background=NORMAL).explain(X),
        chosen,
    )


def images(count, shape=(2, 9, 14)):
    return torch.rand(
        count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(count)
    )


@pytest.mark.parametrize("sigma", [0.3, 1.0, 7.0])
def test_smoothing_is_scipys_image_by_image_and_keeps_the_sum(sigma):
    x, detector = images(3), Detector(Blank(), "l1")
    plain = detector.error_map(x)
    found = explainers.create("residual", detector, sigma=sigma).explain(x)
    for n, c in np.ndindex(3, 2):
        torch.testing.assert_close(
            found[n, c].numpy(), gaussian_filter(plain[n, c].numpy(), sigma, mode="reflect")
        )
    torch.testing.assert_close(found.sum((2, 3)), plain.sum((2, 3)))
    assert found.std() < plain.std()


@pytest.mark.parametrize("form", FORMS)
def test_smoothed_residuals_are_compared_with_smoothed_ones(form):
    x, normal = 2 * images(3), images(20)
    smooth = explainers.create("residual", Detector(Blank()), sigma=1.0)
    found = explainers.create(
        "residual", Detector(Blank()), sigma=1.0, form=form, background=normal.numpy()
    ).explain(x)
    expected = twin(
        form, smooth.explain(normal).flatten(1).numpy(), smooth.explain(x).flatten(1).numpy()
    )
    torch.testing.assert_close(found.flatten(1), torch.as_tensor(expected))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sigma", [0.0, 1.5])
def test_forms_keep_the_contract(form, sigma):
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 3, padding=1), torch.nn.Sigmoid()).double()
    detector, background, x = (
        (Detector(model), images(20).numpy(), images(4)) if sigma else (Detector(MODEL), NORMAL, X)
    )
    findings = check_explainer(
        lambda of: explainers.create("residual", of, form=form, sigma=sigma, background=background),
        detector,
        x,
    )
    assert [finding for finding in findings if finding.problem] == []


@pytest.mark.parametrize("form", FORMS)
def test_half_precision(form):
    detector = Detector(mlp((4, 2, 4), ("relu", "sigmoid")).bfloat16())
    found = explainers.create(
        "residual", detector, form=form, background=NORMAL.astype(np.float32)
    ).explain(X.bfloat16())
    exact = explainers.create("residual", Detector(MODEL), form=form, background=NORMAL).explain(X)
    assert torch.isfinite(found).all()
    assert np.corrcoef(found.flatten(), exact.flatten())[0, 1] > 0.9


@pytest.mark.parametrize("form", FORMS)
def test_a_form_without_background_says_so(form):
    with pytest.raises(RequestError, match="give it a background"):
        explainers.create("residual", Detector(MODEL), form=form)


def test_tables_are_not_smoothed():
    with pytest.raises(SkipError, match="leave it at 0"):
        explainers.create("residual[sigma=1]", Detector(MODEL)).explain(X)
    with pytest.raises(RequestError, match="sigma"):
        explainers.create("residual[sigma=-1]", Detector(MODEL))


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_a_normal_sample_is_as_odd_as_itself_alone_and_in_a_batch(loss):
    detector, background, _ = trained()
    explainer = explainers.create(
        "residual", detector, form="p-value", loss=loss, background=background
    )
    x = torch.as_tensor(background[:100])
    alone, batch = torch.cat([explainer.explain(one) for one in x.split(1)]), explainer.explain(x)
    torch.testing.assert_close(alone, batch, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_the_least_spread_is_a_millionth_of_what_the_whole_range_adds(form):
    """A column that errs by 1e-9 ± 1e-12 in a range of 1: that is rounding, and 1e-7 more of it
    stands out by 0.1.
    """
    background = np.stack([1e-9 + 1e-12 * np.arange(20), np.linspace(0, 1, 20)], axis=1)
    found = blank(background, [[1e-9 + 1e-7, 0.5]], form=form)[0, 0]
    expected = 0.1 if form == "standardised" else math.log10(21) + 0.1 / math.log(10)
    assert float(found) == pytest.approx(expected, rel=1e-3)
