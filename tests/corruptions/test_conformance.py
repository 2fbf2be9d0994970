"""What every corruption must do, whoever wrote it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, corruptions
from aexbench.conformance import check_corruption
from aexbench.conformance.corruptions import RULES
from tests.corruptions import series
from tests.corruptions.series import SERIES

NAMES = [
    *(name for name in corruptions.names() if name not in SERIES),
    "adversarial[epsilon=0.3,bounded=true]",
    "group[choice=correlated,size=2]",
]


def problems(*given, **keywords):
    keywords = {"threshold": 0.1, "count": 10, **keywords}
    return {rule: problem for rule, problem in check_corruption(*given, **keywords) if problem}


@pytest.mark.parametrize("name", NAMES)
def test_keeps_the_contract(name, detector, linear_rows):
    assert problems(corruptions.create(name), detector, linear_rows[300:]) == {}


@pytest.mark.parametrize("by", ["channels", "steps", "cells"])
@pytest.mark.parametrize("name", [*SERIES, "spike[channels=3,bounded=true]"])
def test_keeps_it_with_series(name, by):
    made, clean = corruptions.create(name), series.windows()
    assert problems(made, series.detector(by), clean, threshold=0.05) == {}


@pytest.mark.parametrize("threshold", ["strict", None])
def test_keeps_it_at_any_threshold(threshold, detector, linear_rows):
    made = corruptions.create("random", threshold=0.2)
    assert problems(made, detector, linear_rows[300:], threshold=threshold) == {}


def test_keeps_it_with_images(linear_rows):
    images = linear_rows.reshape(600, 1, 2, 4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Tanh(), nn.Conv2d(2, 1, 1))
    detector = Detector(model).calibrate(images[:300])
    assert problems(corruptions.create("swap"), detector, images[300:], threshold=0.05) == {}


def of_function(propose):
    """Return the corruption that a researcher's function makes."""
    family = corruptions.register.__self__
    return family.make(family.adapt(propose, "wrong"), (), {"max_draws": 2000})


@dataclass
class Spoilt:
    """A corruption whose anomalies are changed before they are handed out."""

    spoil: Callable[..., Any]

    def generate(self, detector, clean, count=None, threshold=None, seed=0):
        made = corruptions.create("random").generate(detector, clean, count, threshold, seed)
        return self.spoil(made)


@dataclass
class Meddling:
    """A corruption that changes what it is given."""

    meddle: Callable[..., Any]

    def generate(self, detector, clean, count=None, threshold=None, seed=0):
        made = corruptions.create("random").generate(detector, clean, count, threshold, seed)
        self.meddle(detector, clean)
        return made


def part(**changes):
    return Spoilt(lambda made: replace(made, **{k: f(made) for k, f in changes.items()}))


def uniform(x, values):
    return torch.as_tensor(values, dtype=x.dtype)


def column_first(detector, x, mask, rng):
    """Draw a row for each column: what a draw gets depends on how many there are."""
    return torch.where(mask, uniform(x, rng.random(tuple(x.shape)[::-1]).T.copy()), x)


def of_chunk(detector, x, mask, rng):
    """Take a value that depends on how many samples the detector takes at once."""
    values = uniform(x, rng.random(tuple(x.shape)))
    return torch.where(mask, values / (1 + 1 / detector.chunk_rows(x)), x)


def remembering():
    calls = itertools.count(1)

    def propose(detector, x, mask, rng):
        return torch.where(mask, uniform(x, rng.random(tuple(x.shape))) + 0.01 * next(calls), x)

    return propose


def globally(detector, x, mask, rng):
    return torch.where(mask, torch.rand_like(x), x)


class Seedless:
    """A corruption that knows one seed."""

    def generate(self, detector, clean, count=None, threshold=None, seed=0):
        return corruptions.create("random").generate(detector, clean, count, threshold, 7)


def ungated(made):
    """Accept what no detector notices: hardly any change."""
    x = np.where(made.truth, made.clean + 1e-9, made.clean)
    return replace(made, x=x)


FINITE, SOURCES = (
    "finite anomalies of the samples' shape",
    "made out of the clean rows that it names",
)
TRUTH, PASSES = "changes what its truth holds", "passes the threshold by the change"
DETECTOR = "leaves the detector"
WRONG = [
    (Spoilt(lambda made: made.x), FINITE, "returns ndarray"),
    (of_function(lambda detector, x, mask, rng: x), FINITE, "returns 0 of 10"),
    (part(x=lambda made: made.x * np.inf), FINITE, "samples are not finite"),
    (part(error=lambda made: made.error * np.nan), FINITE, "errors are not finite"),
    (Spoilt(lambda m: replace(m, x=m.x[..., None], truth=m.truth[..., None])), FINITE, "shape"),
    (part(unit=lambda made: made.unit + 300), SOURCES, "no row of the 300 clean samples"),
    (part(unit=lambda made: made.unit * 1.0), SOURCES, "no row of the 300 clean samples"),
    (part(unit=lambda made: made.unit[::-1]), SOURCES, "clean differs"),
    (part(x=lambda made: made.x + 0.01), TRUTH, "columns that its truth does not hold"),
    (part(truth=lambda made: np.roll(made.truth, 1, axis=1)), TRUTH, "truth does not hold"),
    (part(x=lambda made: made.clean), TRUTH, "10 samples are not changed"),
    (of_function(lambda detector, x, mask, rng: x + 1), TRUTH, "its mask alone"),
    (Spoilt(ungated), PASSES, "error differs"),
    (part(score=lambda made: made.score / 2), PASSES, "score differs"),
    (part(report=lambda made: {"threshold": 0.9}), PASSES, "not above it"),
    (part(report=lambda made: {"threshold": 0.0}), PASSES, "clean samples lie above"),
    (part(report=lambda made: {}), PASSES, "names no threshold"),
    (of_function(remembering()), "the same again with the same seed", "differs"),
    (of_function(globally), "the same again with the same seed", "differs"),
    (Seedless(), "others with another seed", "draws the same"),
    (of_function(column_first), "the first of many are those of few", "differs"),
    (of_function(of_chunk), "the same in chunks of any size", "differs"),
    (Meddling(lambda d, _: d.model[0].weight.data.mul_(1 + 1e-12)), DETECTOR, "0.weight"),
    (Meddling(lambda d, _: d.model.eval()), DETECTOR, "training"),
    (Meddling(lambda d, _: d.calibrate(torch.rand(40, 8))), DETECTOR, "scale"),
    (Meddling(lambda d, _: setattr(d, "loss", "l1")), DETECTOR, "loss"),
    (Meddling(lambda d, _: setattr(d, "model", nn.Identity())), DETECTOR, "another model"),
    (Meddling(lambda _, clean: clean.sort(axis=0)), "leaves the clean samples", "copy them first"),
    (Meddling(lambda *_: np.random.random()), "leaves the random state", "numpy"),
    (of_function(globally), "leaves the random state", "torch"),
]


@pytest.mark.parametrize(("corruption", "rule", "problem"), WRONG)
def test_what_breaks_it_is_named(corruption, rule, problem, detector, linear_rows):
    threshold = None if rule == PASSES else 0.1
    found = problems(corruption, detector, linear_rows[300:], threshold=threshold)
    assert problem in found.get(rule, "")


def test_every_rule_is_tried():
    assert {rule for _, rule, _ in WRONG} == set(RULES)
