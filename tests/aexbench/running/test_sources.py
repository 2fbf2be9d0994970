"""What names a detector that is given, and results that a store may give again."""

from __future__ import annotations

import copy

import pytest
import torch

import aexbench
from aexbench import Detector
from aexbench.running.sources import identity

FACTOR = 1.0


def scaled(x):
    return x * FACTOR


class Scaled(torch.nn.Module):
    """A network whose figures depend on a global, on an object that it holds, and on a buffer."""

    def __init__(self, network, held=None):
        super().__init__()
        self.network, self.held = network, held
        self.register_buffer("places", torch.eye(2).to_sparse())

    def forward(self, x):
        return scaled(self.network(x))


class Weighted(Detector):
    _weight = 1.0

    def error_share(self, x, x_hat):
        return super().error_share(x, x_hat) * FACTOR * self._weight


def of_columns(x, x_hat):
    return scaled((x - x_hat).square() / x.shape[1])


MAKERS = {
    "model": lambda model: Detector(Scaled(model)),
    "class": lambda model: Weighted(model),
    "loss": lambda model: Detector(model, loss=of_columns),
    "output": lambda model: Detector(model, output=lambda x_hat: scaled(x_hat)),
    "fresh": lambda model: Detector(model, fresh=lambda: Scaled(copy.deepcopy(model))),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_globals_of_a_detectors_code_count(detector, make, monkeypatch):
    before = identity(make(detector.model))
    assert identity(make(copy.deepcopy(detector.model))) == before
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    assert identity(make(detector.model)) != before


def test_what_a_detector_and_its_modules_hold_counts(detector):
    made = [Weighted(Scaled(copy.deepcopy(detector.model))) for _ in range(6)]
    made[1]._weight = 2.0
    made[2].model.places = 2 * made[2].model.places
    made[3].model.held = [[copy.deepcopy(detector.model)]]
    made[4].model.held = [[copy.deepcopy(detector.model).float()]]
    names = [str(identity(one)) for one in made]
    assert names[0] == names[5]
    assert len(set(names)) == 5


def test_use_does_not_rename_a_detector(detector):
    made = Detector(copy.deepcopy(detector.model), scale=detector.scale)
    before = identity(made)
    made.error(torch.rand(5, 8))
    assert identity(made) == before


SIGN = 1


def signed(detector, x):
    return SIGN * detector.error_map(x)


def test_a_store_gives_no_results_of_another_global(detector, linear_rows, tmp_path, monkeypatch):
    def top():
        options = {"corruptions": ["random[threshold=0.2]"], "count": 9, "twins": 0}
        options |= {"background": linear_rows[:300], "store": tmp_path / "s"}
        found = aexbench.evaluate(detector, linear_rows[300:], explainers=[signed], **options)
        own = found.frame[(found.frame.explainer == "signed") & (found.frame.control == "none")]
        return own.score.tolist()

    first = top()
    monkeypatch.setitem(globals(), "SIGN", -1)
    assert top() != first
    monkeypatch.setitem(globals(), "SIGN", 1)
    assert top() == first
