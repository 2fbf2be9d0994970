"""Windows of series, explained by channel and by time."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench import Dataset, Detector, Features, RequestError
from aexbench.datasets.tools.windows import windowed
from aexbench.explaining import explain, tables, wording
from aexbench.scaling import Scale
from aexbench.series import half
from tests.aexbench.explaining.conftest import Constant

STEPS, FIRST = 8, 40
NAMES = ("cpu", "disk", "net")


def rows(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.4, 0.6, (count, 3)).astype(np.float32)


def series(by="channels") -> Dataset:
    """Windows whose channel `disk` is high at the steps 3 and 4 of the one that begins at row
    40, and `net` at all of them.
    """
    test = rows(60, 2)
    test[FIRST + 3 : FIRST + 5, 1] = 1.0
    test[FIRST : FIRST + STEPS, 2] = 0.7
    plain = Dataset(rows(80, 0), rows(60, 1), test, Features(names=NAMES))
    made = windowed(plain, STEPS, 1, by=by)
    return replace(made, rows={"test": np.arange(len(made.test))})


def expected() -> Detector:
    return Detector(Constant(np.full((STEPS, 3), 0.5, dtype=np.float32)), "l2")


def explained(by="channels", **more):
    data = series(by)
    x = data.sample(FIRST)
    given = {"data": data, "rows": [FIRST], "explainer": "residual", "shortlist": ()}
    (one,) = explain(expected(), x, **{**given, **more})
    return one


def slow_half(values: list[int]) -> tuple[int, int] | None:
    """Every run, the shortest first, that with the most first among them."""
    positive = [max(0, value) for value in values]
    ends = [(first, last) for first in range(len(values)) for last in range(first, len(values))]
    held = {run: sum(positive[run[0] : run[1] + 1]) for run in ends}
    enough = [run for run in ends if 2 * held[run] >= sum(positive) > 0]
    return min(enough, key=lambda run: (run[1] - run[0], -held[run], run[0]), default=None)


@given(st.lists(st.integers(-4, 9), min_size=1, max_size=9))
def test_half_lies_in_the_fewest_steps_in_a_row(values):
    assert half(np.array(values, dtype=float)) == slow_half(values)


def test_a_channel_says_when_and_a_row_says_where_in_the_source():
    one = explained()
    first = one.features[0]
    assert (first.name, first.steps) == ("disk", (3, 4))
    assert one.label == "Window of rows 40–47"
    assert "names `disk` first" in one.sentence
    assert "half at steps 3–4, rows 43–44" in one.sentence
    assert "of normal windows" in one.sentence
    assert "by step: half at steps 3–4, rows 43–44. Steps count from 0, which is row 40." in (
        " ".join(one.text(100).split())
    )
    assert "disk (3–4)" in one.text(80)


def test_what_lies_all_over_is_said_to():
    one = explained()
    net = next(feature for feature in one.features if feature.name == "net")
    assert net.steps[1] - net.steps[0] + 1 >= STEPS / 2
    assert "net (spread)" in one.text(80)


def test_steps_and_cells_are_features_that_read_as_such():
    by_step, by_cell = explained("steps"), explained("cells")
    assert {by_step.features[0].name, by_step.features[1].name} == {"step 3", "step 4"}
    assert by_step.features[0].steps is None
    assert "step 3: disk" in by_step.text(80)
    assert by_cell.features[0].name in ("disk/3", "disk/4")
    assert by_cell.features[0].steps is None
    for one in (by_step, by_cell):
        assert one.window.steps == (3, 4)
        assert one.window.channels == NAMES


@pytest.mark.parametrize("by", ["channels", "steps", "cells"])
def test_json_has_the_attribution_by_channel_and_by_step_whatever_a_feature_is(by):
    read = json.loads(explained(by).json())["window"]
    share = ((series().sample(FIRST)[0] - 0.5) ** 2) / (STEPS * 3)
    np.testing.assert_allclose(read["attribution"], share, atol=1e-6)
    np.testing.assert_allclose(read["by_step"], share.sum(axis=1), atol=1e-6)
    np.testing.assert_allclose([*read["by_channel"].values()], share.sum(axis=0), atol=1e-6)
    assert list(read["by_channel"]) == list(NAMES)
    assert (read["steps"], read["first_row"]) == ([3, 4], FIRST)


def test_a_feature_may_be_some_channels_at_some_steps():
    late = (np.indices((STEPS, 3))[0] >= 4).ravel().astype(int)  # two patches of all channels
    data = replace(series(), features=Features(groups=tuple(late.tolist())))
    found = {feature.name: feature.steps for feature in explained(data=data).features}
    share = ((series().sample(FIRST)[0] - 0.5) ** 2).sum(axis=1)
    early, later = (slow_half((1e6 * part).tolist()) for part in (share[:4], share[4:]))
    assert found == {"feature 0": early, "feature 1": (later[0] + 4, later[1] + 4)}


def test_where_nobody_numbers_rows_steps_stand_alone():
    for more, label in (({"data": None}, "Window 40"), ({"data": None, "rows": None}, "Sample 0")):
        one = explained(**more)
        assert one.label == label
        assert "row" not in one.sentence.partition("residual")[2]


def test_nothing_positive_lies_nowhere():
    one = explained(explainer=lambda detector, x: -detector.error_map(x))
    assert one.window.steps is None
    assert "by step: none above 0" in " ".join(one.text(80).split())
    assert all(feature.steps is None for feature in one.features)


def test_a_picture_has_what_was_expected_and_the_map_in_the_users_units(tmp_path):
    scale = Scale(offset=(10.0,) * STEPS * 3, factor=(100.0,) * STEPS * 3)
    data = replace(series(), scale=scale)
    one = explained(data=data)
    *strips, below = one.plot().axes
    assert [strip.get_title(loc="left").split(":")[0] for strip in strips] == ["disk", "net", "cpu"]
    hat, values = (line.get_ydata() for line in strips[0].get_lines())
    np.testing.assert_allclose(hat, scale.inverse(np.full((1, STEPS, 3), 0.5))[0, :, 1])
    np.testing.assert_allclose(values, data.inverse(data.sample(FIRST))[0, :, 1])
    (image,) = below.get_images()
    np.testing.assert_allclose(image.get_array(), one.window.attribution.T)
    assert below.get_xlabel() == "step; 0 is row 40"
    assert one.save(tmp_path / "why.png").read_bytes()[:4] == b"\x89PNG"
    assert "matplotlib.org" not in one.save(tmp_path / "why.svg").read_text()


@pytest.mark.parametrize(
    ("name", "columns", "called"),
    [
        ("disk", ("disk/0", "disk/1", "disk/2"), "disk: disk/1"),
        ("step-4", ("step-4/cpu", "step-4/disk", "step-4/net"), "step-4: disk"),
    ],
)
def test_a_window_with_as_many_steps_as_channels_names_the_column_with_the_values(
    name, columns, called
):
    found = [SimpleNamespace(name=column) for column in columns]
    feature = SimpleNamespace(name=name, columns=found, leading=found[1], steps=None)
    assert tables._called(feature, SimpleNamespace(channels=NAMES)) == called


def test_half_of_the_relevance_in_one_step_of_two_is_not_spread():
    window = SimpleNamespace(length=2)
    assert not wording.long((1, 1), window)
    assert wording.long((0, 1), window)
    assert not wording.long((0, 0), SimpleNamespace(length=1))


def test_a_row_at_which_no_window_begins_is_told_the_nearest():
    plain = Dataset(*(rows(40, seed) for seed in range(3)), Features(names=NAMES))
    data = windowed(plain, STEPS, 4)
    with pytest.raises(
        RequestError, match="no window begins at row 5; the nearest begins at row 4"
    ):
        data.sample(5)
