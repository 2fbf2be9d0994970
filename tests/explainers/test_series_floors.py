"""Floors of windows of series: their formulas step by step, and where they stand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from aexbench import Dataset, Detector, Features, SkipError, datasets, evaluate, explainers
from aexbench.explainers.seasonal import autocorrelations, periods
from aexbench.running.planning import from_values, plan, standing

NAMES = ["own-past", "last-value", "seasonal"]


def windows_of(rows: np.ndarray, window: int, stride: int) -> np.ndarray:
    every = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0)
    return np.moveaxis(every[::stride], -1, 1)


RNG = np.random.default_rng(0)
TIME = np.arange(600)
SERIES = np.stack(
    [np.sin(2 * np.pi * TIME / 5), TIME // 6 % 2, np.full(600, 0.1), RNG.random(600)], 1
)
SERIES[:, :2] += 0.2 * RNG.normal(size=(600, 2))
NORMAL = windows_of(SERIES.astype(np.float32), 16, 3)
X = torch.as_tensor(RNG.random((4, 16, 4)))
PERIODS = [5, 12, 5, 5]  # the last two have none: that of the clearest


class Same(nn.Module):
    """x̂ = x, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one * x


def detector(factor: float = 1.0, shift: float = 0.0) -> Detector:
    return Detector(Same(), features=Features(low=shift, high=shift + factor))


def expected(name: str, window: np.ndarray, channel: int, step: int) -> float | None:
    """What a value of a window (T, D) should be, where anything suggests it."""
    past = window[:step, channel]
    if name == "own-past":
        return past.mean() if step else None
    if name == "last-value":
        return past[-1] if step else None
    earlier = past[::-1][PERIODS[channel] - 1 :: PERIODS[channel]]
    return earlier.mean() if len(earlier) else None


def departures(name: str, windows: np.ndarray) -> np.ndarray:
    found = np.full(windows.shape, np.nan)
    for number, step, channel in np.ndindex(windows.shape):
        should = expected(name, windows[number], channel, step)
        if should is not None:
            found[number, step, channel] = windows[number, step, channel] - should
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_is_its_formula_value_by_value(name):
    windows = windows_of(SERIES.astype(np.float32), 30, 3).astype(np.float64)
    x = RNG.random((2, 30, 4))
    made = explainers.create(name, detector(), background=windows.astype(np.float32))
    usual = departures(name, windows) ** 2
    of_channel = np.nanmean(usual, axis=(0, 1))
    count = len(windows) * np.isfinite(usual[0])
    usual = np.sqrt((np.nansum(usual, axis=0) + of_channel) / (count + 1))
    told = np.nan_to_num(np.abs(departures(name, x)) / np.maximum(usual, 1e-6))
    np.testing.assert_allclose(made.explain(torch.as_tensor(x)), told, rtol=1e-5, atol=1e-9)
    assert (told[:, 1:, 2] > 1000).any()  # of what is constant in training


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 20), st.floats(0, 0.4), st.integers(0, 2**16))
def test_the_period_of_a_sine_is_found_whatever_its_phase(period, noise, seed):
    rng = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * (np.arange(1500) / period + rng.random()) + 0.1)
    rows = wave + noise * wave.std() * rng.normal(size=1500)
    windows = windows_of(rows[:, None].astype(np.float32), 48, 7)
    if period > 2:
        assert periods(autocorrelations(windows)) == [period]


def test_other_shapes_than_sines_have_their_period_and_not_a_part_of_it():
    time = np.arange(1000)
    spikes, twice = time % 9 == 0, np.sin(np.pi * time / 6) + 1.74 * np.sin(np.pi * time / 2)
    rows = np.stack([spikes, twice], 1).astype(np.float32)
    assert periods(autocorrelations(windows_of(rows, 40, 3))) == [9, 12]


@pytest.mark.parametrize("kind", ["noise", "wander", "uneven", "ramp", "constant", "long"])
def test_what_has_no_period_in_the_window_is_skipped_with_the_reason(kind):
    wander = np.random.default_rng(0).normal(size=1000).cumsum()
    rows = {
        "noise": RNG.random(1000),
        "wander": wander,
        "uneven": wander + 2.0 * (np.arange(1000) % 3 == 0),
        "ramp": np.arange(1000.0),
        "constant": np.full(1000, 0.1),
        "long": np.sin(2 * np.pi * np.arange(1000) / 17),  # 16 steps would come twice
    }[kind]
    windows = windows_of(rows[:, None].astype(np.float32), 32, 2)
    with pytest.raises(SkipError, match="no channel has a period that comes twice in 32 steps"):
        explainers.create("seasonal", detector(), background=windows)


