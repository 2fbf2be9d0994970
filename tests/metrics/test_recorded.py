"""Figures of the field's own programs on made cases, run once and recorded here.

AUPRO: anomalib 2.7.0, `anomalib.metrics.aupro` on its CPU components (OpenCV), in single precision,
attributions as they are here. Hits and NDCG: `hit_att` and `ndcg` of TranAD's `src/diagnosis.py`
(imperial-qore/TranAD, commit 33b60769), with scikit-learn's `ndcg_score`, sample by sample.
"""

from __future__ import annotations

import numpy as np
import pytest

from aexbench.metrics.hit_rate import hit_rate
from aexbench.metrics.ndcg import ndcg
from aexbench.metrics.pro import pro
from aexbench.metrics.tools.planes import planes, regions

SEED = 2026


def images() -> tuple[np.ndarray, np.ndarray]:
    """Return attributions and truth of four images: five regions of 1 to 36 pixels, one of which
    a corner holds together, and an image without any.
    """
    truth = np.zeros((4, 24, 24), dtype=bool)
    truth[0, 2:8, 3:9] = truth[0, 15:17, 15:22] = True
    truth[1, 10, 10] = truth[1, 18:23, 1:5] = True
    truth[2, 5:12, 5:7] = truth[2, 12, 7] = True
    return np.random.default_rng(SEED).normal(size=truth.shape) + 1.5 * truth, truth


@pytest.mark.parametrize(("limit", "theirs"), [(0.05, 0.257361), (0.3, 0.523966), (1.0, 0.842665)])
def test_anomalib_has_the_same_aupro(limit, theirs):
    values, truth = images()
    assert regions(planes(truth)).max() == 5
    assert pro(values, truth, limit=limit) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize(
    ("limit", "theirs", "ours"),
    [(0.05, 0.214803, 0.215), (0.3, 0.553278, 0.553279), (1.0, 0.839255, 0.839255)],
)
def test_anomalib_takes_the_straight_line_where_the_limit_falls_among_tied_pixels(
    limit, theirs, ours
):
    values, truth = images()
    found = pro(values.round(), truth, limit=limit)
    assert found == pytest.approx(ours, abs=1e-6)
    assert abs(found - theirs) <= 1 / (limit * np.sum(~truth))


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Return attributions and truth of 24 samples with one to six true features of twelve."""
    rng = np.random.default_rng(SEED)
    truth = rng.random((24, 12)).argsort(axis=1) < rng.integers(1, 7, size=(24, 1))
    return rng.normal(size=truth.shape) + truth, truth


HITS_AT_150 = [
    *(1, 0.75, 1, 1, 0.5, 1 / 3, 1, 1 / 3, 0.5, 1, 0.5, 1 / 3),
    *(0, 1, 1, 1, 0, 0, 0.5, 0, 0.5, 0.5, 1, 1),
]
NDCG_AT_150 = [
    *(0.693426, 0.536378, 0.912156, 1.0, 0.613147, 0.469279, 0.906025, 0.469279),
    *(0.306574, 0.937238, 0.613147, 0.469279, 0.0, 0.767833, 0.674658, 0.906025),
    *(0.0, 0.0, 0.306574, 0.0, 0.386853, 0.5414, 0.943866, 0.989606),
]


def test_tranad_has_the_same_hit_rate_but_where_it_rounds_up():
    values, truth = rows()
    assert hit_rate(values, truth).mean() == pytest.approx(0.41875)
    found, theirs = hit_rate(values, truth, percent=150), np.array(HITS_AT_150)
    rounded_up = np.isin(truth.sum(axis=1), [1, 5])  # half to even: 1.5 and 7.5 are 2 and 8
    np.testing.assert_allclose(found[~rounded_up], theirs[~rounded_up])
    assert (found <= theirs + 1e-12).all()
    assert (found < theirs).sum() == 3


def test_tranad_takes_tied_columns_from_the_last_and_we_take_the_mean_of_their_orders():
    values, truth = rows()
    tied = values.round()
    assert hit_rate(tied, truth).mean() == pytest.approx(0.4264236)
    assert hit_rate(tied[:, ::-1], truth[:, ::-1]).mean() == pytest.approx(0.4264236)
    theirs = {"as they are": 0.4361111, "columns turned round": 0.4083333}
    assert min(theirs.values()) < 0.4264236 < max(theirs.values())


def test_tranad_has_the_same_ndcg_where_all_true_features_are_among_the_first():
    values, truth = rows()
    found, theirs = ndcg(values, truth), np.array(NDCG_AT_150)
    whole = np.array(HITS_AT_150) == 1
    assert whole.sum() == 10
    np.testing.assert_allclose(found[whole], theirs[whole], atol=1e-6)
    assert (found[~whole] > theirs[~whole]).all()
