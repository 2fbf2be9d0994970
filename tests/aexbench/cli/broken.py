"""Plugins that break one rule each: in place of a line that is right, one that is wrong.

Every whole is a component that keeps its contract; a case says which line is replaced by which, the
rule that then is broken, and a part of the line that mends it. Whoever types that line has the
whole again.
"""

from __future__ import annotations

from typing import NamedTuple

EXPLAINER = '''
import copy
import itertools

import numpy as np
import torch

from aexbench import SkipError, explainers
from aexbench.explainers.tools.seeding import generators

calls = itertools.count(1)


@explainers.register("mine", version=1)
def mine(detector, x):
    """Return the error map, and a little noise."""
    noise = np.stack([rng.random(x.shape[1:]) for rng in generators(x, 0)])
    error = detector.error_map(x)
    scale = 1.0
    return error / scale + 1e-3 * torch.as_tensor(noise).to(x)
'''
CORRUPTION = '''
import itertools
import random

import numpy as np
import torch

from aexbench import corruptions

calls = itertools.count(1)


@corruptions.register("mine", version=1)
def mine(detector, x, mask, rng):
    """Draw another value."""
    values = torch.as_tensor(rng.random(tuple(x.shape))).to(x)
    return torch.where(mask, values, x)
'''
CLASS = '''
import copy
from dataclasses import replace

import numpy as np

from aexbench import corruptions


@corruptions.register("mine", version=1)
class Mine:
    """Draw another value."""

    def generate(self, detector, clean, count=None, threshold=None, seed=0):
        """Return anomalies."""
        random = corruptions.create("random")
        made = random.generate(detector, clean, count, threshold, seed)
        return made
'''
METRIC = '''
import numpy as np
from scipy.stats import rankdata

from aexbench import metrics


def without(attributions, truth):
    return np.array([whole(np.delete(attributions, i, 0), np.delete(truth, i, 0))
                     for i in range(len(truth))])


def whole(attributions, truth):
    return float(mine(attributions, truth).mean())


@metrics.register("mine", version=1)
def mine(attributions, truth):
    """Return the mean rank of the true columns."""
    ranks = rankdata(attributions, axis=1)
    return (ranks * truth).sum(axis=1) / truth.sum(axis=1)
'''
DATASET = '''
import numpy as np

from aexbench import Dataset, Features, datasets


@datasets.register("mine", version=1, licence="MIT")
def mine():
    """Uniform rows."""
    rng = np.random.default_rng(0)
    rows = rng.random((300, 3))
    labels = np.arange(300) >= 280
    truth = np.zeros((100, 3), dtype=bool)
    train, validation, test = rows[:100], rows[100:200], rows[200:]
    low, high = train.min(axis=0), train.max(axis=0)
    splits = [(part - low) / (high - low) for part in (train, validation, test)]
    return Dataset(*splits, Features(), labels[200:])
'''
AUTOENCODER = '''
import numpy as np
import torch
from torch import nn

from aexbench import autoencoders


@autoencoders.register("mine", version=1)
def mine(shape):
    """Return two layers."""
    layers = nn.Sequential(nn.Linear(shape[0], 2), nn.Linear(2, shape[0]))
    return layers
'''
WHOLE = {
    "explainer": EXPLAINER,
    "corruption": CORRUPTION,
    "class": CLASS,
    "metric": METRIC,
    "data set": DATASET,
    "autoencoder": AUTOENCODER,
}


class Case(NamedTuple):
    """What stands in place of a line, the rule that breaks, a part of the line that mends it."""

    kind: str
    right: str
    wrong: str
    rule: str
    mend: str


class _Layer:
    """Bodies of modules for autoencoders that are wrong."""

    HEAD = "    class Wrong(nn.Module):\n        def forward(self, x):\n            return "
    TAIL = "\n    layers = Wrong()\n    return layers"


def _layer(returned: str) -> str:
    return f"{_Layer.HEAD}{returned}{_Layer.TAIL}"


