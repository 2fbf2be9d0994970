from __future__ import annotations

import pytest
import torch

import aexbench
from aexbench import Detector, RequestError


def test_own_detector_own_function_and_named_ones(detector, linear_rows):
    def mine(detector, x):
        """Rank by the error map."""
        return detector.error_map(x)

    results = aexbench.evaluate(
        detector,
        linear_rows[300:],
        background=linear_rows[:300],
        explainers=[mine, "residual", "lrp[first=z-box]", "random"],
        corruptions=["random[threshold=0.2]"],
        metrics=["recall[top=1]"],
        seeds=2,
        count=30,
        twins=1,
    )
    assert set(results.explainer) == {"mine", "residual", "lrp[first=z-box]", "random"}
    assert (results.state == "ok").all()
    itself = results[results.control == "none"].groupby("explainer").score.mean()
    assert itself["mine"] == itself["residual"]
    assert len(results) == 2 * (3 * 4 + 1)
    assert results[results.control == "none"].latency_s.notna().all()
    assert set(results[results.explainer == "random"].control) == {"none"}


def test_an_uncalibrated_detector_is_calibrated_on_the_clean_samples(linear_rows):
    model = torch.nn.Sequential(torch.nn.Linear(8, 2), torch.nn.Linear(2, 8))
    made = Detector(model)
    options = {
        "background": linear_rows,
        "explainers": ["residual"],
        "corruptions": ["null[threshold=0.0]"],
        "count": 5,
    }
    aexbench.evaluate(made, linear_rows, twins=0, **options)
    assert made.scale is not None


def test_what_fails_is_a_row_with_its_reason_and_a_warning(detector, linear_rows):
    def broken(detector, x):
        raise ZeroDivisionError("no")

    with pytest.warns(UserWarning, match="broken on random failed: ZeroDivisionError: no"):
        results = aexbench.evaluate(
            detector,
            linear_rows,
            background=linear_rows,
            explainers=[broken],
            corruptions=["random"],
            count=5,
            twins=0,
        )
    assert set(results.state) == {"failed"}
    assert results.score.isna().all()


def test_wrong_names_are_refused(detector, linear_rows):
    for options in (
        {"explainers": ["lpr"]},
        {"explainers": ["lrp[x=1]"]},
        {"explainers": [], "metrics": ["recal"]},
    ):
        with pytest.raises(RequestError, match="unknown"):
            aexbench.evaluate(detector, linear_rows, background=linear_rows, **options)
