"""The map of structural dissimilarity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from aexbench import Detector, Features, SkipError, explainers
from aexbench import detector as engine
from aexbench.conformance import check_explainer


class Times(torch.nn.Module):
    """Returns its samples, multiplied, in float64."""

    def __init__(self, factor):
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float64))

    def forward(self, x):
        return self.factor * x


def images(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def explain(model, x, **described):
    return explainers.create(
        "ssim-residual", Detector(model, features=Features(**described))
    ).explain(x)


def blurring():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.Sigmoid()).double()


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-2.0, 3.0)])
def test_it_is_scikit_images(low, high):
    x, model = images(4, 3, 16, 23), blurring()
    found, x_hat = explain(model, x, low=low, high=high), model(x).detach()
    for n, c in np.ndindex(4, 3):
        _, similarity = structural_similarity(
            x[n, c].numpy() - low,  # grey values count from the least regular one
            x_hat[n, c].numpy() - low,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
            data_range=high - low,
        )
        np.testing.assert_allclose(found[n, c], (1 - similarity) / 2, rtol=1e-9, atol=1e-12)


def test_it_is_equation_13_at_a_pixel():
    x, model = images(1, 3, 15, 15), blurring()
    away = torch.arange(-5, 6, dtype=torch.float64)
    weight = torch.exp(-(away[:, None] ** 2 + away**2) / (2 * 1.5**2))
    weight /= weight.sum()
    a, b = (
        image[0, 1, 2:13, 2:13] for image in (x, model(x).detach())
    )  # 11 × 11 around the pixel (7, 7)
    mean_a, mean_b = (weight * a).sum(), (weight * b).sum()
    var_a, var_b = (weight * (a - mean_a) ** 2).sum(), (weight * (b - mean_b) ** 2).sum()
    cov = (weight * (a - mean_a) * (b - mean_b)).sum()
    similarity = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    similarity *= (2 * cov + 0.03**2) / (var_a + var_b + 0.03**2)
    torch.testing.assert_close(explain(model, x)[0, 1, 7, 7], (1 - similarity) / 2)


def test_flat_images_differ_in_luminance_alone():
    x = torch.full((2, 1, 6, 7), 0.8, dtype=torch.float64)  # smaller than the window
    expected = (1 - (2 * 0.8 * 0.4 + 1e-4) / (0.8**2 + 0.4**2 + 1e-4)) / 2
    torch.testing.assert_close(explain(Times(0.5), x), torch.full_like(x, expected))


def test_it_is_0_for_what_is_reconstructed_and_within_0_and_1():
    x = images(3, 2, 12, 12)
    torch.testing.assert_close(explain(Times(1.0), x), torch.zeros_like(x))

    found = explain(Times(-1.0), x - 0.5)
    assert (found > 0.5).any()
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_a_broken_patch_is_found_and_nothing_far_from_it():
    x = images(1, 1, 32, 32)
    x[..., 10:14, 20:24] = 2.0
    found = explain(torch.nn.Hardtanh(0.0, 1.0), x)[0, 0]
    assert found[10:14, 20:24].mean() > 10 * found.mean()
    assert found[:, :14].abs().max() < 1e-5  # more than a window away


def test_every_column_has_its_own_range():
    x = images(2, 2, 12, 12)
    scale = torch.tensor([1.0, 7.0], dtype=torch.float64).view(2, 1, 1)
    high = tuple(scale.expand(2, 12, 12).flatten().tolist())
    found = explain(Times(0.5), x * scale, low=(0.0,) * len(high), high=high)
    torch.testing.assert_close(found, explain(Times(0.5), x))


def test_it_keeps_the_contract_in_small_chunks(monkeypatch):
    x = images(5, 3, 12, 12)
    whole = explain(blurring(), x)
    monkeypatch.setitem(engine.CHUNK_BYTES, "cpu", 2 * Detector(blurring()).activation_bytes(x[:1]))
    torch.testing.assert_close(explain(blurring(), x), whole)
    findings = check_explainer(
        lambda of: explainers.create("ssim-residual", of), Detector(blurring()), x
    )
    assert [finding for finding in findings if finding.problem] == []


def test_half_precision():
    x = images(3, 3, 12, 12)
    found = explain(blurring().bfloat16(), x.bfloat16())
    torch.testing.assert_close(found.double(), explain(blurring(), x), atol=0.02, rtol=0)


def test_tables_are_skipped():
    with pytest.raises(SkipError, match="use residual"):
        explain(Times(0.5), torch.rand(3, 4))


@pytest.mark.parametrize("offset", [1000.0, -3e4])
def test_values_far_from_zero_in_float32(offset):
    x = (offset + images(2, 1, 24, 24)).float()
    model = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="replicate").requires_grad_(False)
    torch.nn.init.constant_(model.weight, 1 / 9)
    torch.nn.init.zeros_(model.bias)
    found = explain(model, x, low=offset, high=offset + 1)
    a, b = (part[0, 0].double().numpy() - offset for part in (x, model(x)))
    similarity = structural_similarity(
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
        data_range=1.0,
    )[1]
    assert similarity.min() < 0.95
    np.testing.assert_allclose(found[0, 0], (1 - similarity) / 2, rtol=1e-4, atol=1e-6)


def test_flat_images_far_from_zero_have_no_variance():
    x = torch.full((1, 1, 20, 20), 1e6 + 0.1, dtype=torch.float64)
    torch.testing.assert_close(explain(Times(1.0), x), torch.zeros_like(x), rtol=0, atol=1e-6)
