"""What stands beside every score: what chance scores, and the best there is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from aexbench import families
from aexbench.components import component
from aexbench.running.references import references
from aexbench.running.scoring import info
from tests.aexbench.running.test_scoring import anomalies, scored
from tests.golden.choices import cases

MAPS = 400
HALVES = slice(20), slice(20, None)
NAMES = [
    *(
        plugin.write(parameters)
        for plugin in map(families.metrics.describe, families.metrics.names())
        if not (plugin.declaration.truthless or families.asks(plugin))  # these have no levels
        for parameters in cases(plugin)
    ),
    "pixel-ap[thresholds=9]",
]


def metric(text):
    return component(families.metrics, text)


class Levels(NamedTuple):
    """What a constant map and the truth score, (N,) each."""

    chance: np.ndarray
    ceiling: np.ndarray


def chance_and_ceiling(metric, truth, label=None) -> Levels:
    made = anomalies(truth, label=label)
    maps = [references.create(name)(made) for name in ("chance", "oracle")]
    return Levels(*(scored(one, made, metric.text) for one in maps))


def truth_of(text, samples=40, columns=9, seed=0):
    """Return a truth (N, M) of one to all columns; windows (N, M, 1) for what is by step."""
    rng = np.random.default_rng(seed)
    count = rng.integers(1, columns + 1, size=(samples, 1))
    return shaped(text, rng.random((samples, columns)).argsort(axis=1) < count)


def shaped(text, truth):
    return truth[..., None] if metric(text).plugin.declaration.columns else truth


def pooling_gains(text, truth):
    """Return by how much pooled average precision of random maps passes its level at most: of n
    columns in random order by about (1 + ln n) / n of what is left above the share of true ones.
    """
    if not info(metric(text)).pooled:
        return 0.0
    return (1 - truth.mean()) * (1 + np.log(truth.size)) / truth.size


@pytest.mark.parametrize("text", NAMES)
def test_chance_is_the_mean_over_random_maps(text):
    truth, rng = truth_of(text), np.random.default_rng(1)
    made = metric(text).make()
    random = [np.mean(made.score(rng.random(truth.shape), truth)) for _ in range(MAPS)]
    allowed = 4 * np.std(random, ddof=1) / MAPS**0.5 + pooling_gains(text, truth) + 1e-9
    chance = chance_and_ceiling(metric(text), truth).chance
    assert chance.shape == (len(truth),)
    assert abs(chance.mean() - np.mean(random)) <= allowed


BY_AMOUNT = [name for name in NAMES if "thresholds" in name or name == "relevance-mass"]
"""What asks for more than the order: by how much a column stands out, or over which thresholds."""


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("kind", ["random", "tied", "better", "truth"])
def test_nothing_scores_better_than_the_ceiling(text, kind):
    truth, rng = truth_of(text), np.random.default_rng(2)
    given = {
        "random": rng.random(truth.shape),
        "tied": rng.integers(3, size=truth.shape).astype(float),
        "better": rng.random(truth.shape) + 0.7 * truth,
        "truth": truth + rng.random(truth.shape) / 2,  # in every order that is right
    }
    sign = 1 if info(metric(text)).higher_is_better else -1
    found = np.asarray(metric(text).make().score(given[kind], truth))
    ceiling = chance_and_ceiling(metric(text), truth).ceiling
    left = sign * ((ceiling if found.shape else ceiling.mean()) - found)
    assert (left >= -1e-12).all()
    if kind == "truth" and text not in BY_AMOUNT:
        np.testing.assert_allclose(left, 0, atol=1e-12)


@pytest.mark.parametrize("text", NAMES)
def test_chance_is_no_better_than_the_ceiling(text):
    chance, ceiling = chance_and_ceiling(metric(text), truth_of(text))
    sign = 1 if info(metric(text)).higher_is_better else -1
    assert (sign * (ceiling - chance) >= -1e-12).all()
    assert (sign * (ceiling - chance) > 0.05).any()


# Of M = 9 features, of which four are true.
LEVELS = {
    "recall": (1 / 9, 1 / 4),
    "recall[top=3]": (3 / 9, 3 / 4),
    "recall[top=truth]": (4 / 9, 1),
    "hit-rate[percent=150]": (6 / 9, 1),
    "effort": (1, 5 / 10),
    "effort[until=all]": (1, 5 / 10),
    "pixel-ap": (4 / 9, 1),
    "pixel-ap[thresholds=9]": (4 / 9, 1),
    "roc-auc": (1 / 2, 1),
    "relevance-mass": (4 / 9, 1),
    "relevance-rank": (4 / 9, 1),
    "pointing-game": (4 / 9, 1),
    "pixel-roc-auc": (1 / 2, 1),
    "boundary-ap": (4 / 9, 1),
    "step-precision": (4 / 9, 1),
    "step-precision[top=truth]": (4 / 9, 1),
    "step-precision[boundary=1,top=truth]": (3 / 7, 1),
    "step-roc-auc": (1 / 2, 1),
}


@pytest.mark.parametrize("text", LEVELS)
def test_levels_of_four_true_features_among_nine(text):
    truth = shaped(text, np.tile(np.arange(9) < 4, (3, 1)))
    levels = chance_and_ceiling(metric(text), truth)
    np.testing.assert_allclose(levels, np.tile(np.array(LEVELS[text])[:, None], 3), atol=1e-12)


def test_samples_of_a_label_are_pooled_and_others_are_not(monkeypatch):
    monkeypatch.setattr(families.metrics, "_plugins", dict(families.metrics._plugins))

    @families.metrics.register("squared-share", pooled=True)
    def squared_share(attributions, truth):
        """Return a share's square, which differs from the mean of its parts."""
        return float(truth.mean() ** 2)

    truth, label = truth_of("pixel-ap"), np.repeat(["a", "b"], 20)
    chance = chance_and_ceiling(metric("squared-share"), truth, label).chance
    parts = [chance_and_ceiling(metric("squared-share"), truth[rows]).chance for rows in HALVES]
    np.testing.assert_allclose(chance, np.concatenate(parts))
    whole = chance_and_ceiling(metric("squared-share"), truth).chance
    assert not np.allclose(chance, whole)


def test_pooled_average_precision_has_the_share_of_true_features_at_chance():
    truth = truth_of("pixel-ap")
    chance = chance_and_ceiling(metric("pixel-ap"), truth).chance
    assert chance.mean() == pytest.approx(truth.mean())
