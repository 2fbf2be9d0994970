"""LRP of the families of autoencoders that the literature on anomaly detection has: each is
explained, or refused by what it cannot be explained for.
"""

from __future__ import annotations

import functools
import re

import pytest
import torch

from aexbench import Detector, SkipError, explainers
from tests.explainers.families import FAMILIES, made, samples

REFUSED = {  # with a part of the message
    "batch-size-as-int": "asks how many samples there are",
}
HEAVY = {  # read by torch.export, which takes seconds
    *("conv-lstm", "omnianomaly", "patches-disjoint", "pre-norm-transformer", "tranad"),
    *("tranad-first", "transformer", "transformer-decoder", "anomaly-transformer"),
    *("masked-autoencoder", "mlp-mixer", "patchtst", "query-decoder"),
}


def marked(names):
    return [pytest.param(n, marks=pytest.mark.slow) if n in HEAVY else n for n in names]


explained_ones = pytest.mark.parametrize("name", marked(n for n in FAMILIES if n not in REFUSED))


@functools.cache
def explained(name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the errors of five samples, their relevance, and that of each sample alone."""
    detector, x = Detector(made(name)), samples(name)
    explainer = explainers.create("lrp", detector, first="w2")
    whole = explainer.explain(x)
    return detector.error(x), whole, torch.cat([explainer.explain(row) for row in x.split(1)])


@explained_ones
def test_relevance_sums_to_the_error(name):
    error, relevance, _ = explained(name)
    assert relevance.shape == samples(name).shape
    torch.testing.assert_close(relevance.flatten(1).sum(1), error, rtol=1e-4, atol=0)


@explained_ones
def test_a_sample_alone_is_explained_as_in_a_batch(name):
    _, relevance, alone = explained(name)
    assert float((alone - relevance).abs().max()) <= 1e-5 * float(relevance.abs().max())


@explained_ones
def test_nothing_is_nan(name):
    error, relevance, alone = explained(name)
    assert all(bool(torch.isfinite(values).all()) for values in (error, relevance, alone))


@pytest.mark.parametrize("name", marked(REFUSED))
def test_what_has_no_rule_is_refused_by_name(name):
    with pytest.raises(SkipError, match=re.escape(REFUSED[name])):
        explained(name)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_reconstructs_all_the_same(name):
    error = Detector(made(name)).error(samples(name))
    assert error.shape == (5,)
    assert bool((error > 0).all())


def test_only_families_are_listed():
    assert not (REFUSED.keys() | HEAVY) - FAMILIES.keys()
