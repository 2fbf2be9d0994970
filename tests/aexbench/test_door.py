"""The door: what every explainer is handed, and what it may not do, whoever wrote it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from aexbench import Detector, RequestError, explainers
from aexbench.door import Door, FunctionExplainer
from aexbench.families import explainers as family

X = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def detector():
    return Detector(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 3)))


def behind(function, detector):
    """Return a function and a class with the same body, both behind the door."""

    class Explainer:
        def __init__(self, detector):
            self.detector = detector

        @torch.no_grad()  # a decorator does not switch the checks off
        def explain(self, x):
            return function(self.detector, x)

    plugins = [family.adapt(function), family.adapt(Explainer)]
    return [family.make(plugin, (detector,), {}) for plugin in plugins]


@pytest.mark.parametrize(
    "given",
    [
        X.double(),
        X.numpy(),
        X.tolist(),
        (X > 0.5).long(),
        X.clone().requires_grad_(),
        X.half(),
    ],
)
def test_samples_arrive_as_the_detector_takes_them(detector, given):
    seen = []
    for door in behind(lambda detector, x: seen.append(x) or detector.error_map(x), detector):
        door.explain(given)
    for x in seen:
        assert (x.dtype, x.device, x.requires_grad) == (torch.float32, detector.device, False)


def test_it_is_never_asked_about_nothing(detector):
    def refuses(detector, x):
        raise AssertionError

    for door in behind(refuses, detector):
        found = door.explain(X[:0])
        assert (tuple(found.shape), found.dtype) == ((0, 3), torch.float32)
    with pytest.raises(RequestError, match=r"samples have shape \(N, …\); got \(3,\)"):
        door.explain(X[0])


def test_answers_are_float32_or_better():
    for kind, expected in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        detector = Detector(torch.nn.Linear(3, 3).to(kind))
        for door in behind(lambda detector, x: detector.error_map(x), detector):
            assert door.explain(X).dtype == expected


def changes_weights(detector, x):
    with torch.no_grad():
        detector.model[0].weight.mul_(0.5)
    return x * 1


def other_type(detector, x):
    torch.set_default_dtype(torch.float64)
    return x * 1


def other_threads(detector, x):
    torch.set_num_threads(torch.get_num_threads() + 1)
    return x * 1


def no_gradients(detector, x):
    torch.set_grad_enabled(False)
    return x * 1


def replaces(detector, x):
    detector.model[0].bias = torch.nn.Parameter(torch.ones(2))
    return x * 1


WRONG = {
    "returns an array": (lambda d, x: x.numpy(), "not a ndarray"),
    "another shape": (lambda d, x: x.sum(1), r"have shape \(5,\), the samples \(5, 3\)"),
    "turned": (lambda d, x: x.T * 1, r"have shape \(3, 5\), the samples \(5, 3\)"),
    "whole numbers": (lambda d, x: x.long(), "int64, not floats"),
    "infinite": (lambda d, x: x / 0, "not finite"),
    "not a number": (lambda d, x: x * torch.nan, "not finite"),
    "samples": (lambda d, x: x.mul_(2) * 1, "changed the samples"),
    "weights": (changes_weights, "changes the model's weights or buffers"),
    "a weight replaced": (replaces, "changes the model's weights or buffers"),
    "mode": (lambda d, x: d.model.train(not d.model.training) and x * 1, "modules, modes or hooks"),
    "hooks": (lambda d, x: d.model.register_forward_hook(print) and x * 1, "hooks"),
    "torch's noise": (lambda d, x: torch.rand_like(x), "random state of torch: use a generator"),
    "numpy's noise": (lambda d, x: x + np.random.random(), "random state of numpy"),
    "python's noise": (lambda d, x: x + random.random(), "random state of Python"),
    "default type": (other_type, "default type"),
    "threads": (other_threads, "number of threads"),
    "gradient mode": (no_gradients, "gradient mode"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_a_call_breaks_is_named(detector, wrong):
    function, message = WRONG[wrong]
    threads, kind = torch.get_num_threads(), torch.get_default_dtype()
    try:
        with pytest.raises((TypeError, ValueError), match=message):
            Door(FunctionExplainer(function, detector, {}), detector).explain(X)
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(kind)
        torch.set_grad_enabled(True)


def test_attributes_pass_through(detector):
    explainer = explainers.create("lrp", detector)
    assert explainer.ledger(X).gap.shape == (5,)
    assert explainer.rules == explainer.explainer.rules
    with pytest.raises(AttributeError, match="nonsense"):
        _ = explainer.nonsense


def test_no_class_is_patched():
    class Mine:
        def __init__(self, detector):
            pass

        def explain(self, x):
            return x

    own = Mine.explain
    family.adapt(Mine)
    assert Mine.explain is own
