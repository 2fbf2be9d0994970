"""HitRate@P% and NDCG@P% on SMD's interpretation labels, by the protocol of TranAD's program (Tuli
et al., VLDB 2022), beside what that paper reports.

It scores every labelled row, detected or not, by the squared error of each channel in the last step
of the window that ends there, takes the first P% · t channels (rounded half to even), and averages
over rows, so that the longest segments decide: the mean over segments stands beside it. Its paper
has the machines 1-1, 2-1, 3-2 and 3-7 and windows of 10 rows; here are 1-7 and 2-2 and windows of
32, five networks each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import ndcg_score

from aexbench import Dataset, datasets
from aexbench.datasets.tools.windows import views_of
from aexbench.rows import blocks, moments

ROOT = Path(__file__).parents[3] / "shared" / "data" / "smd"
WINDOW, SEEDS = 32, 5
PUBLISHED = (0.4981, 0.6401, 0.4941, 0.6178)  # TranAD's row: HitRate@100, @150, NDCG@100, @150


def diagnosis(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return of each row HitRate@100 %, @150 %, NDCG@100 % and @150 %: (N, 4).

    >>> diagnosis(np.array([[0.9, 0.7, 0.5, 0.3]]), np.array([[0, 1, 1, 0]], dtype=bool)).round(2)
    array([[0.5 , 1.  , 0.39, 0.69]])
    """
    found = []
    for score, true in zip(scores, truth, strict=True):
        first = [round(share * true.sum()) for share in (1, 1.5)]
        order = np.argsort(-score, kind="stable")
        hits = [true[order[:count]].sum() / true.sum() for count in first]
        gains = [ndcg_score([true], [score], k=count) for count in first]
        found.append([*hits, *gains])
    return np.array(found)


def residuals(data: Dataset, machine: str, autoencoder: str, seed: int) -> NDArray[np.float64]:
    """Return the squared error of each test row but the first 31, in the last step of its
    window.
    """
    windows = datasets.create("smd", machine=machine, root=ROOT, window=WINDOW, stride=8)
    detector = windows.detector(seed=seed, autoencoder=autoencoder)
    every = views_of(data.test, WINDOW, np.arange(len(data.test) - WINDOW + 1))
    maps = [detector.error_map(torch.as_tensor(block))[:, -1] for block in blocks(every)]
    return torch.cat(maps).double().numpy()


def floors(data: Dataset) -> dict[str, NDArray[np.float64]]:
    """Return scores of the same rows that know no detector."""
    mean, spread = moments(data.train)
    test = data.test[WINDOW - 1 :].astype(np.float64)
    return {
        "deviation": np.abs(test - mean) / np.maximum(spread, 1e-6),
        "chance": np.random.default_rng(0).random(test.shape),
    }


@pytest.mark.slow
@pytest.mark.skipif(not ROOT.exists(), reason="the real data set is not here")
@pytest.mark.parametrize("machine", ["1-7", "2-2"])
def test_diagnosis_beside_a_published_study(machine):
    data = datasets.create("smd", machine=machine, root=ROOT)
    truth, units = data.test_truth[WINDOW - 1 :], data.test_units[WINDOW - 1 :]
    labelled = truth.any(axis=1)
    print(f"\nmachine {machine}: {labelled.sum():,} rows, {len(set(units[labelled]))} segments")
    print("TranAD, other machines: " + " ".join(f"{figure:.2f}" for figure in PUBLISHED))
    rows = {name: [scores] for name, scores in floors(data).items()}
    for autoencoder in ("lstm", "transformer"):
        own = [residuals(data, machine, autoencoder, seed) for seed in range(SEEDS)]
        rows[f"{autoencoder}, residual"] = own
    means = {}  # over segments
    for name, every in rows.items():
        found = [diagnosis(scores[labelled], truth[labelled]) for scores in every]
        by_row = np.array([one.mean(axis=0) for one in found])
        by_segment = np.array([segments(one, units[labelled]) for one in found])
        means[name] = by_segment.mean(axis=0)
        print(f"{name:22} rows {shown(by_row)}   segments {shown(by_segment)}")
    assert all((means["transformer, residual"] > means["chance"]).tolist())


def segments(found: NDArray[np.float64], units: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean over segments of the mean over their rows."""
    own = [found[units == unit].mean(axis=0) for unit in np.unique(units)]
    return np.mean(own, axis=0)


def shown(found: NDArray[np.float64]) -> str:
    """Return mean and least to greatest over networks of the four figures."""
    every = zip(found.mean(axis=0), found.min(axis=0), found.max(axis=0), strict=True)
    return "  ".join(f"{mean:.2f} [{low:.2f}, {high:.2f}]" for mean, low, high in every)
