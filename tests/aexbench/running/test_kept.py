"""What an explainer leaves changed is put back; its cell fails, the others score as without it."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import torch

import aexbench
from aexbench import Detector, Features
from aexbench.running.kept import kept


def weights(detector, x):
    for parameter in detector.model.parameters():
        parameter.data.mul_(0.5)  # which no version counts


class InConstructor:
    def __init__(self, detector):
        self.detector = detector
        detector.model.register_forward_hook(lambda *_: None)

    def explain(self, x):
        return self.detector.error_map(x)


def parameter(detector, x):
    detector.model[0].weight = torch.nn.Parameter(torch.ones(3, 8, dtype=torch.float64))


def module(detector, x):
    detector.model[1].slope = 3


def network(detector, x):
    detector.model = torch.nn.Identity()


def gradients(detector, x):
    detector.model.requires_grad_(False)


def features(detector, x):
    detector.features = Features(high=9.0)


def scale(detector, x):
    detector.scale = None


def folder(detector, x):
    os.chdir("/")


def environment(detector, x):
    os.environ["AEXBENCH_SPOILED"] = "1"


def numpy_noise(detector, x):
    np.random.seed(3)


def python_noise(detector, x):
    random.seed(3)


SPOILS = [weights, parameter, module, network, gradients, features, scale, folder, environment]
SPOILS += [numpy_noise, python_noise]


def within(detector, spoil, x=None):
    with kept(detector):
        spoil(detector, x)


@pytest.mark.parametrize("spoil", SPOILS)
def test_what_is_changed_is_put_back_and_named(detector, linear_rows, spoil):
    x = torch.as_tensor(linear_rows[:5])
    before = (detector.reconstruct(x), detector.features, detector.scale, os.getcwd())
    state, flags = dict(os.environ), [p.requires_grad for p in detector.model.parameters()]
    with pytest.raises(ValueError, match=r"the explainer changed .*; it was put back"):
        within(detector, spoil, x)
    torch.testing.assert_close(detector.reconstruct(x), before[0], rtol=0, atol=0)
    assert (detector.features, detector.scale, os.getcwd()) == before[1:]
    assert [p.requires_grad for p in detector.model.parameters()] == flags
    assert dict(os.environ) == state
    within(detector, lambda detector, x: None)  # everything is as it was


def test_what_an_import_does_is_put_back_and_no_fault(detector, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "import os, random; random.seed(3); os.environ['SET_BY_IMPORT'] = '1'"
    (tmp_path / "library_of_this_test.py").write_text(text)
    state = random.getstate()
    with kept(detector):
        __import__("library_of_this_test")
    assert random.getstate() == state
    assert "SET_BY_IMPORT" not in os.environ
    (tmp_path / "another_of_this_test.py").write_text(text)
    with pytest.raises(ValueError, match="weights"), kept(detector):
        weights(detector, __import__("another_of_this_test"))
    with pytest.raises(ValueError, match="Python's random state"), kept(detector):
        random.seed(3)


def test_an_exception_passes_once_all_is_put_back(detector):
    own = detector.model[0].weight.detach().clone()
    with pytest.raises(ZeroDivisionError):
        within(detector, lambda detector, x: weights(detector, x) or 1 / 0)
    assert torch.equal(detector.model[0].weight, own)


def test_the_others_score_as_without_it_in_any_order(detector, linear_rows):
    def spoiler(detector, x):
        found = detector.error_map(x)
        weights(detector, x)
        return found

    def ends(detector, x):
        raise SystemExit(0)

    def board(*explainers):
        options = {"background": linear_rows[:300], "corruptions": ["random[threshold=0.2]"]}
        given = [*explainers, "residual", "repair"]
        return aexbench.evaluate(
            detector, linear_rows[300:], explainers=given, count=20, twins=0, **options
        ).frame

    alone = board()
    for first in ((spoiler, ends, InConstructor), (InConstructor, ends, spoiler)):
        with pytest.warns(UserWarning, match="failed"):
            spoiled = board(*first)
        own = spoiled[~spoiled.explainer.isin(["spoiler", "ends", "inconstructor"])]
        assert own.score.tolist() == alone.score.tolist()
        failed = spoiled[spoiled.state == "failed"].groupby("explainer").reason.first()
        assert "weights or buffers; it was put back" in failed["spoiler"]
        assert "hooks; it was put back" in failed["inconstructor"]
        assert failed["ends"] == "SystemExit: 0"


def test_a_models_own_loss_of_mode_is_put_back():
    detector = Detector(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout()).eval())
    with pytest.raises(ValueError, match="modes or hooks"):
        within(detector, lambda detector, x: detector.model.train())
    assert not detector.model[1].training