NOISE = "    noise = np.stack([rng.random(x.shape[1:]) for rng in generators(x, 0)])"
ERROR = "    error = detector.error_map(x)"
RETURN = "    return error / scale + 1e-3 * torch.as_tensor(noise).to(x)"
VALUES = "    values = torch.as_tensor(rng.random(tuple(x.shape))).to(x)"
WHERE = "    return torch.where(mask, values, x)"
MADE = "        return made"
DRAWN = "        made = random.generate(detector, clean, count, threshold, seed)"
RANKS = "    ranks = rankdata(attributions, axis=1)"
SHARE = "    return (ranks * truth).sum(axis=1) / truth.sum(axis=1)"
REGISTER = '@metrics.register("mine", version=1)'
BY_PLACE = '''
@metrics.register("mine", version=1, pooled=True)
def pooled(attributions, truth):
    """Return a mean in which later samples weigh more."""
    return np.average(mine(attributions, truth), weights=np.arange(1, len(truth) + 1))


'''
SPLITS = "    train, validation, test = rows[:100], rows[100:200], rows[200:]"
DATA = "    return Dataset(*splits, Features(), labels[200:])"
SHAPE = "finite floats of the samples' shape"
FINITE = "finite scores, one a sample or one in all"
TRUTH = "changes what its truth holds"
PASSES = "passes the threshold by the change"
DETECTOR = "leaves the detector"
CASES = [
    Case(
        "explainer",
        NOISE,
        "    noise = torch.rand(x.shape)",
        "leaves the random state",
        NOISE[12:].replace("(x, 0)", "(x, seed)"),
    ),
    Case("explainer", ERROR, "    error = x.mul_(2)", "leaves the samples", "x = x.clone()"),
    Case("explainer", RETURN, "    return error.numpy()", SHAPE, "return torch.as_tensor("),
    Case("explainer", RETURN, "    return error.sum(1)", SHAPE, "in the shape of x"),
    Case("explainer", RETURN, "    return error.long()", SHAPE, "return attributions.to(x.dtype)"),
    Case("explainer", "    scale = 1.0", "    scale = x - x", SHAPE, "scale.clamp_min(1e-12)"),
    Case(
        "explainer",
        ERROR,
        "    next(detector.model.parameters()).data.mul_(1.1)\n" + ERROR,
        "leaves the model",
        "model = copy.deepcopy(detector.model)",
    ),
    Case(
        "explainer",
        ERROR,
        "    detector.model.register_forward_hook(lambda *_: None)\n" + ERROR,
        "leaves the model",
        "handle.remove()",
    ),
    Case(
        "explainer",
        ERROR,
        "    x = x.clone().requires_grad_()\n"
        "    error, = torch.autograd.grad(detector.error_map(x).sum(), x)",
        "with and without autograd",
        "with torch.enable_grad():",
    ),
    Case(
        "explainer",
        ERROR,
        ERROR + " * (1 + torch.is_grad_enabled())",
        "with and without autograd",
        "do not ask whether autograd is on",
    ),
    Case("explainer", ERROR, ERROR + " * next(calls)", "repeatable", "keep nothing between calls"),
    Case(
        "explainer",
        "    scale = 1.0",
        "    scale = error.max()",
        "a sample alone as in a batch",
        "error.flatten(1).amax(dim=1)",
    ),
    Case(
        "explainer",
        ERROR,
        "    _, _, height, width = x.shape\n" + ERROR,
        "skips what it does not take",
        'raise aexbench.SkipError("for images alone")',
    ),
    Case("explainer", ERROR, "    raise SystemExit(0)", SHAPE, "raise ValueError("),
    Case("corruption", WHERE, "    return values", TRUTH, WHERE.strip()),
    Case(
        "corruption",
        WHERE,
        "    return torch.where(mask, x + 1e-9, x)",
        "finite anomalies of the samples' shape",
        '@corruptions.register("mine", threshold=0.1)',
    ),
    Case(
        "corruption",
        VALUES,
        "    values = torch.as_tensor(rng.random(tuple(x.shape))).to(x) + 0.01 * next(calls)",
        "the same again with the same seed",
        "torch.as_tensor(rng.random(tuple(x.shape))).to(x)",
    ),
    Case(
        "corruption",
        VALUES,
        "    values = torch.full_like(x, random.random())",
        "leaves the random state",
        "torch.as_tensor(rng.random(tuple(x.shape))).to(x)",
    ),
    Case(
        "corruption",
        VALUES,
        "    values = torch.as_tensor(rng.random(tuple(x.T.shape)).T.copy()).to(x)",
        "the first of many are those of few",
        "rng.random((len(x), …))",
    ),
    Case(
        "corruption",
        WHERE,
        "    return torch.where(mask, values / (1 + 1 / detector.chunk_rows(x)), x)",
        "the same in chunks of any size",
        "let nothing depend on detector.chunk_rows",
    ),
    Case(
        "corruption",
        WHERE,
        "    _, _, height, width = x.shape\n" + WHERE,
        "skips what it does not take",
        'raise aexbench.SkipError("for images alone")',
    ),
    Case(
        "class",
        MADE,
        "        return made.x",
        "finite anomalies of the samples' shape",
        "return an aexbench.AnomalySet",
    ),
    Case(
        "class",
        MADE,
        "        return replace(made, x=made.x * np.inf)",
        "finite anomalies of the samples' shape",
        "can be 0",
    ),
    Case(
        "class",
        MADE,
        "        return replace(made, x=made.x[..., None], truth=made.truth[..., None])",
        "finite anomalies of the samples' shape",
        "of the shape of the clean ones",
    ),
    Case(
        "class",
        MADE,
        "        return replace(made, unit=made.unit[::-1])",
        "made out of the clean rows that it names",
        "unit=rows, clean=clean[rows]",
    ),
    Case("class", MADE, "        return replace(made, x=made.x + 0.01)", TRUTH, "truth = x != "),
    Case("class", MADE, "        return replace(made, x=made.clean)", TRUTH, "leave out samples"),
    Case("class", MADE, "        return replace(made, report={})", PASSES, 'report={"threshold": '),
    Case(
        "class",
        MADE,
        "        return replace(made, score=made.score / 2)",
        PASSES,
        "score = detector.score(x)",
    ),
    Case(
        "class",
        MADE,
        '        return replace(made, report={"threshold": 0.99})',
        PASSES,
        "detector.score(clean) <= threshold < detector.score(x)",
    ),
    Case(
        "class",
        DRAWN,
        DRAWN.replace("seed)", "7)"),
        "others with another seed",
        "rng = np.random.default_rng(seed)",
    ),
    Case(
        "class", DRAWN, "        detector.calibrate(clean)\n" + DRAWN, DETECTOR, "calibrate a copy"
    ),
    Case(
        "class",
        DRAWN,
        '        detector.model.extra = getattr(detector.model, "extra", 0) + 1\n' + DRAWN,
        DETECTOR,
        "copy.deepcopy(detector)",
    ),
    Case(
        "class",
        DRAWN,
        "        clean.sort(axis=0)\n" + DRAWN,
        "leaves the clean samples",
        "clean = clean.copy()",
    ),
    Case(
        "metric",
        SHARE,
        SHARE.replace("return ", "return np.mean(") + ")",
        FINITE,
        '@metrics.register("mine", pooled=True)',
    ),
    Case(
        "metric",
        REGISTER,
        '@metrics.register("mine", version=1, pooled=True)',
        FINITE,
        "float(scores.mean())",
    ),
    Case("metric", SHARE, SHARE + " > 2", FINITE, "np.asarray(scores, dtype=np.float64)"),
    Case("metric", SHARE, SHARE + " / (len(truth) - 1)", FINITE, "such as len(truth) - 1"),
    Case(
        "metric",
        SHARE,
        SHARE + " - len(truth)",
        "a sample alone as in a batch",
        '@metrics.register("mine", pooled=True)',
    ),
    Case("metric", REGISTER, BY_PLACE, "samples in any order", "place in the batch"),
    Case(
        "metric",
        RANKS,
        RANKS + " + np.arange(truth.shape[1])",
        "columns in any order",
        "a column's place",
    ),
    Case(
        "metric",
        RANKS,
        "    ranks = np.asarray(attributions)",
        "attributions in any unit",
        "ranks = scipy.stats.rankdata(attributions, axis=1)",
    ),
    Case(
        "metric",
        RANKS,
        '    ranks = rankdata(attributions, axis=1, method="min")',
        "ties cost what chance costs",
        "share their mean rank",
    ),
    Case(
        "metric",
        RANKS,
        "    ranks = -rankdata(attributions, axis=1)",
        "the direction that it declares",
        '@metrics.register("mine", higher_is_better=False)',
    ),
    Case(
        "metric",
        REGISTER,
        '@metrics.register("mine", version=1, higher_is_better=False)',
        "the direction that it declares",
        '@metrics.register("mine", higher_is_better=True)',
    ),
    Case(
        "metric",
        REGISTER,
        'metrics.register("mine", version=1, pooled=True, '
        "without_each=lambda a, t: without(a, t)[::-1])(whole)\n",
        "without each sample as without it",
        '@metrics.register("mine", pooled=True)',
    ),
    Case(
        "metric",
        RANKS,
        "    attributions -= 1\n" + RANKS,
        "leaves its inputs",
        "attributions = attributions.copy()",
    ),
    Case(
        "metric",
        RANKS,
        "    np.random.random()\n" + RANKS,
        "leaves the random state",
        "rng = np.random.default_rng(seed)",
    ),
    Case(
        "data set",
        SPLITS,
        "    train, validation, test = rows[:200], rows[200:200], rows[200:]",
        "splits of samples of one shape",
        "give every split some rows",
    ),
    Case(
        "data set",
        SPLITS,
        "    train, validation, test = rows[:100], rows[:100], rows[200:]",
        "splits share no rows",
        "np.random.default_rng(seed).permutation(len(rows))",
    ),
    Case(
        "data set",
        SPLITS,
        "    train, validation, test = rows[:100], rows[100:200], rows[200:]\n"
        "    train[:20] = test[80:]",
        "labelled rows in the test alone",
        "normal = rows[~labels]",
    ),
    Case(
        "data set",
        SPLITS,
        SPLITS + "\n    train[3, 1] = np.nan",
        "finite values",
        "rows[np.isfinite(rows).all(1)]",
    ),
    Case(
        "data set",
        "    low, high = train.min(axis=0), train.max(axis=0)",
        "    rows[250], rows[260] = 2, -1\n    low, high = rows.min(axis=0), rows.max(axis=0)",
        "scaled by the training split alone",
        "low, high = train.min(axis=0), train.max(axis=0)",
    ),
    Case(
        "data set",
        DATA,
        "    truth[0] = True\n    return Dataset(*splits, Features(), labels[200:], truth)",
        "a truth where it is labelled",
        "test_labels = test_truth.any(axis=1)",
    ),
    Case(
        "data set",
        DATA,
        "    truth[0] = True\n    return Dataset(*splits, Features(), test_truth=truth)",
        "a truth where it is labelled",
        "test_labels=truth.any(axis=1)",
    ),
    Case(
        "data set",
        "    rng = np.random.default_rng(0)",
        "    rng = np.random.default_rng()",
        "the same when made again",
        "rng = np.random.default_rng(seed)",
    ),
    Case(
        "data set",
        "    rng = np.random.default_rng(0)",
        "    rng = np.random.default_rng(0)\n    np.random.random()",
        "leaves the random state",
        "rng = np.random.default_rng(seed)",
    ),
    Case(
        "autoencoder",
        "    return layers",
        _layer("(x, x)"),
        "finite reconstructions of the samples' shape",
        "return x̂ alone",
    ),
    Case(
        "autoencoder",
        "    return layers",
        _layer("x[:, :2]"),
        "finite reconstructions of the samples' shape",
        "x_hat.view_as(x)",
    ),
    Case(
        "autoencoder",
        "    return layers",
        _layer("x / 0"),
        "finite reconstructions of the samples' shape",
        "can be 0",
    ),
    Case(
        "autoencoder",
        "    return layers",
        _layer("x - x.mean(0)"),
        "a sample alone as in a batch",
        "no statistics over the batch",
    ),
    Case(
        "autoencoder",
        "    return layers",
        "    layers[0].weight.data += float(np.random.default_rng().random())\n    return layers",
        "the same from the same random state",
        "torch.randn",
    ),
    Case(
        "autoencoder",
        "    return layers",
        "    _, height, width = shape\n    return nn.Conv2d(1, 1, 3, padding=1)",
        "skips what it does not take",
        'raise aexbench.RequestError("for images alone")',
    ),
]
