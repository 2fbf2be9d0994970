"""What a workspace corrupts: normal samples of the test split, anew for every seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import aexbench
from aexbench import Dataset, Features, datasets


def marked() -> Dataset:
    """Rows whose first column tells from which part they come."""
    rng = np.random.default_rng(0)

    def rows(low, count):
        x = rng.random((count, 4))
        x[:, 0] = low + 0.1 * x[:, 0]
        return x.astype(np.float32)

    test = np.concatenate([rows(0.4, 100), rows(0.8, 50)])
    labels = np.arange(150) >= 100
    return Dataset(rows(0.0, 200), rows(0.4, 100), test, Features(), labels)


def test_normal_samples_of_the_test_are_corrupted_anew_for_every_seed(tmp_path):
    datasets.register("marked")(marked)
    results = aexbench.run(
        {
            "name": "marked",
            "datasets": ["marked"],
            "detectors": ["mlp[widths=[2],epochs=2]"],
            "corruptions": ["random[threshold=0.3,count=10]"],
            "explainers": ["residual"],
            "seeds": 2,
            "twins": 0,
            "controls": False,
        },
        tmp_path / "store",
    )
    sets = [results.anomalies(cell) for cell in results.cells]
    assert len(sets) == 2
    for made in sets:
        assert len(made) == 10
        assert ((made.clean[:, 0] >= 0.4) & (made.clean[:, 0] < 0.5)).all()
    assert not np.array_equal(sets[0].unit, sets[1].unit)


def test_a_record_says_what_its_cell_took_by_kinds_of_work(tmp_path):
    suite = {
        "name": "timed",
        "datasets": ["wine"],
        "detectors": ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"],
        "corruptions": ["random[threshold=0.2,count=10]", "null[threshold=0.1,count=5]"],
        "explainers": ["residual", "lrp"],
        "controls": False,
    }
    for here in (True, False):
        results = aexbench.run(suite, tmp_path / str(here), in_process=here)
        kinds = sorted(sorted(record.seconds) for record in results.records)
        assert kinds == [
            ["corrupting", "explaining"],
            ["corrupting", "explaining", "training"],
            ["explaining"],
            ["explaining"],
        ]
        assert min(s for record in results.records for s in record.seconds.values()) > 0


@pytest.mark.parametrize(
    "mode",
    [
        torch.inference_mode,
        lambda: torch.device("meta"),
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    ],
)
def test_modes_around_a_call_change_nothing(mode, detector, linear_rows):
    def scores():
        rows, given = linear_rows[300:], {"background": linear_rows[:300], "twins": 0, "count": 5}
        frame = aexbench.evaluate(
            detector,
            rows,
            explainers=["lrp", "saliency"],
            corruptions=["random[threshold=0.2]"],
            **given,
        ).frame
        return frame.state.tolist(), frame.score.tolist()

    expected = scores()
    with mode():
        assert scores() == expected


def test_every_seed_has_anomalies_of_its_own_on_one_detector(detector, linear_rows):
    results = aexbench.evaluate(
        detector,
        linear_rows[300:],
        background=linear_rows[:300],
        explainers=["residual"],
        corruptions=["random[threshold=0.2]"],
        count=10,
        seeds=2,
        twins=0,
    )
    units = {cell.anomaly_seed: results.anomalies(cell).unit for cell in results.cells}
    assert not np.array_equal(units[0], units[1])
