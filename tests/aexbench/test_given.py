"""What `evaluate` is given is taken for what it is, or refused in one line."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from aexbench import Detector, Features, RequestError, given
from aexbench.detector import ScoreScale

X = np.random.default_rng(0).random((60, 4)).astype(np.float32)
FRAME = pd.DataFrame(X, columns=list("abcd"))
NET = torch.nn.Linear(4, 4)


def taken(clean=X, background=X[:20], labelled=None, features=None, units=None, kind="symptom"):
    detector = Detector(NET, features=features)
    return given.dataset(detector, clean, background, labelled, units, kind)


@pytest.mark.parametrize(
    "values",
    [
        X.tolist(),
        torch.tensor(X).requires_grad_(),
        torch.tensor(X, dtype=torch.bfloat16),
        sparse.csr_matrix(X),
        sparse.csr_array(X),
        FRAME,
        np.asfortranarray(X.astype(np.float64)),
        np.ma.masked_array(X),
    ],
)
def test_samples_of_any_kind_are_rows(values):
    np.testing.assert_allclose(taken(clean=values).validation, X, rtol=1e-2)


@pytest.mark.parametrize(
    "values",
    [None, "rows.csv", (row for row in X), [[1, 2], [3]], [1.0, 2.0], X.astype(complex), {}, 3],
)
@pytest.mark.parametrize("name", ["clean", "background"])
def test_what_is_no_samples_is_one_line(values, name):
    with pytest.raises(RequestError, match=rf"^{name} must be an array of numbers \(N, …\)"):
        taken(**{name: values})


def test_samples_of_other_shapes_and_none_are_refused():
    with pytest.raises(RequestError, match="samples of one shape"):
        taken(background=X[:, :3])
    with pytest.raises(RequestError, match="clean holds no samples"):
        taken(clean=X[:0])


TRUTH = np.eye(4)[:3]


@pytest.mark.parametrize("truth", [TRUTH, TRUTH.astype(bool), TRUTH.astype(int).tolist()])
def test_a_truth_is_truth_values_or_0_and_1(truth):
    made = taken(labelled=(X[:3], truth))
    assert made.test_truth[-3:].tolist() == TRUTH.astype(bool).tolist()
    assert made.test_labels.tolist() == [False] * 60 + [True] * 3


@pytest.mark.parametrize(
    "truth", [2 * TRUTH - 1, np.where(TRUTH, np.nan, 0.0), TRUTH * 2, TRUTH / 2, -TRUTH]
)
def test_other_numbers_are_no_truth(truth):
    with pytest.raises(RequestError, match=r"truth of labelled must be bool, or 0 and 1: it holds"):
        taken(labelled=(X[:3], truth))


def test_units_of_labelled_samples_stand_beside_normal_ones_of_their_own():
    made = taken(labelled=(X[:4], np.ones((4, X.shape[1]))), units=["b", "b", "a", "b"])
    assert made.test_units[: len(X)].tolist() == list(range(len(X)))
    first, second, other, third = (made.test_units[len(X) :] - len(X)).tolist()
    assert first == second == third != other >= 0


def test_units_belong_to_labelled_samples():
    with pytest.raises(RequestError, match="the incident of each labelled sample, 3 of them"):
        taken(labelled=(X[:3], TRUTH), units=[1, 2])
    with pytest.raises(RequestError, match=r"give labelled=\(x, truth\) too"):
        taken(units=[1, 2])


def test_the_kind_of_truth_is_said():
    assert taken(labelled=(X[:3], TRUTH)).test_truth_kind == "symptom"
    assert taken(labelled=(X[:3], TRUTH), kind="cause").test_truth_kind == "cause"
    with pytest.raises(RequestError, match="did you mean 'cause'"):
        taken(labelled=(X[:3], TRUTH), kind="causes")


@pytest.mark.parametrize("labelled", [X, (X,), "ab c", (X[:3], TRUTH, TRUTH)])
def test_labelled_is_a_pair(labelled):
    with pytest.raises(RequestError, match="labelled is a pair"):
        taken(labelled=labelled)
    with pytest.raises(RequestError, match="of numbers"):
        taken(labelled=(X[:3], TRUTH.astype(bool).astype(str)))


def test_labelled_values_that_are_not_finite_are_found_where_they_are():
    odd = X[:3].copy()
    odd[1, 2] = np.nan
    with pytest.raises(RequestError, match="labelled is not finite in row 1, column 2"):
        taken(labelled=(odd, TRUTH))


@pytest.mark.parametrize(
    ("shape", "refused"),
    [((9, 8, 3), True), ((8, 9, 1), True), ((3, 8, 8), False), ((1, 8, 3), False)],
)
def test_images_with_their_channels_last_are_refused(shape, refused):
    images = np.zeros((12, *shape), dtype=np.float32)
    if refused:
        with pytest.raises(RequestError, match=r"channels last.*permute them to \([13], "):
            taken(images, images)
    else:
        assert taken(images, images).train.shape[1:] == shape


OTHERS = {"order": list("dcba"), "names": list("abcz")}


@pytest.mark.parametrize("how", OTHERS)
def test_columns_of_data_frames_stand_in_one_order(how):
    columns = OTHERS[how]
    other, features = FRAME.set_axis(columns, axis=1), Features(names=tuple("abcd"))
    truth = pd.DataFrame(TRUTH, columns=list("abcd"))
    for wrong in (
        {"clean": FRAME, "background": other},
        {"clean": FRAME, "labelled": (other[:3], truth)},
        {"clean": FRAME, "labelled": (FRAME[:3], truth.set_axis(columns, axis=1))},
        {"clean": other, "features": features},
    ):
        with pytest.raises(RequestError, match=rf"columns of .* stand .*{how}"):
            taken(**wrong)
    assert len(taken(clean=FRAME, features=features).test) == 60
    assert len(taken(clean=pd.DataFrame(X), background=FRAME).test) == 60


def bounded(background, features=None):
    detector = Detector(NET, features=features)
    return given.bounded(detector, taken(background, background, features=features))


@pytest.mark.parametrize("features", [None, Features(names=tuple("abcd"))])
def test_bounds_that_nobody_has_said_come_from_the_background(features):
    detector, notes = bounded(2 * X - 1, features)
    assert notes == [given.OWN_BOUNDS]
    np.testing.assert_allclose(detector.features.low, (2 * X - 1).min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(detector.features.high, (2 * X - 1).max(axis=0), rtol=1e-6)
    assert detector.features.names == (() if features is None else tuple("abcd"))
    same, notes = bounded(X, features)
    assert notes == []
    assert same.features.low == 0.0


def test_a_scale_is_of_the_bounds_that_it_was_made_with():
    detector = Detector(NET, scale=ScoreScale(0, 1, 0.1, 0.2))
    for background, kept in ((10 * X, False), (X, True)):
        found, _ = given.bounded(detector, taken(background, background))
        assert (found.scale is not None) == kept


def test_one_column_far_outside_is_named_whatever_the_others_bounds():
    wide = Features(low=0, high=(1e6, 1, 1, 1), names=tuple("abcd"))
    _, notes = bounded(X * [1e6, 1, 1000, 1], wide)
    assert "outside of the detector's Features, in c: " in notes[0]
    _, notes = bounded(X * 50, Features(high=1))
    assert "in column 0, column 1, column 2, column 3: " in notes[0]


def test_columns_of_a_category_keep_0_and_1():
    features = Features(groups=(0, 0, 0, 1), kinds=("onehot", "columns"))
    data = np.column_stack([np.ones(60), np.zeros(60), np.zeros(60), 5 * X[:, 3]])
    detector, _ = bounded(data, features)
    assert detector.features.low[:3] == (0, 0, 0)
    assert detector.features.high[:3] == (1, 1, 1)
    assert detector.features.high[3] == pytest.approx(float(5 * X[:, 3].max()))
    spread = (data - 0.3) / 0.2
    spread[::2, :3] += 1  # standardised: no 0 and 1 to keep
    assert bounded(spread, features)[0].features.high[0] == pytest.approx(spread[:, 0].max())


@pytest.mark.parametrize(
    ("background", "features", "said"),
    [
        (2 * X - 1, Features(low=0, high=1), "outside of the detector's Features"),
        (1.05 * X, Features(low=0, high=1), ""),
        (1.2 * X + 0.1, Features(high=1), "outside of the detector's Features"),
        (2 * X - 1, Features(low=-1), ""),
        (0.001 * X, None, "fills 0.001 of the Features' bounds"),
        (X, Features(high=1e4), "fills 0.0001 of the Features' bounds"),
        (0.05 * X, None, ""),
        (X * [1, 1, 0, 0], None, ""),
    ],
)
def test_bounds_that_do_not_fit_the_data_are_said(background, features, said):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector, notes = bounded(background, features)
    assert len(notes) == bool(said)
    assert said in "".join(notes)
    if features is not None:
        assert detector.features == features


FILLED = np.linspace(0, 1, 5, dtype=np.float32)[:, None] * np.ones(4, np.float32)


def test_how_far_a_column_lies_outside_is_said_in_ranges():
    rows, features = 10 * FILLED, Features(high=10.0)
    rows[2, 1] = 35.0  # two and a half ranges of 10 beyond
    _, (note,) = bounded(rows, features)
    assert "up to 2.5 ranges outside of the detector's Features, in column 1: " in note
    rows[2, 1] = 10.5  # a twentieth of the range
    assert bounded(rows, features)[1] == []


def test_one_filled_column_does_not_hide_that_most_hardly_fill_the_bounds():
    _, (note,) = bounded(FILLED * np.array([1, 1e-3, 1e-3, 1e-3], np.float32))
    assert "fills 0.001 of the Features' bounds" in note


def test_bounds_of_the_background_hold_all_blocks_and_a_range_for_constant_columns(monkeypatch):
    monkeypatch.setattr("aexbench.rows.BLOCK_BYTES", 1)  # a row each
    detector, notes = bounded(FILLED * [1, 3, 0, 0] + [0, -1, 50, -0.5])
    assert notes == [given.OWN_BOUNDS]
    assert detector.features.low == (0.0, -1.0, 50.0, -0.5)
    assert detector.features.high == (1.0, 2.0, 100.0, 0.5)


def test_a_detector_that_describes_nothing_has_the_datas_features_and_no_scale_of_other_bounds():
    detector = Detector(NET, scale=ScoreScale(0.0, 1.0, 0.5, 0.9))
    data = taken(features=Features(low=-1.0, high=2.0))
    made = given.described(detector, data)
    assert (made.features, made.scale) == (data.features, None)
    assert detector.features == Features()
    assert detector.scale is not None


@pytest.mark.parametrize("features", [Features(low=0.0, high=1.0), Features(names=tuple("abcd"))])
def test_a_detector_that_describes_its_columns_stays(features):
    detector = Detector(NET, features=features)
    assert given.described(detector, taken(features=Features(low=-1.0, high=2.0))) is detector
