"""Windows of series as pictures, in a gallery and on pages."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from matplotlib.figure import Figure
from PIL import Image

from aexbench import AnomalySet, Features
from aexbench import series as windows
from aexbench.board import gallery, series
from aexbench.datasets.tools.windows import features_of
from aexbench.publishing import pictures
from tests.aexbench.board import test_gallery

SHAPE = (6, 4)
NAMES = ("cpu", "disk", "net $", "mem")
RNG = np.random.default_rng(0)


def anomalies(by="channels", count=3) -> AnomalySet:
    truth = np.zeros((count, *SHAPE), dtype=bool)
    truth[:, 2:4, 1] = True
    x = np.random.default_rng(1).random(truth.shape)
    features = features_of(Features(names=NAMES), SHAPE, by)
    every = np.ones(count), np.ones(count), np.full(count, "leak"), np.arange(count)
    return AnomalySet(x, truth, *every, features)


def drawn(window: series.Window) -> tuple:
    above, below = Figure().subplots(2)
    series.draw(above, below, window)
    return above, below


def told() -> series.Window:
    """A window whose explainer names `net $` most and then `disk`, which is true."""
    relevance = np.zeros((3, *SHAPE))
    relevance[:, 5, 2], relevance[:, 2, 1], relevance[:, :, 0] = 3.0, 2.0, -1.0
    return series.Window.of(anomalies(), 0, relevance)


@pytest.mark.parametrize("by", ["channels", "steps", "cells"])
def test_channels_are_named_whatever_a_feature_is(by):
    assert windows.channels(features_of(Features(names=NAMES), SHAPE, by), SHAPE) == NAMES


@pytest.mark.parametrize("names", [(), tuple("abcdefghijklmnopqrstuvwx")])
def test_channels_without_a_name_in_common_are_numbered(names):
    expected = ("channel 1", "channel 2", "channel 3", "channel 4")
    assert windows.channels(Features(names=names), SHAPE) == expected


def test_true_channels_are_red_what_is_named_beside_them_blue_and_the_rest_grey():
    above, _ = drawn(told())
    found = {line.get_color(): line.get_linewidth() for line in above.get_lines()}
    assert set(found) == {series.TRUE, series.NAMED, series.REST}
    assert found[series.REST] < 1 < found[series.NAMED] == found[series.TRUE]
    by_colour = {}
    for line in above.get_lines():
        by_colour.setdefault(line.get_color(), []).append(line.get_ydata())
    values = told().values
    assert len(by_colour[series.REST]) == 2
    np.testing.assert_array_equal(by_colour[series.TRUE], values[None, :, 1])
    np.testing.assert_array_equal(by_colour[series.NAMED], values[None, :, 2])


def test_values_stand_above_the_same_steps_and_channels_run_down():
    above, below = drawn(told())
    assert above.get_xlim() == below.get_xlim() == (-0.5, 5.5)
    (image,) = below.get_images()
    np.testing.assert_array_equal(image.get_array(), told().map.T)
    assert [text.get_text() for text in below.get_yticklabels()] == [
        "cpu",
        "disk",
        r"net \$",
        "mem",
    ]
    assert [text.get_color() for text in below.get_yticklabels()].count(series.TRUE) == 1


def test_of_many_channels_those_that_matter_are_named_and_none_over_another():
    names = tuple(f"channel-{number}" for number in range(40))
    truth = np.zeros((5, 40), dtype=bool)
    truth[1, 30] = True
    relevance = np.zeros((5, 40))
    relevance[0, 3], relevance[0, 4], relevance[0, 20] = 3.0, 2.0, 1.0
    _, below = drawn(series.Window(relevance, truth, relevance, names))
    shown = [text.get_text() for text in below.get_yticklabels()]
    assert shown == ["channel-3", "channel-20", "channel-30"]


@given(hnp.arrays(np.bool_, (4, 5)))
@settings(max_examples=20, deadline=None)
def test_the_outline_is_every_edge_between_a_true_cell_and_another(truth):
    padded = np.pad(truth, 1)
    expected = set()
    for row, column in np.argwhere(padded).tolist():
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            if not padded[row + down, column + right]:
                expected.add((column - 1 + right / 2, row - 1 + down / 2))
    axis = Figure().subplots()
    series.outline(axis, truth)
    found = [middle for line in axis.get_lines() for middle in middles(line.get_xydata())]
    assert sorted(found) == sorted(expected)


def middles(line: np.ndarray) -> list[tuple[float, float]]:
    """The middles of a line's parts, each as long as a cell."""
    first, last = line
    parts = int(np.abs(last - first).sum())
    step = (last - first) / parts
    return [tuple((first + step * (part + 0.5)).tolist()) for part in range(parts)]


def test_a_gallery_has_a_window_a_row_and_an_explainer_a_column(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(test_gallery, "ANOMALIES", anomalies())
    store = test_gallery.Store(tmp_path / "store", create=True)
    for name in ("mine", "theirs"):
        test_gallery.add(store, name, RNG.random((3, *SHAPE)))
    (page,) = gallery._pages(store, [])
    assert [one.shape for one in page.maps.values()] == [(3, *SHAPE)] * 2
    assert not page.rows
    (path,) = gallery.gallery(store, tmp_path / "pictures", per_label=2)
    size = Image.open(path).size
    assert size == (int(2 * 2.4 * 110), int((2 * 2.3 + 0.5) * 110))


def test_pages_show_windows_two_by_two(monkeypatch):
    made = anomalies(count=9)
    chosen = pictures._chosen(made)
    assert len(chosen) == 4
    maps = RNG.random(made.x.shape)
    alone, mapped = (pictures._draw(made, one, chosen) for one in (None, maps))
    sizes = [Image.open(io.BytesIO(picture)).size for picture in (alone, mapped)]
    assert sizes[0] == sizes[1]
    assert sizes[0] in ((480, 510), (480, 509))  # earlier versions of matplotlib round otherwise
    assert alone != mapped
    assert pictures._draw(made, maps, chosen[:3]) != mapped


def test_a_store_of_windows_has_pictures_of_explainers_and_of_its_anomalies(tmp_path, monkeypatch):
    monkeypatch.setattr(test_gallery, "ANOMALIES", anomalies())
    store = test_gallery.Store(tmp_path / "store", create=True)
    test_gallery.add(store, "mine", RNG.random((3, *SHAPE)))
    records, _ = store.records()
    seen = SimpleNamespace(of=lambda kind, one: one.text)
    reading = SimpleNamespace(store=store, records=records, seen=seen, slug="s", name="s")
    assert [one.name for one in pictures._of(reading)] == ["", "mine"]