@pytest.mark.parametrize("name", NAMES)
def test_what_departs_as_in_training_is_of_order_one_and_the_first_step_is_nothing(name):
    made = explainers.create(name, detector(), background=NORMAL[:150, :, [0, 3]])
    found = made.explain(torch.as_tensor(NORMAL[150:, :, [0, 3]].copy())).numpy()
    assert (found[:, 0] == 0).all()
    assert 0.8 < np.sqrt((found[:, 5:] ** 2).mean()) < 1.25


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("factor", "shift"), [(2.0**-13, 0.0), (1e-4, 0.0), (1.0, 1e4)])
def test_windows_are_told_alike_in_any_unit(name, factor, shift):
    plain = explainers.create(name, detector(), background=NORMAL).explain(X)
    rows = shift + factor * NORMAL.astype(np.float64)
    made = explainers.create(name, detector(factor, shift), background=rows)
    found = made.explain(shift + factor * X)
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(4,), (1, 8, 8), (1, 4)])
def test_other_samples_are_none_of_their_business(name, shape):
    with pytest.raises(SkipError, match=r"floor for series|one alone"):
        explainers.create(name, detector(), background=np.zeros((5, *shape)))
    made = explainers.create(name, detector(), background=NORMAL)
    with pytest.raises(SkipError, match=r"floor for series|one alone"):
        made.explainer.explain(torch.zeros(2, *shape))


def test_they_stand_on_boards_of_series_alone():
    by_kind = {kind: {one.name for one in standing(kind)} for kind in ("rows", "images", "series")}
    assert by_kind["series"] - by_kind["rows"] == set(NAMES)
    assert by_kind["rows"] == by_kind["images"] & by_kind["series"]


@pytest.fixture
def pulses(monkeypatch):
    registry = datasets.register.__self__
    monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))

    @datasets.register("pulses", version=1, images=False, series="window")
    def pulses(*, window: int | None = None) -> Dataset:
        rows = np.abs(SERIES).astype(np.float32)
        if window is not None:
            rows = windows_of(rows, window, 4)
        return Dataset(rows[:60], rows[60:80], rows[80:], Features())

    @datasets.register("waves", version=1)
    def waves() -> Dataset:
        return datasets.create("pulses", window=16)

    @datasets.register("wrong", version=1, images=False, series=True)
    def wrong() -> Dataset:
        return datasets.create("pulses")

    @datasets.register("silent", version=1, images=False)
    def silent() -> Dataset:
        return datasets.create("pulses", window=16)


def explained(*names: str) -> list[set[str]]:
    values = {"name": "x", "corruptions": ["null"], "explainers": ["residual"]}
    cells = [plan(from_values({**values, "datasets": [name]}, "x")) for name in names]
    return [{cell.explainer.name for cell in own} for own in cells]


def test_data_sets_say_or_show_whether_they_are_series(pulses):
    rows, windows, looked_at = explained("pulses", "pulses[window=16]", "waves")
    assert windows - rows == looked_at - rows == set(NAMES)
    assert not rows - windows


@pytest.mark.parametrize(
    ("name", "said"),
    [("wrong", r"series=True, .* \(4,\)"), ("silent", r"series=False, .* \(16, 4\)")],
)
def test_a_data_set_that_is_not_what_it_declares_is_refused(pulses, tmp_path, name, said):
    from aexbench.running.planning import datasets as sources
    from aexbench.running.store import Store
    from aexbench.running.workspace import Workspace

    values = {"name": "x", "corruptions": ["null"], "explainers": ["residual"]}
    (made,) = sources(from_values({**values, "datasets": [name]}, "x"))
    with pytest.raises(Exception, match=f"declares {said}: windows of series"):
        Workspace(Store(tmp_path, create=True), "cpu").dataset(made)


def test_evaluate_has_them_beside_windows_and_a_skipped_one_is_a_result():
    rows = windows_of(RNG.random((400, 3)).astype(np.float32), 8, 2)
    network = nn.Sequential(nn.Linear(3, 1), nn.Linear(1, 3))
    results = evaluate(
        Detector(network), rows[100:], background=rows[:100], explainers=["residual"],
        corruptions=["random"], count=5, twins=0,
    )  # fmt: skip
    states = results.frame.groupby("explainer").state.first()
    assert states[["own-past", "last-value", "seasonal"]].tolist() == ["ok", "ok", "skipped"]
    assert results.complete
