"""What every metric must do, whoever wrote it."""

from __future__ import annotations

import numpy as np
import pytest

from aexbench import metrics
from aexbench.conformance import check_metric
from aexbench.conformance.metrics import RULES
from aexbench.declarations import MetricDeclaration
from aexbench.metrics.pixel_ap import pixel_ap, without_each
from aexbench.metrics.recall import recall
from aexbench.metrics.relevance_mass import relevance_mass

NAMES = [
    *metrics.names(),
    *(f"recall[top={top}]" for top in (3, 10, 50, "truth")),
    "hit-rate[percent=150]",
    "effort[until=all]",
    *(f"pixel-ap[thresholds={number}]" for number in (2, 9, 1000)),
    "boundary-ap[distance=3]",
    "pointing-game[tolerance=15]",
    "pro[limit=1]",
    "step-precision[boundary=2,top=truth]",
    "step-precision[top=3]",
    "step-roc-auc[boundary=1]",
]


def problems(*given, **keywords):
    return {rule: problem for rule, problem in check_metric(*given, **keywords) if problem}


@pytest.mark.parametrize("name", NAMES)
def test_keeps_the_contract(name):
    assert problems(name) == {}


@pytest.mark.parametrize("name", ["recall[top=2]", "pixel-ap", "effort", "ndcg", "pro"])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("samples", "columns"), [(20, 5), (3, 2), (64, 8)])
def test_keeps_it_on_few_samples_and_columns(name, seed, samples, columns):
    assert problems(name, samples=samples, columns=columns, seed=seed) == {}


def test_a_metric_that_was_made_is_known_by_what_it_was_made_of():
    assert problems(metrics.create("pixel-ap", thresholds=9)) == {}
    wrong = problems(metrics.create("pixel-ap"), MetricDeclaration(pooled=False))
    assert "not floats of shape (200,)" in wrong["finite scores, one a sample or one in all"]
    assert check_metric("recall[top=2]") == check_metric(metrics.create("recall", top=2))


def test_a_class_is_known_by_itself(monkeypatch):
    class Pooled:
        """Average precision of the attributions' ranks."""

        def score(self, attributions, truth):
            return pixel_ap(attributions, truth)

    registry = metrics.register.__self__
    monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))
    metrics.register("pooled", pooled=True)(Pooled)
    assert problems(Pooled()) == problems("pooled") == {}


class Scores:
    """A metric that nobody has registered."""

    def __init__(self, score):
        self.score = score


def first_wins(attributions, truth):
    """The column of the greatest attribution, the first of those that are tied."""
    best = np.argmax(attributions, axis=1)
    return truth[np.arange(len(truth)), best].astype(float)


def in_their_place(attributions, truth):
    return (truth * np.arange(truth.shape[1])).sum(axis=1) + recall(attributions, truth)


def by_batch(attributions, truth):
    return recall(attributions, truth) - len(truth)


def by_place(attributions, truth):
    return recall(attributions, truth) + np.arange(len(truth))


def by_size(attributions, truth):
    return recall(np.abs(attributions), truth)


def overwriting(attributions, truth):
    found = recall(attributions, truth)
    attributions -= attributions.min()
    attributions *= 2
    truth[:] = False
    return found


def drawing(attributions, truth):
    np.random.random()
    return recall(attributions, truth)


def strictly(attributions, truth):
    """Ties lose: the rank of a true column counts all that are not below it."""
    ranks = (attributions[:, None] >= attributions[:, :, None]).sum(axis=2)
    return (truth & (ranks <= 3)).sum(axis=1) / truth.sum(axis=1)


def flat_rank(attributions, truth):
    """Average precision that takes tied columns one by one, in their order."""
    order = np.argsort(-np.asarray(attributions), axis=None, kind="stable")
    hits = truth.ravel()[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def lazy(attributions, truth):
    return np.full(len(truth), pixel_ap(attributions, truth))


POOLED = MetricDeclaration(pooled=True)
LOWER = MetricDeclaration(higher_is_better=False)
FROM_ZERO = MetricDeclaration(from_zero=True)
FINITE, TIES = "finite scores, one a sample or one in all", "ties cost what chance costs"
ALONE, WITHOUT = "a sample alone as in a batch", "without each sample as without it"
WRONG = [
    (lambda a, t: recall(a, t).mean(), None, FINITE, "float64 of shape () for 200 samples"),
    (lambda a, t: recall(a, t)[:, None], None, FINITE, "shape (200, 1)"),
    (lambda a, t: recall(a, t) > 0, None, FINITE, "bool"),
    (lambda a, t: recall(a, t) / 0, None, FINITE, "not finite"),
    (lambda a, t: recall(a, t) / (len(t) - 1), None, FINITE, "not finite"),
    (recall, POOLED, FINITE, "not floats of shape ()"),
    (by_batch, None, ALONE, "differ by"),
    (lambda a, t: np.repeat(recall(a, t), 1 + (len(t) == 1)), None, ALONE, "shape (400,)"),
    (lazy, None, ALONE, "differ by"),
    (by_place, None, "samples in any order", "differ by"),
    (lambda a, t: pixel_ap(a[1:], t[1:]), POOLED, "samples in any order", "differ by"),
    (in_their_place, None, "columns in any order", "differ by"),
    (by_size, None, "attributions in any unit", "differ by"),
    (lambda a, t: (a * t).sum(axis=1), None, "attributions in any unit", "differ by"),
    (lambda a, t: (a * t).sum(axis=1), FROM_ZERO, "attributions in any unit", "differ by"),
    (relevance_mass, None, "attributions in any unit", "differ by"),
    (first_wins, None, TIES, "a constant map scores 0.0000, random ones 0.20"),
    (strictly, None, TIES, "a constant map scores 0.0000, random ones 0.3"),
    (flat_rank, POOLED, TIES, "a constant map scores"),
    (lambda a, t: -recall(a, t), None, "the direction that it declares", "higher is better"),
    (recall, LOWER, "the direction that it declares", "lower is better, it says"),
    (
        pixel_ap,
        MetricDeclaration(pooled=True, without_each=lambda a, t: without_each(a, t)[::-1]),
        WITHOUT,
        "differ by",
    ),
    (overwriting, None, "leaves its inputs", "changes the attributions and the truth"),
    (drawing, None, "leaves the random state", "numpy"),
]


@pytest.mark.parametrize(("score", "declaration", "rule", "problem"), WRONG)
def test_what_breaks_it_is_named(score, declaration, rule, problem):
    with np.errstate(all="ignore"):
        assert problem in problems(Scores(score), declaration).get(rule, "")


def test_parameters_reach_what_leaves_samples_out(monkeypatch):
    registry = metrics.register.__self__
    monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))

    def without(attributions, truth, *, top):
        whole = recall(attributions, truth, top=top)
        return (whole.sum() - whole) / (len(whole) - 1)

    @metrics.register("mean-recall", pooled=True, without_each=without)
    def mean_recall(attributions, truth, *, top: int = 1):
        """Return the mean recall."""
        return recall(attributions, truth, top=top).mean()

    assert problems("mean-recall[top=3]") == problems(metrics.create("mean-recall", top=3)) == {}


def test_every_rule_is_tried():
    assert {rule for _, _, rule, _ in WRONG} == set(RULES)
