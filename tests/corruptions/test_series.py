"""Corruptions of series: the same by plain loops, the truth what differs, in a channel's units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aexbench import Features, RequestError, SkipError, corruptions
from aexbench.corruptions import noise
from aexbench.corruptions.tools import segments
from tests.corruptions import series
from tests.corruptions.series import CHANNELS, SERIES, STEPS, windows
from tests.explainers.in_units import UNITS, in_units

BY = ("channels", "steps", "cells")
SIZED = ("drift", "level-shift", "noise", "spike")
BOTH = ["drift", "exchange[channels=3]", "flat-line[length=3]", "noise[channels=2]", "spike"]


def generated(name, by="channels", **given):
    given = {"count": 30, "threshold": 0.05, "seed": 2, **given}
    return corruptions.create(name).generate(series.detector(by), windows(), **given)


def draws(name, count, more):
    """Return the uniform numbers that `series.proposed` has drawn."""
    return np.random.default_rng(5).random((count, 2 + CHANNELS + more[name]))


MORE = {
    **dict.fromkeys(("drift", "level-shift", "spike"), CHANNELS),
    **{"noise": STEPS * CHANNELS, "exchange": 1, "flat-line": 0},
}


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(SERIES),
    st.sampled_from(BY),
    st.integers(2, STEPS),
    st.integers(1, CHANNELS),
    st.integers(0, 99),
)
def test_each_is_the_same_by_plain_loops(name, by, length, channels, seed):
    x, clean = windows(7, seed).round(1), windows(9, seed + 1).round(1)  # some values are the same
    clean[:, :, 1] = 0.25  # constant
    own = {"channels": channels, "length": length, "size": 1.5}
    taken = {k: v for k, v in own.items() if k in corruptions.describe(name).parameters}
    mask = series.masks(x, by, seed)
    made = series.proposed(name, x, mask, series.untouched(), clean, **taken)
    own["spread"] = [series.spread_by_hand(clean, c, 1.0) for c in range(CHANNELS)]
    for number, uniform in enumerate(draws(name, len(x), MORE)):
        values, truth = series.by_hand(name, x[number], mask[number], uniform, clean, **own)
        np.testing.assert_allclose(made.x[number], values, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(made.mask[number], truth)


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("name", SERIES)
def test_the_truth_is_what_differs_and_draws_do_not_depend_on_rounds(name, by, monkeypatch):
    made = generated(name, by)
    assert len(made) == 30
    np.testing.assert_array_equal(made.truth, made.x != made.clean)
    monkeypatch.setattr("aexbench.single_feature.ROUND_BYTES", 1)  # one draw a round
    few = generated(name, by, count=5)
    np.testing.assert_allclose(few.x, made.x[:5], rtol=1e-12)
    np.testing.assert_array_equal(few.truth, made.truth[:5])


@pytest.mark.parametrize("name", SERIES)
def test_another_seed_draws_others(name):
    one, other = generated(name, count=5), generated(name, count=5, seed=3)
    assert not np.array_equal(one.x, other.x)


@pytest.mark.parametrize("name", BOTH)
def test_the_truth_is_a_segment_of_as_many_channels_as_are_asked_for(name):
    made, given = generated(name, count=100), corruptions.create(name).parameters
    length = given.get("length", 1)
    for truth in made.truth:
        steps = np.flatnonzero(truth.any(axis=1))
        assert np.ptp(steps) < length
        assert truth.any(axis=0).sum() == given["channels"]
    steps = made.truth.any(axis=(0, 2))
    assert steps[1:].all()  # a sensor is never stuck before the second
    assert made.truth.any(axis=(0, 1)).all()


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("name", SERIES)
def test_the_feature_that_was_drawn_has_changed_or_nothing_has(name, by):
    x = windows(40).round(1)
    mask = series.masks(x, by)
    made = series.proposed(name, x, mask, series.untouched(), windows(9))
    changed = made.x.numpy() != x
    moved = changed.any(axis=(1, 2))
    assert (changed & mask).any(axis=(1, 2))[moved].all()
    assert (made.mask.numpy() & mask).any(axis=(1, 2)).all()


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("name", SERIES)
def test_anomalies_are_the_same_in_any_unit(name, by):
    def drawn(factor, shift):
        detector, clean = series.detector(by, factor, shift), in_units(windows(), factor, shift)
        return corruptions.create(name).generate(detector, clean, count=8, threshold=0.05)

    plain = drawn(1.0, 0.0)
    for factor, shift in UNITS:
        found = drawn(factor, shift)
        np.testing.assert_array_equal(found.unit, plain.unit)
        np.testing.assert_array_equal(found.truth, plain.truth)
        np.testing.assert_allclose(found.x / factor - shift, plain.x, atol=1e-9)


@pytest.mark.parametrize("name", SIZED)
def test_a_size_is_in_each_channels_own_unit(name):
    x, clean, factor = windows(30), windows(60, 4), np.array([1e-3, 1.0, 50.0, 7.0])
    clean[:, :, 2] = 0.5  # constant: its unit is its range
    mask = series.masks(x, "cells")
    plain = series.proposed(name, x, mask, series.untouched(), clean, channels=CHANNELS)
    features = Features(low=(-1.0,) * x[0].size, high=(*(factor - 1.0),) * STEPS)
    other = series.proposed(
        name, x * factor - 1, mask, series.untouched(features), clean * factor - 1,
        channels=CHANNELS,
    )  # fmt: skip
    np.testing.assert_allclose((other.x.numpy() + 1) / factor, plain.x, atol=1e-11)
    spread = np.maximum(clean.std(axis=(0, 1)), 1e-6)
    away = np.abs(plain.x.numpy() - x).max(axis=1) / spread
    if name in ("level-shift", "spike"):
        np.testing.assert_allclose(away, corruptions.create(name).parameters["size"], rtol=1e-6)


def test_noise_is_normal_and_finite_whatever_is_drawn():
    x, clean = np.zeros((300, STEPS, CHANNELS)), windows()
    made = series.proposed(
        "noise", x, series.masks(x, "cells"), series.untouched(), clean,
        size=2.0, length=STEPS, channels=CHANNELS,
    )  # fmt: skip
    found = made.x.numpy() / clean.std(axis=(0, 1))
    np.testing.assert_allclose(np.quantile(found, [0.0228, 0.5, 0.8413]), [-4, 0, 2], atol=0.1)
    assert np.isfinite(noise.ndtri(noise.LEAST))
    assert 0 < noise.LEAST < 2.0**-53  # the least number but 0 that is drawn


def test_up_and_down_are_as_likely_in_each_channel():
    x = np.zeros((2000, STEPS, CHANNELS))
    mask = series.masks(x, "channels")
    made = series.proposed("spike", x, mask, series.untouched(), windows(), channels=2).x.numpy()
    pairs = [row[row != 0] > 0 for row in made]
    both, none = (np.mean([f(pair) for pair in pairs]) for f in (all, lambda p: not any(p)))
    assert (both, none) == (pytest.approx(0.25, abs=0.04), pytest.approx(0.25, abs=0.04))


@pytest.mark.parametrize("name", SIZED)
def test_values_leave_their_range_unless_they_are_bounded(name):
    x = windows(60)
    mask, detector = series.masks(x, "channels"), series.untouched()
    free, kept = (
        series.proposed(name, x, mask, detector, windows(), size=30.0, bounded=bounded)
        for bounded in (False, True)
    )
    assert float(free.x.min()) < -0.1
    assert float(free.x.max()) > 1.1
    assert (float(kept.x.min()), float(kept.x.max())) == (0.0, 1.0)
    changed = kept.x.numpy() != x
    np.testing.assert_array_equal(
        kept.mask.numpy()[changed.any(axis=(1, 2))], changed[changed.any(axis=(1, 2))]
    )


def test_a_sensor_that_stood_still_is_not_stuck():
    x = np.full((6, STEPS, CHANNELS), 0.5)
    made = series.proposed(
        "flat-line", x, series.masks(x, "cells"), series.untouched(), x, length=8
    )
    assert torch.equal(made.x, torch.as_tensor(x))
    x[:, ::2] = 0.25
    still = series.proposed(
        "flat-line", x, series.masks(x, "steps"), series.untouched(), x, length=8
    )
    assert (still.x.numpy() != x).any()
    assert int(still.mask.sum(dim=(1, 2)).min()) == 4  # of eight steps every other one


def test_cells_and_places_are_as_likely():
    mask = torch.zeros((30_000, 6, 2), dtype=torch.bool)
    mask[:, 2, 0] = mask[:, 5, 1] = True
    segment = segments.drawn(np.random.default_rng(0), mask, 3)
    starts = (segment.steps == 0).argmax(axis=1)
    of_first = segment.cells[:, :, 0].any(axis=1)
    assert of_first.mean() == pytest.approx(0.5, abs=0.02)
    share = np.bincount(starts[of_first], minlength=4) / of_first.sum()
    np.testing.assert_allclose(share, [1 / 3, 1 / 3, 1 / 3, 0], atol=0.02)
    assert (starts[~of_first] == 3).all()


def test_other_channels_are_as_likely():
    mask = torch.zeros((20_000, 2, 5), dtype=torch.bool)
    mask[:, :, 3] = True
    cells = segments.drawn(np.random.default_rng(0), mask, 1, 3).cells.any(axis=1)
    np.testing.assert_allclose(cells.mean(axis=0), [0.5, 0.5, 0.5, 1, 0.5], atol=0.02)


@pytest.mark.parametrize("shape", [(8,), (1, 4, 4)])
@pytest.mark.parametrize("name", SERIES)
def test_what_is_no_series_is_skipped(name, shape):
    x = np.random.default_rng(0).random((9, *shape))
    with pytest.raises(SkipError, match=r"no series \(T, D\)"):
        series.proposed(name, x, np.ones(x.shape, dtype=bool), series.untouched(), x)


@pytest.mark.parametrize("name", SERIES)
def test_windows_of_fewer_steps_or_channels_are_refused(name):
    x = windows(9)
    refused = {"channels=5": "4 channels"} | ({} if name == "spike" else {"length=17": "16 steps"})
    for asked, there in refused.items():
        with pytest.raises(RequestError, match=f"{asked}: these windows have {there}"):
            corruptions.create(f"{name}[{asked}]").generate(series.detector(), x)
    whole = {} if name == "spike" else {"length": STEPS}
    made = series.proposed(
        name, x, series.masks(x, "cells"), series.untouched(), windows(), channels=CHANNELS, **whole
    )
    assert made.mask.any()
